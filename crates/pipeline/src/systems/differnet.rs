//! `differnet`: a flow over one vector of features of an image in three sizes, which gives a score and no map.
//!
//! As Rudolph, Wandt and Rosenhahn (2021), "Same Same But DifferNet: Semi-Supervised Defect Detection with Normalizing
//! Flows", have it.

use std::sync::Arc;

use burn::backend::Autodiff;
use burn::tensor::Tensor;
use nfbmr_backend::{Backend, state_dict};
use nfbmr_flow::{Flow, FlowConfig, nll};
use serde::{Deserialize, Serialize};

use super::settings::unusable;
use super::{Head, LearnedSize, Settings, Setup, SharedHead, Trained, Training};
use crate::error::{ModelError, Phase, PipelineError};
use crate::features::{Blocks, Cnn, Extraction, FeatureLevel, LevelSpec, SharedSamples};
use crate::file::Learned;
use crate::score::Maps;
use crate::train::{Draw, TrainingConfig, TrainingPhase, Workers, fit};

// Names in a model file.
const DIFFERNET: &str = "differnet";
const PERMUTATIONS: &str = "permutations";

/// The settings of `differnet`.
///
/// Features of the last block are of the image in full, half and quarter size, each averaged over all positions and
/// all put together: a vector of 3 C values. With z the vector that a flow of fully connected subnetworks makes of it,
/// the score is the mean of z² over its values, the paper's for one view of the image.
///
/// Where the paper turns, shifts and lights training images anew each time, and averages the scores of 64 such views,
/// the training images here have the copies of `augmentation`, and a detection sees the image as it is. A subnetwork
/// has one hidden layer in place of three of 2048.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DifferNetConfig {
    /// Coupling blocks; 8, as in the paper.
    pub couplings: usize,
    /// Values of the hidden layer of a subnetwork; 256.
    pub hidden: usize,
    /// Bound of the log-scale, as that of [`FlowConfig`]; 3, as in the paper.
    pub clamp: f64,
    /// How the flow is trained, by the negative log-likelihood; 10 epochs.
    pub training: TrainingConfig,
}

impl Default for DifferNetConfig {
    fn default() -> Self {
        let training = TrainingConfig::flow().one_cycle();
        Self { couplings: 8, hidden: 256, clamp: 3.0, training }
    }
}

impl DifferNetConfig {
    /// The flow over a single position, where convolutions are fully connected layers.
    fn flow(&self) -> FlowConfig {
        let &Self { couplings, hidden, clamp, .. } = self;
        FlowConfig { couplings, hidden, kernel: 1, clamp }
    }
}

/// Values of the vector of an image.
fn values(levels: &[FeatureLevel]) -> usize {
    levels.iter().map(FeatureLevel::channels).sum()
}

/// Features `[N, C, H, W]` of each level, averaged over all positions and put together: `[N, values, 1, 1]`.
fn vector<B: Backend>(y: Vec<Tensor<B, 4>>) -> Tensor<B, 4> {
    Tensor::cat(y.into_iter().map(|level| level.mean_dim(3).mean_dim(2)).collect(), 1)
}

impl Settings for DifferNetConfig {
    fn check(&self, blocks: &Blocks) -> Result<(), PipelineError> {
        self.flow().check(values(&blocks.levels(&blocks.scales())?.levels))?;
        self.training.check("training")
    }

    fn levels(&self, blocks: &Blocks) -> Result<Vec<LevelSpec>, PipelineError> {
        Ok(blocks.scales())
    }

    fn localises(&self) -> bool {
        false
    }

    fn size(&self, extraction: &Extraction) -> LearnedSize {
        let parameters = self.flow().parameters(values(&extraction.source.levels));
        LearnedSize { parameters, statistics: 0 }
    }

    fn multiply_adds(&self, levels: &[FeatureLevel]) -> [f64; 2] {
        [self.flow().multiply_adds(values(levels), 1), 0.0]
    }

    fn train<B: Backend>(
        &self,
        training: Training<'_, '_, '_, B>,
    ) -> Result<Trained<B>, PipelineError> {
        let images = training.first()?.len();
        let Training { extraction, features, setup, session, .. } = training;
        let of_image = |index| {
            let level = |samples: &SharedSamples<B>| samples.get(index);
            let y = features.source.iter().map(level).collect::<Result<_, PipelineError>>()?;
            Ok(vector(y))
        };
        let vectors = (0..images).map(of_image).collect::<Result<Vec<_>, PipelineError>>()?;
        let vectors: SharedSamples<B> = Arc::new(vectors);
        let (values, seed) =
            (values(&extraction.source.levels), |draw: Draw| draw.seed(setup.seed));
        let config = self.flow();
        let permutations =
            Flow::<B>::random_permutations(&config, values, seed(Draw::Permutations));
        let (weights, order) = (seed(Draw::FlowWeights), seed(Draw::FlowOrder));
        let flow = Flow::<Autodiff<B>>::new(&config, &permutations, values, weights, setup.device)?;
        let (phase, config) = (Phase::Flow, &self.training);
        let phase = TrainingPhase { phase, images, config, seed: order };
        let flow = fit(flow, &phase, &Workers::new::<B>(), session, |flow, batch| {
            Ok(nll(&flow.forward(Tensor::from_inner(vectors.batch(batch)?))?))
        })?;
        Ok(Trained::new(DifferNet { permutations, flow }))
    }

    fn load<B: Backend>(
        &self,
        learned: &mut Learned,
        extraction: &Extraction,
        _: Option<Cnn<B>>,
        setup: &Setup<'_, B>,
    ) -> Result<SharedHead<B>, ModelError> {
        let permutations: Vec<Vec<usize>> = learned.take_constant(PERMUTATIONS)?;
        let values = values(&extraction.source.levels);
        let flow = Flow::new(&self.flow(), &permutations, values, 0, setup.device);
        let flow = learned.load(DIFFERNET, flow.map_err(unusable)?)?;
        Ok(Arc::new(DifferNet { permutations, flow }))
    }
}

/// A trained flow, and the permutations it was made with.
#[derive(Clone, Debug)]
struct DifferNet<B: Backend> {
    permutations: Vec<Vec<usize>>,
    flow: Flow<B>,
}

impl<B: Backend> Head<B> for DifferNet<B> {
    fn maps(&self, _: &Tensor<B, 4>, y: Vec<Tensor<B, 4>>) -> Result<Vec<Maps>, PipelineError> {
        let z = self.flow.forward(vector(y))?.z;
        let scores = z.square().mean_dim(1).into_data();
        Ok(scores.iter::<f32>().map(Maps::Score).collect())
    }

    fn store(&self, learned: &mut Learned) -> Result<(), ModelError> {
        learned.put_constant(PERMUTATIONS, &self.permutations)?;
        learned.put(DIFFERNET, state_dict(&self.flow));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use nfbmr_backend::Cpu;
    use nfbmr_test_support::fixture::assert_close;

    use super::*;
    use crate::config::PipelineConfig;
    use crate::systems::{System, testing};

    fn config() -> PipelineConfig {
        let mut own = DifferNetConfig { couplings: 2, hidden: 16, ..Default::default() };
        own.training.epochs = 30;
        PipelineConfig { input_size: 64, system: own.into(), ..PipelineConfig::default() }
    }

    /// About a mean.
    fn features(images: usize, mean: f64) -> Vec<Tensor<Cpu, 4>> {
        testing::normal(&config().extraction().unwrap(), images, [mean, 1.0])
    }

    fn scores(head: &dyn Head<Cpu>, y: Vec<Tensor<Cpu, 4>>) -> Vec<f32> {
        let images = Tensor::zeros([y[0].dims()[0], 3, 64, 64], &Default::default());
        let score = |maps| match maps {
            Maps::Score(score) => score,
            Maps::Scored { .. } | Maps::Levels { .. } => panic!("a map of a score"),
        };
        head.maps(&images, y).unwrap().into_iter().map(score).collect()
    }

    fn train() -> SharedHead<Cpu> {
        let (config, go_on) = (config(), &mut |_: &_| ControlFlow::Continue(()));
        let source = features(16, 1.0).into_iter();
        let source = source.map(|y| Arc::new(y.split(1, 0)) as SharedSamples<Cpu>).collect();
        testing::train(&config.system, &config.extraction().unwrap(), source, go_on).unwrap()
    }

    #[test]
    fn levels_are_averaged_one_after_the_other() {
        let device = Default::default();
        let level = |values: [[[f32; 2]; 1]; 2]| Tensor::<Cpu, 3>::from_floats(values, &device);
        let y = [level([[[1.0, 3.0]], [[5.0, 5.0]]]), level([[[0.0, 1.0]], [[-2.0, 0.0]]])];
        let vector = vector(y.map(|level| level.unsqueeze()).to_vec());
        assert_eq!(vector.dims(), [1, 4, 1, 1]);
        assert_eq!(vector.into_data().to_vec::<f32>().unwrap(), [2.0, 5.0, 0.5, -1.0]);
    }

    #[test]
    fn what_lies_far_scores_high_and_what_is_stored_is_read_again() {
        let head = train();
        let y = features(4, 1.0);
        let near = scores(&*head, y.clone());
        let far = scores(&*head, features(4, 5.0));
        let highest = near.iter().copied().fold(0.0, f32::max);
        assert!(far.iter().all(|&score| score > 2.0 * highest), "{near:?}, {far:?}");

        let (extraction, device) = (config().extraction().unwrap(), Default::default());
        let setup = Setup { seed: 1, low_memory: false, kinds: 1, device: &device };
        let mut learned = Learned::default();
        head.store(&mut learned).unwrap();
        let read = config().system.load::<Cpu>(&mut learned, &extraction, None, &setup).unwrap();
        learned.check_empty("differnet").unwrap();
        assert_close("scores", &scores(&*read, y), &near, 1e-5);
        learned.put_constant(PERMUTATIONS, &[[0, 1]]).unwrap();
        let error = config().system.load::<Cpu>(&mut learned, &extraction, None, &setup);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("permutations"), "{error}");
    }

    #[test]
    fn settings_are_checked() {
        let mut own = DifferNetConfig { couplings: 0, ..Default::default() };
        let check = |own: DifferNetConfig| {
            let config = PipelineConfig { system: own.into(), ..config() };
            config.validate().map(drop).map_err(|error| error.to_string())
        };
        assert!(check(own.clone()).unwrap_err().contains("couplings and hidden"));
        own.couplings = 1;
        check(own.clone()).unwrap();
        own.training.batch_size = 0;
        assert!(check(own).unwrap_err().contains("training.batch_size"));
        assert!(!System::DifferNet.settings().localises() && System::CsFlow.settings().localises());
    }
}
