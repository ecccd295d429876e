//! The target space that flows make, level by level: whitening, flow, and how both are trained and stored.

use burn::backend::Autodiff;
use burn::tensor::Tensor;
use nfbmr_backend::{Backend, state_dict};
use nfbmr_flow::{Flow, FlowConfig, nll, nll_map};
use nfbmr_onnx::{Graph, Value};
use nfbmr_whitening::{Whitening, WhiteningConfig, pack, unpack};
use serde::{Deserialize, Serialize};

use super::{Setup, Target, TargetSpace};
use crate::error::{ModelError, Phase, PipelineError};
use crate::features::{Blocks, FeatureLevel, LevelSpec, Samples, SharedSamples, derive};
use crate::file::Learned;
use crate::train::{Draw, Session, TrainingConfig, TrainingPhase, Workers, fit};

// Names in a model file.
const WHITENING: &str = "whitening";
const FLOW: &str = "flow";
const PERMUTATIONS: &str = "permutations";

/// What features of several strides become for the flow and the mapping network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scales {
    /// One level: earlier blocks are averaged to the grid of the last and come before its channels.
    #[default]
    Joint,
    /// A level for each stride, of all blocks up to it, with a flow and a mapping network of its own. Their
    /// widths (`hidden`, `latent`, `inner`) are in proportion to the channels of the level, rounded up to a
    /// multiple of 8; those of the last level, of all blocks, are as configured. The maps of
    /// all levels are averaged on the grid of the finest, each in the unit that it has on the training
    /// images and by its stride: the finer one tells where a defect is. The score is that of the coarsest level.
    Pyramid,
}

/// The settings that make a target space of flows: with the features, the seed and how weights are kept, all that a
/// trained flow depends on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FlowSpace {
    pub(crate) scales: Scales,
    pub(crate) whitening: Option<WhiteningConfig>,
    pub(crate) flow: FlowConfig,
    pub(crate) training: TrainingConfig,
}

impl FlowSpace {
    pub(crate) fn check(&self) -> Result<(), PipelineError> {
        if let Some(whitening) = &self.whitening {
            whitening.validate()?;
        }
        self.training.check("flow_training")
    }

    pub(crate) fn levels(&self, blocks: &Blocks) -> Result<Vec<LevelSpec>, PipelineError> {
        match self.scales {
            Scales::Joint => Ok(vec![LevelSpec::new(&blocks.blocks)]),
            Scales::Pyramid => blocks.pyramid(),
        }
    }

    /// The flow of a level.
    fn flow_of(&self, level: &FeatureLevel) -> FlowConfig {
        FlowConfig { hidden: level.width(self.flow.hidden), ..self.flow.clone() }
    }

    /// Parameters of the flows of all levels, `usize::MAX` if they are more.
    pub(crate) fn parameters(&self, levels: &[FeatureLevel]) -> usize {
        let flow = |level: &FeatureLevel| self.flow_of(level).parameters(level.channels());
        levels.iter().map(flow).fold(0, usize::saturating_add)
    }

    /// Means and matrices of the whitening of all levels, `usize::MAX` if they are more.
    pub(crate) fn statistics(&self, levels: &[FeatureLevel]) -> usize {
        if self.whitening.is_none() {
            return 0;
        }
        let blocks = levels.iter().flat_map(|level| {
            let positions = level.positions();
            level.block_channels.iter().map(move |c| positions.saturating_mul(c * (c + 1)))
        });
        blocks.fold(0, usize::saturating_add)
    }

    /// Multiplications, each with its addition, of the flows over an image.
    pub(crate) fn multiply_adds(&self, levels: &[FeatureLevel]) -> f64 {
        let flow = |level: &FeatureLevel| {
            self.flow_of(level).multiply_adds(level.channels(), level.positions())
        };
        levels.iter().map(flow).sum()
    }

    /// The flows of all levels from what [`store`] wrote.
    pub(crate) fn load<B: Backend>(
        &self,
        learned: &mut Learned,
        levels: &[FeatureLevel],
        setup: &Setup<'_, B>,
    ) -> Result<Vec<TargetFlow<B>>, ModelError> {
        let permutations: Vec<Vec<Vec<usize>>> = learned.take_constant(PERMUTATIONS)?;
        if permutations.len() != levels.len() {
            let (expected, found) = (levels.len(), permutations.len());
            return Err(ModelError::Levels { name: PERMUTATIONS, expected, found });
        }
        let unusable = |error: PipelineError| ModelError::Unusable(Box::new(error));
        let level = |(index, (level, permutations)): (usize, (&FeatureLevel, Vec<_>))| {
            let whitening = self.whitening.as_ref().map(|config| {
                let Setup { kinds, device, .. } = *setup;
                let whitening =
                    Whitening::new(config, &level.block_channels, level.grid, kinds, device);
                let whitening = whitening.map_err(|error| unusable(error.into()))?;
                learned.load_level_state(WHITENING, index, whitening, unpack)
            });
            let flow = self.flow_of(level);
            let flow = Flow::new(&flow, &permutations, level.channels(), 0, setup.device);
            let flow = flow.map_err(|error| unusable(error.into()))?;
            let mut flow = learned.load_level(FLOW, index, flow)?;
            if !setup.low_memory {
                flow.prepare();
            }
            Ok(TargetFlow { whitening: whitening.transpose()?, permutations, flow })
        };
        levels.iter().zip(permutations).enumerate().map(level).collect()
    }
}

/// Adds the flows of all levels to what a file holds.
pub(crate) fn store<B: Backend>(
    flows: &[TargetFlow<B>],
    learned: &mut Learned,
) -> Result<(), ModelError> {
    let permutations: Vec<_> = flows.iter().map(|flow| &flow.permutations).collect();
    learned.put_constant(PERMUTATIONS, &permutations)?;
    for (index, TargetFlow { whitening, flow, .. }) in flows.iter().enumerate() {
        if let Some(whitening) = whitening {
            learned.put_level_state(WHITENING, index, pack(state_dict(whitening)));
        }
        learned.put_level(FLOW, index, flow);
    }
    Ok(())
}

/// [`Target`] in a graph, of a flow.
pub(super) struct GraphTarget {
    pub(super) source: Value,
    pub(super) features: Value,
    pub(super) likelihood: Value,
    pub(super) kinds: Option<Value>,
}

/// The flow of a level with the whitening before it and the permutations it was made with.
#[derive(Clone, Debug)]
pub struct TargetFlow<B: Backend> {
    whitening: Option<Whitening<B>>,
    permutations: Vec<Vec<usize>>,
    flow: Flow<B>,
}

impl<B: Backend> TargetFlow<B> {
    /// Source features `[N, C, H, W]` of its level as the flow and the mapping network see them: whitened, where
    /// the configuration says so.
    ///
    /// # Errors
    /// [`PipelineError::Whitening`] for another shape than that of the level.
    pub fn whiten(&self, y: Tensor<B, 4>) -> Result<Tensor<B, 4>, PipelineError> {
        match &self.whitening {
            Some(whitening) => Ok(whitening.forward(y)?),
            None => Ok(y),
        }
    }

    /// Source features `[N, C, H, W]` in both spaces, in a graph.
    pub(super) fn add_to(&self, graph: &mut Graph, y: &Value) -> GraphTarget {
        graph.part("whitening");
        let (source, kinds) = match &self.whitening {
            Some(whitening) => whitening.add_to(graph, y),
            None => (y.clone(), None),
        };
        graph.part("flow");
        let [features, likelihood] = self.flow.add_to(graph, &source);
        GraphTarget { source, features, likelihood, kinds }
    }

    /// The flow, which takes white features.
    pub fn flow(&self) -> &Flow<B> {
        &self.flow
    }

    /// Target features of source features, which are white already.
    pub(crate) fn targets(
        &self,
        y: &SharedSamples<B>,
        keep: bool,
    ) -> Result<SharedSamples<B>, PipelineError> {
        let flow = self.flow.clone();
        derive(y, keep, move |y| Ok(flow.forward(y)?.z))
    }

    /// Trains the flow of a level on source features that `whitening` has whitened.
    pub(crate) fn train(
        space: &FlowSpace,
        level: &FeatureLevel,
        whitening: Option<Whitening<B>>,
        y: &dyn Samples<B>,
        setup: &Setup<'_, B>,
        session: &mut Session<'_, '_>,
    ) -> Result<Self, PipelineError> {
        let seed = |draw: Draw| draw.seed(setup.seed);
        let (own, channels) = (space.flow_of(level), level.channels());
        let permutations = Flow::<B>::random_permutations(&own, channels, seed(Draw::Permutations));
        let weights = seed(Draw::FlowWeights);
        let flow = Flow::<Autodiff<B>>::new(&own, &permutations, channels, weights, setup.device)?;
        let (phase, images, seed) = (Phase::Flow, y.len(), seed(Draw::FlowOrder));
        let phase = TrainingPhase { phase, images, config: &space.training, seed };
        let mut flow = fit(flow, &phase, &Workers::new::<B>(), session, |flow, batch| {
            let y = Tensor::from_inner(y.batch(batch)?);
            Ok(nll(&flow.forward(y)?))
        })?;
        if !setup.low_memory {
            flow.prepare();
        }
        Ok(Self { whitening, permutations, flow })
    }
}

/// A flow for each level.
impl<B: Backend> TargetSpace<B> for Vec<TargetFlow<B>> {
    fn target(
        &self,
        _: &Tensor<B, 4>,
        y: Vec<Tensor<B, 4>>,
    ) -> Result<Vec<Target<B>>, PipelineError> {
        let level = |(own, y): (&TargetFlow<B>, _)| {
            let (source, kinds) = match &own.whitening {
                Some(whitening) => whitening.forward_kinds(y)?,
                None => (y, None),
            };
            let output = own.flow.forward(source.clone())?;
            let likelihood = Some(nll_map(&output));
            Ok(Target { source, features: output.z, likelihood, kinds })
        };
        self.iter().zip(y).map(level).collect()
    }
}
