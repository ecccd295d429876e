//! `cs-flow`: one flow over the features of an image in three sizes, scored by how far they lie from the middle of
//! its target space.
//!
//! As Rudolph, Wehrbein, Rosenhahn and Wandt (2022), "Fully Convolutional Cross-Scale-Flows for Image-based Defect
//! Detection", have it.

use std::sync::Arc;

use burn::backend::Autodiff;
use burn::tensor::Tensor;
use nfbmr_backend::{Backend, state_dict};
use nfbmr_flow::{CrossScaleConfig, CrossScaleFlow};
use serde::{Deserialize, Serialize};

use super::settings::unusable;
use super::{Head, LearnedSize, Settings, Setup, SharedHead, Trained, Training};
use crate::error::{ModelError, Phase, PipelineError};
use crate::features::{Blocks, Cnn, Extraction, FeatureLevel, LevelSpec, SharedSamples};
use crate::file::Learned;
use crate::score::{Maps, ScoreMap, to_maps};
use crate::train::{Draw, TrainingConfig, TrainingPhase, Workers, fit};

// Names in a model file.
const CS_FLOW: &str = "cs_flow";
const PERMUTATIONS: &str = "permutations";

/// The settings of `cs-flow`.
///
/// Features y of the last block are of the image in full, half and quarter size, as they are. With z their target
/// features by scale, and C the channels,
///
/// ```text
/// score = mean of z² / 2 over channels, positions and scales
/// map   = product over the scales of 1/C Σ_c z², each brought to the size of the input (bilinear)
/// ```
///
/// as in anomalib.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CsFlowConfig {
    /// The flow over all scales.
    pub cross_flow: CrossScaleConfig,
    /// How the flow is trained: by the mean of 0.5·‖z‖² − log|det| over all scales.
    pub training: TrainingConfig,
}

impl Default for CsFlowConfig {
    /// The paper's flow with 64 hidden channels and 3 x 3 windows alone, which a CPU trains in minutes; by small
    /// batches, since features that aren't whitened take many steps.
    fn default() -> Self {
        let (kernels, hidden) = (vec![3; 4], 64);
        let training = TrainingConfig::flow().one_cycle();
        Self {
            cross_flow: CrossScaleConfig { kernels, hidden, ..CrossScaleConfig::paper() },
            training: TrainingConfig { epochs: 20, batch_size: 2, learning_rate: 5e-3, ..training },
        }
    }
}

impl CsFlowConfig {
    /// The flow of these levels, which are the scales, before it has learnt.
    fn untrained<B: Backend>(
        &self,
        permutations: &[Vec<usize>],
        levels: &[FeatureLevel],
        seed: u64,
        device: &B::Device,
    ) -> Result<CrossScaleFlow<B>, PipelineError> {
        let (channels, grids) = (channels(levels), grids(levels));
        Ok(CrossScaleFlow::new(&self.cross_flow, permutations, channels, &grids, seed, device)?)
    }
}

/// Channels of every scale, which are those of one block.
fn channels(levels: &[FeatureLevel]) -> usize {
    levels.first().map_or(0, FeatureLevel::channels)
}

/// Rows and columns of each scale.
fn grids(levels: &[FeatureLevel]) -> Vec<[usize; 2]> {
    levels.iter().map(|level| level.grid).collect()
}

impl Settings for CsFlowConfig {
    fn check(&self, blocks: &Blocks) -> Result<(), PipelineError> {
        let levels = blocks.levels(&blocks.scales())?.levels;
        self.cross_flow.check(channels(&levels), &grids(&levels))?;
        self.training.check("training")
    }

    fn levels(&self, blocks: &Blocks) -> Result<Vec<LevelSpec>, PipelineError> {
        Ok(blocks.scales())
    }

    fn size(&self, extraction: &Extraction) -> LearnedSize {
        let levels = &extraction.source.levels;
        let parameters = self.cross_flow.parameters(channels(levels), levels.len());
        LearnedSize { parameters, statistics: 0 }
    }

    fn multiply_adds(&self, levels: &[FeatureLevel]) -> [f64; 2] {
        [self.cross_flow.multiply_adds(channels(levels), &grids(levels)), 0.0]
    }

    fn train<B: Backend>(
        &self,
        training: Training<'_, '_, '_, B>,
    ) -> Result<Trained<B>, PipelineError> {
        let images = training.first()?.len();
        let Training { extraction, features, setup, session, .. } = training;
        let (levels, seed) = (&extraction.source.levels, |draw: Draw| draw.seed(setup.seed));
        let permutations = CrossScaleFlow::<B>::random_permutations(
            &self.cross_flow,
            channels(levels),
            seed(Draw::Permutations),
        );
        let weights = seed(Draw::FlowWeights);
        let flow = self.untrained::<Autodiff<B>>(&permutations, levels, weights, setup.device)?;
        let (config, seed) = (&self.training, seed(Draw::FlowOrder));
        let phase = TrainingPhase { phase: Phase::Flow, images, config, seed };
        let mut flow = fit(flow, &phase, &Workers::new::<B>(), session, |flow, batch| {
            let scale = |own: &SharedSamples<B>| Ok(Tensor::from_inner(own.batch(batch)?));
            let y = features.source.iter().map(scale).collect::<Result<_, PipelineError>>()?;
            Ok(flow.forward(y)?.nll())
        })?;
        if !setup.low_memory {
            flow.prepare();
        }
        Ok(Trained::new(CsFlow { permutations, flow }))
    }

    fn load<B: Backend>(
        &self,
        learned: &mut Learned,
        extraction: &Extraction,
        _: Option<Cnn<B>>,
        setup: &Setup<'_, B>,
    ) -> Result<SharedHead<B>, ModelError> {
        let permutations: Vec<Vec<usize>> = learned.take_constant(PERMUTATIONS)?;
        let levels = &extraction.source.levels;
        let flow = self.untrained(&permutations, levels, 0, setup.device).map_err(unusable)?;
        let mut flow = learned.load(CS_FLOW, flow)?;
        if !setup.low_memory {
            flow.prepare();
        }
        Ok(Arc::new(CsFlow { permutations, flow }))
    }
}

/// A trained flow, and the permutations it was made with.
#[derive(Clone, Debug)]
struct CsFlow<B: Backend> {
    permutations: Vec<Vec<usize>>,
    flow: CrossScaleFlow<B>,
}

impl<B: Backend> Head<B> for CsFlow<B> {
    fn maps(
        &self,
        images: &Tensor<B, 4>,
        y: Vec<Tensor<B, 4>>,
    ) -> Result<Vec<Maps>, PipelineError> {
        let [.., height, width] = images.dims();
        let output = self.flow.forward(y)?;
        let scores = output.mean_square().div_scalar(2.0).into_data();
        let scale = |z: Tensor<B, 4>| to_maps(z.square().mean_dim(1).squeeze_dim::<3>(1));
        let mut scales: Vec<_> = output.z.into_iter().map(|z| scale(z).into_iter()).collect();
        let image = |score| {
            let own = scales.iter_mut().filter_map(Iterator::next);
            let map = product(own, [height as u32, width as u32])?;
            Ok(Maps::Scored { map, score })
        };
        scores.iter::<f32>().map(image).collect()
    }

    fn store(&self, learned: &mut Learned) -> Result<(), ModelError> {
        learned.put_constant(PERMUTATIONS, &self.permutations)?;
        learned.put(CS_FLOW, state_dict(&self.flow));
        Ok(())
    }
}

/// The product of maps, each brought to a height and width.
fn product(
    maps: impl Iterator<Item = ScoreMap>,
    [height, width]: [u32; 2],
) -> Result<ScoreMap, PipelineError> {
    let mut values = vec![1.0; height as usize * width as usize];
    for map in maps {
        let map = map.resize(width, height)?;
        values.iter_mut().zip(map.values).for_each(|(product, value)| *product *= value);
    }
    Ok(ScoreMap::new(width, height, values))
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use nfbmr_backend::{Cpu, load_state_dict};
    use nfbmr_test_support::fixture::{Fixture, assert_close};

    use super::*;
    use crate::config::PipelineConfig;
    use crate::systems::testing::{self, detect};

    /// What anomalib makes of the same features with the same weights.
    const FIXTURE: &str = "../../crates/flow/tests/fixtures/cs_flow";

    #[test]
    fn maps_and_scores_match_anomalib() {
        let fixture = Fixture::open(FIXTURE);
        let permutations = fixture.values("permutations");
        let permutations = permutations.chunks(5);
        let permutations: Vec<Vec<usize>> =
            permutations.map(|order| order.iter().map(|&i| i as usize).collect()).collect();
        let flow = CrossScaleConfig { kernels: vec![3, 5], hidden: 4, clamp: 3.0 };
        let (grids, device) = ([[8, 12], [4, 6], [2, 3]], Default::default());
        let flow = CrossScaleFlow::new(&flow, &permutations, 5, &grids, 0, &device).unwrap();
        let flow = load_state_dict::<Cpu, _>(flow, fixture.state("init")).unwrap();
        let head = CsFlow { permutations, flow };
        let y = [0, 1, 2].map(|scale| fixture.tensor(&format!("y.{scale}"))).to_vec();
        let (map, score) = detect(&head, y, [40, 56]);
        assert_close("map", &map, &fixture.values("map"), 1e-5);
        assert_close("score", &score, &fixture.values("score"), 1e-5);
    }

    fn config() -> PipelineConfig {
        let cross_flow = CrossScaleConfig { kernels: vec![3], hidden: 8, clamp: 3.0 };
        let mut own = CsFlowConfig { cross_flow, ..Default::default() };
        own.training.epochs = 20;
        own.training.batch_size = 4;
        PipelineConfig { input_size: 64, system: own.into(), ..PipelineConfig::default() }
    }

    /// About 3 and twice as far apart as those of a unit normal distribution.
    fn features(images: usize) -> Vec<Tensor<Cpu, 4>> {
        testing::normal(&config().extraction().unwrap(), images, [3.0, 2.0])
    }

    /// A trained head, and the loss of each epoch.
    fn train() -> (SharedHead<Cpu>, Vec<f64>) {
        let (extraction, mut losses) = (config().extraction().unwrap(), Vec::new());
        let source = features(8).into_iter();
        let source = source.map(|y| Arc::new(y.split(1, 0)) as SharedSamples<Cpu>).collect();
        let head = testing::train(&config().system, &extraction, source, &mut |progress| {
            losses.extend(progress.loss);
            ControlFlow::Continue(())
        });
        (head.unwrap(), losses)
    }

    #[test]
    fn training_lowers_the_loss_and_what_is_stored_is_read_again() {
        let (head, losses) = train();
        let (first, last) = (losses[0], losses[losses.len() - 1]);
        // Untrained it is (3² + 2²) / 2.
        assert!(first > 5.0 && last < 0.9 * first, "{first} to {last}");

        let (extraction, device) = (config().extraction().unwrap(), Default::default());
        let stored = || {
            let mut learned = Learned::default();
            head.store(&mut learned).unwrap();
            learned
        };
        let load = |learned: &mut Learned, low_memory| {
            let setup = Setup { seed: 1, low_memory, kinds: 1, device: &device };
            config().system.load::<Cpu>(learned, &extraction, None, &setup)
        };
        let y = features(2);
        let expected = detect(&*head, y.clone(), [64, 64]);
        for low_memory in [false, true] {
            let mut learned = stored();
            let found = detect(&*load(&mut learned, low_memory).unwrap(), y.clone(), [64, 64]);
            learned.check_empty("cs-flow").unwrap();
            assert_close("map", &found.0, &expected.0, 1e-4);
            assert_close("score", &found.1, &expected.1, 1e-5);
        }

        let mut learned = stored();
        learned.put_constant(PERMUTATIONS, &[[0, 1]]).unwrap();
        let error = load(&mut learned, false).unwrap_err().to_string();
        assert!(error.contains("permutations"), "{error}");
        let mut learned = stored();
        learned.take(CS_FLOW);
        let error = load(&mut learned, false).unwrap_err().to_string();
        assert!(error.contains("couplings.0.first.input.0.weight: missing"), "{error}");
    }

    #[test]
    fn settings_are_checked() {
        let check = |text: &str| -> Result<(), String> {
            let system: crate::SystemConfig =
                serde_json::from_str(text).map_err(|error| error.to_string())?;
            let config = PipelineConfig { system, ..config() };
            config.validate().map(drop).map_err(|error| error.to_string())
        };
        check(r#"{"cs-flow": {}}"#).unwrap();
        for (settings, expected) in [
            (r#"{"cross_flow": {"kernels": [2], "hidden": 1, "clamp": 3.0}}"#, "odd, found 2"),
            (r#"{"flow": {}}"#, "unknown field `flow`"),
        ] {
            let error = check(&format!("{{\"cs-flow\": {settings}}}")).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let config = PipelineConfig { input_size: 2, ..config() };
        assert!(config.validate().is_err());
    }
}
