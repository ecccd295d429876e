//! `nf+bpfm`: source and target features mapped to each other by the older, plain networks.

use std::sync::Arc;

use nfbmr_backend::Backend;
use nfbmr_bmr::BpfmConfig;
use nfbmr_flow::FlowConfig;
use nfbmr_whitening::WhiteningConfig;
use serde::{Deserialize, Serialize};

use super::bpfm::Mapping;
use super::composed::{Composed, load_residuals};
use super::flows::Scales;
use super::kind_units::{self, kind_units};
use super::nf::{FLOW_COPIES, flow_size, left_out};
use super::nf_bmr::NfBmrConfig;
use super::{FlowSpace, LearnedSize, Settings, Setup, SharedHead, Trained, Training};
use crate::error::{ModelError, PipelineError};
use crate::features::{Blocks, Cnn, Extraction, FeatureLevel, LevelSpec};
use crate::file::Learned;
use crate::score::{Fusion, Pooling};
use crate::train::TrainingConfig;

/// The settings of `nf+bpfm`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NfBpfmConfig {
    /// What the flow and the mapping network make of blocks of different strides.
    pub scales: Scales,
    /// How source features are averaged and whitened before the flow sees them.
    pub whitening: Option<WhiteningConfig>,
    /// The target flow.
    pub flow: FlowConfig,
    /// How the flow is trained.
    pub flow_training: TrainingConfig,
    /// The mapping network.
    pub bpfm: BpfmConfig,
    /// How the mapping network is trained.
    pub bpfm_training: TrainingConfig,
    /// How the residuals of both directions become one map.
    pub fusion: Fusion,
    /// How a map becomes an image score.
    pub pooling: Pooling,
}

impl Default for NfBpfmConfig {
    /// The default preset's flow and training, with the published B-PFM between features that keep their scale.
    fn default() -> Self {
        let NfBmrConfig {
            scales,
            whitening,
            flow,
            flow_training,
            bmr: _,
            bmr_training: bpfm_training,
            fusion,
            pooling,
        } = NfBmrConfig::default();
        let bpfm = BpfmConfig { l2_normalize: false, ..BpfmConfig::published() };
        Self { scales, whitening, flow, flow_training, bpfm, bpfm_training, fusion, pooling }
    }
}

impl NfBpfmConfig {
    fn space(&self) -> FlowSpace {
        let Self {
            scales,
            whitening,
            flow,
            flow_training,
            bpfm: _,
            bpfm_training: _,
            fusion: _,
            pooling: _,
        } = self.clone();
        FlowSpace { scales, whitening, flow, training: flow_training }
    }

    /// The mapping network of a level.
    fn mapping(&self, level: &FeatureLevel) -> Mapping {
        let latent = level.width(self.bpfm.latent);
        let network = BpfmConfig { latent, ..self.bpfm.clone() };
        Mapping { source: level.channels(), target: level.channels(), network }
    }
}

impl Settings for NfBpfmConfig {
    fn check(&self, _: &Blocks) -> Result<(), PipelineError> {
        self.bpfm_training.check("bpfm_training")?;
        self.pooling.check()?;
        self.space().check()
    }

    fn levels(&self, blocks: &Blocks) -> Result<Vec<LevelSpec>, PipelineError> {
        self.space().levels(blocks)
    }

    fn size(&self, extraction: &Extraction) -> LearnedSize {
        let levels = &extraction.source.levels;
        let bpfm = levels.iter().map(|level| self.mapping(level).parameters());
        let LearnedSize { parameters, statistics } = flow_size(&self.space(), levels);
        LearnedSize { parameters: bpfm.fold(parameters, usize::saturating_add), statistics }
    }

    fn feature_copies(&self) -> u64 {
        FLOW_COPIES
    }

    fn multiply_adds(&self, levels: &[FeatureLevel]) -> [f64; 2] {
        let bpfm = |level: &FeatureLevel| {
            let Mapping { source, target, network } = self.mapping(level);
            network.multiply_adds(source, target, level.positions())
        };
        [self.space().multiply_adds(levels), levels.iter().map(bpfm).sum()]
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
        let levels = training.levels().to_vec();
        let left_out = left_out(&space, self.pooling, &training, &y)?;
        let (mut flows, mut mappers, mut residuals) = (Vec::new(), Vec::new(), Vec::new());
        for (index, (level, y)) in levels.iter().zip(&y).enumerate() {
            let flow = training.flow(&space, index, y)?;
            let z = flow.targets(y, training.features.in_memory)?;
            let Training { setup, session, .. } = &mut training;
            let mapping = self.mapping(level);
            let (bpfm, own) = mapping.train(&**y, &*z, &self.bpfm_training, setup, session)?;
            residuals.push(own);
            flows.push(flow);
            mappers.push(bpfm);
        }
        let units = kind_units(&training, left_out.as_deref());
        let head = Composed::of_flows(flows, mappers, residuals, self.fusion, self.pooling, units);
        Ok(Trained { left_out, ..Trained::new(head) })
    }

    fn load<B: Backend>(
        &self,
        learned: &mut Learned,
        extraction: &Extraction,
        _: Option<Cnn<B>>,
        setup: &Setup<'_, B>,
    ) -> Result<SharedHead<B>, ModelError> {
        let levels = &extraction.source.levels;
        let flows = self.space().load(learned, levels, setup)?;
        let residuals = load_residuals(learned, levels.len())?;
        let levels = levels.iter().enumerate();
        let mappers = levels.map(|(index, level)| self.mapping(level).load(learned, index, setup));
        let mappers = mappers.collect::<Result<_, ModelError>>()?;
        let units = kind_units::load(learned, setup)?;
        let head = Composed::of_flows(flows, mappers, residuals, self.fusion, self.pooling, units);
        Ok(Arc::new(head))
    }
}
