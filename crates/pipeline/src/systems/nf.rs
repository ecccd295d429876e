//! `nf`: the flow alone, scored by its negative log-likelihood.

use std::sync::Arc;

use burn::tensor::Tensor;
use nfbmr_backend::Backend;
use nfbmr_flow::FlowConfig;
use nfbmr_onnx::Graph;
use nfbmr_whitening::{WhiteningConfig, distances_left_out};
use serde::{Deserialize, Serialize};

use super::composed::{by_image, spaces};
use super::flows::{GraphTarget, Scales, store};
use super::kind_units::{self, kind_units};
use super::spaces::kinds_of;
use super::{
    FlowSpace, Head, LearnedSize, Settings, Setup, SharedHead, Spaces, TargetFlow, TargetSpace,
    Trained, Training,
};
use crate::error::{ModelError, PipelineError};
use crate::features::{
    Blocks, Cnn, Extraction, FeatureLevel, GraphLevel, LevelSpec, SharedSamples,
};
use crate::file::Learned;
use crate::score::{Fusion, GraphMap, GraphMaps, LevelMaps, Maps, Pooling, Rule, Units};
use crate::train::TrainingConfig;

/// The settings of `nf`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NfConfig {
    /// What the flow makes of blocks of different strides.
    pub scales: Scales,
    /// How features are averaged and whitened before the flow sees them.
    pub whitening: Option<WhiteningConfig>,
    /// The target flow.
    pub flow: FlowConfig,
    /// How the flow is trained.
    pub flow_training: TrainingConfig,
    /// How a map becomes an image score.
    pub pooling: Pooling,
}

impl Default for NfConfig {
    /// That of the default preset.
    fn default() -> Self {
        Self {
            scales: Scales::Pyramid,
            whitening: Some(WhiteningConfig::default()),
            flow: FlowConfig { hidden: 64, kernel: 1, ..FlowConfig::paper() },
            flow_training: TrainingConfig::flow().one_cycle(),
            pooling: Pooling::TopFraction(0.02),
        }
    }
}

impl NfConfig {
    fn space(&self) -> FlowSpace {
        let Self { scales, whitening, flow, flow_training: training, pooling: _ } = self.clone();
        FlowSpace { scales, whitening, flow, training }
    }
}

impl Settings for NfConfig {
    fn check(&self, _: &Blocks) -> Result<(), PipelineError> {
        self.pooling.check()?;
        self.space().check()
    }

    fn levels(&self, blocks: &Blocks) -> Result<Vec<LevelSpec>, PipelineError> {
        self.space().levels(blocks)
    }

    fn size(&self, extraction: &Extraction) -> LearnedSize {
        flow_size(&self.space(), &extraction.source.levels)
    }

    fn feature_copies(&self) -> u64 {
        FLOW_COPIES
    }

    fn multiply_adds(&self, levels: &[FeatureLevel]) -> [f64; 2] {
        [self.space().multiply_adds(levels), 0.0]
    }

    fn whitening(&self) -> Option<&WhiteningConfig> {
        self.whitening.as_ref()
    }

    fn train<B: Backend>(
        &self,
        mut training: Training<'_, '_, '_, B>,
    ) -> Result<Trained<B>, PipelineError> {
        let space = self.space();
        let y = training.white(&space)?;
        let left_out = left_out(&space, self.pooling, &training, &y)?;
        let flows = y.iter().enumerate().map(|(index, y)| training.flow(&space, index, y));
        let flows = flows.collect::<Result<_, _>>()?;
        let units = kind_units(&training, left_out.as_deref());
        Ok(Trained { left_out, ..Trained::new(NfHead::new(flows, self.pooling, units)) })
    }

    fn load<B: Backend>(
        &self,
        learned: &mut Learned,
        extraction: &Extraction,
        _: Option<Cnn<B>>,
        setup: &Setup<'_, B>,
    ) -> Result<SharedHead<B>, ModelError> {
        let flows = self.space().load(learned, &extraction.source.levels, setup)?;
        Ok(Arc::new(NfHead::new(flows, self.pooling, kind_units::load(learned, setup)?)))
    }
}

/// Features in memory where there is a flow: as they are, whitened, and in the target space.
pub(super) const FLOW_COPIES: u64 = 3;

/// What the flows of these levels learn.
pub(super) fn flow_size(space: &FlowSpace, levels: &[FeatureLevel]) -> LearnedSize {
    LearnedSize { parameters: space.parameters(levels), statistics: space.statistics(levels) }
}

/// The score of each sample by the statistics of the others: the distances of its whitened features of the
/// coarsest level, pooled as an anomaly map is. `None` without whitening.
pub(super) fn left_out<B: Backend>(
    space: &FlowSpace,
    pooling: Pooling,
    training: &Training<'_, '_, '_, B>,
    z: &[SharedSamples<B>],
) -> Result<Option<Vec<f64>>, PipelineError> {
    let last = training.levels().last().zip(z.last());
    let (Some(config), Some((level, z))) = (&space.whitening, last) else {
        return Ok(None);
    };
    let (features, channels) = (training.features, &level.block_channels);
    let of_kinds = features.of_kinds(training.setup.kinds);
    let score = |sample| {
        let kind = features.kinds.get(sample);
        let of_kind = kind.and_then(|&kind| of_kinds.get(kind)).copied().unwrap_or_default();
        let features = z.get(sample)?;
        let distances = distances_left_out(config, z.len(), of_kind, channels, features);
        let values = distances.into_iter().map(|distance| distance as f32).collect();
        Ok(f64::from(pooling.pool(values)))
    };
    (0..z.len()).map(score).collect::<Result<_, PipelineError>>().map(Some)
}

/// A flow for each level.
#[derive(Clone, Debug)]
struct NfHead<B: Backend> {
    flows: Vec<TargetFlow<B>>,
    rule: Arc<Rule>,
}

impl<B: Backend> NfHead<B> {
    fn new(flows: Vec<TargetFlow<B>>, pooling: Pooling, kind_units: Vec<f64>) -> Self {
        let units = |own: &TargetFlow<B>| Units::new(None, Some(own.flow().channels()));
        let units = flows.iter().map(units).collect();
        // A likelihood alone has nothing to be fused with.
        let rule = Rule { fusion: Fusion::Plain, pooling, units, kind_units };
        Self { flows, rule: rule.into() }
    }
}

impl<B: Backend> Head<B> for NfHead<B> {
    fn maps(
        &self,
        images: &Tensor<B, 4>,
        y: Vec<Tensor<B, 4>>,
    ) -> Result<Vec<Maps>, PipelineError> {
        let levels = self.flows.target(images, y)?;
        let kinds = kinds_of(&levels);
        let levels = levels.into_iter().map(|level| LevelMaps {
            source: None,
            target: None,
            likelihood: level.likelihood,
        });
        let maps = by_image(levels.collect()).into_iter().zip(kinds);
        let image = |(levels, kind)| Maps::Levels { levels, rule: self.rule.clone(), kind };
        Ok(maps.map(image).collect())
    }

    fn add_to(&self, graph: &mut Graph, y: &[GraphLevel], _: u32) -> Option<GraphMaps> {
        let (mut levels, mut kind) = (Vec::new(), None);
        for (flow, y) in self.flows.iter().zip(y) {
            let GraphTarget { likelihood, kinds, .. } = flow.add_to(graph, &y.features);
            let likelihood = Some(GraphMap::new(likelihood, y.grid));
            levels.push(LevelMaps { source: None, target: None, likelihood });
            kind = kinds;
        }
        Some(GraphMaps::Levels { levels, rule: self.rule.clone(), kind })
    }

    fn store(&self, learned: &mut Learned) -> Result<(), ModelError> {
        kind_units::store(&self.rule.kind_units, learned)?;
        store(&self.flows, learned)
    }

    fn spaces(
        &self,
        images: &Tensor<B, 4>,
        y: Vec<Tensor<B, 4>>,
    ) -> Result<Spaces<B>, PipelineError> {
        spaces(&self.flows, images, y)
    }

    fn flows(&self) -> &[TargetFlow<B>] {
        &self.flows
    }
}
