//! `nf-bmr`: source and target features mapped to each other by residual networks.

use std::sync::Arc;

use burn::backend::Autodiff;
use nfbmr_backend::Backend;
use nfbmr_bmr::{Bmr, BmrConfig};
use nfbmr_flow::FlowConfig;
use nfbmr_whitening::WhiteningConfig;
use serde::{Deserialize, Serialize};

use super::composed::{Composed, StoredMapper, batches, load_residuals, measure};
use super::flows::Scales;
use super::kind_units::{self, kind_units};
use super::nf::{FLOW_COPIES, NfConfig, flow_size, left_out};
use super::settings::unusable;
use super::{FlowSpace, LearnedSize, Settings, Setup, SharedHead, Trained, Training};
use crate::error::{ModelError, Phase, PipelineError};
use crate::features::{Blocks, Cnn, Extraction, FeatureLevel, LevelSpec};
use crate::file::Learned;
use crate::score::{Fusion, Pooling};
use crate::train::{Draw, TrainingConfig, TrainingPhase, Workers, fit};

/// The name of the networks in a model file.
const BMR: &str = "bmr";

/// The settings of `nf-bmr`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NfBmrConfig {
    /// What the flow and the mapping network make of blocks of different strides.
    pub scales: Scales,
    /// How source features are averaged and whitened before the flow sees them; not at all in the paper.
    pub whitening: Option<WhiteningConfig>,
    /// The target flow.
    pub flow: FlowConfig,
    /// How the flow is trained.
    pub flow_training: TrainingConfig,
    /// The bidirectional mapping network.
    pub bmr: BmrConfig,
    /// How the mapping network is trained.
    pub bmr_training: TrainingConfig,
    /// How the residuals of both directions become one map.
    pub fusion: Fusion,
    /// How a map becomes an image score.
    pub pooling: Pooling,
}

impl Default for NfBmrConfig {
    /// That of the default preset.
    fn default() -> Self {
        let NfConfig { scales, whitening, flow, flow_training, pooling } = NfConfig::default();
        Self {
            scales,
            whitening,
            flow,
            flow_training,
            bmr: BmrConfig { latent: 64, inner: 16, blocks: 2 },
            bmr_training: TrainingConfig::bmr().one_cycle(),
            fusion: Fusion::WithLikelihood,
            pooling,
        }
    }
}

impl NfBmrConfig {
    /// The paper's flow, with 1024 hidden channels and 3 x 3 windows, and mapping network, with latent = inner =
    /// 1024 and n = 2, 300 epochs each, the plain mean of both residuals. The paper doesn't say how the map
    /// becomes a score; here its maximum.
    pub fn paper() -> Self {
        Self {
            scales: Scales::Joint,
            whitening: None,
            flow: FlowConfig::paper(),
            flow_training: TrainingConfig::flow(),
            bmr: BmrConfig::paper(),
            bmr_training: TrainingConfig::bmr(),
            fusion: Fusion::Plain,
            pooling: Pooling::Max,
        }
    }

    fn space(&self) -> FlowSpace {
        let Self {
            scales,
            whitening,
            flow,
            flow_training,
            bmr: _,
            bmr_training: _,
            fusion: _,
            pooling: _,
        } = self.clone();
        FlowSpace { scales, whitening, flow, training: flow_training }
    }

    /// The mapping network of a level.
    fn bmr_of(&self, level: &FeatureLevel) -> BmrConfig {
        let BmrConfig { latent, inner, blocks } = self.bmr;
        BmrConfig { latent: level.width(latent), inner: level.width(inner), blocks }
    }
}

impl Settings for NfBmrConfig {
    fn check(&self, _: &Blocks) -> Result<(), PipelineError> {
        self.bmr_training.check("bmr_training")?;
        self.pooling.check()?;
        self.space().check()
    }

    fn levels(&self, blocks: &Blocks) -> Result<Vec<LevelSpec>, PipelineError> {
        self.space().levels(blocks)
    }

    fn size(&self, extraction: &Extraction) -> LearnedSize {
        let levels = &extraction.source.levels;
        let bmr = |level: &FeatureLevel| self.bmr_of(level).parameters(level.channels());
        let LearnedSize { parameters, statistics } = flow_size(&self.space(), levels);
        let parameters = levels.iter().map(bmr).fold(parameters, usize::saturating_add);
        LearnedSize { parameters, statistics }
    }

    fn feature_copies(&self) -> u64 {
        FLOW_COPIES
    }

    fn multiply_adds(&self, levels: &[FeatureLevel]) -> [f64; 2] {
        let bmr = |level: &FeatureLevel| {
            self.bmr_of(level).multiply_adds(level.channels(), level.positions())
        };
        [self.space().multiply_adds(levels), levels.iter().map(bmr).sum()]
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
            let [weights, seed] =
                [Draw::BmrWeights, Draw::BmrOrder].map(|draw| draw.seed(training.setup.seed));
            let (own, device) = (self.bmr_of(level), training.setup.device);
            let bmr = Bmr::<Autodiff<B>>::new(&own, level.channels(), weights, device)?;
            let (phase, images, config) = (Phase::Bmr, y.len(), &self.bmr_training);
            let phase = TrainingPhase { phase, images, config, seed };
            let workers = Workers::new::<B>();
            let mut bmr = fit(bmr, &phase, &workers, training.session, |bmr, batch| {
                let [y, z] = batches(&**y, &*z, batch)?;
                Ok(bmr.loss(y, z)?.total())
            })?;
            if !training.setup.low_memory {
                bmr.prepare();
            }
            residuals.push(measure(&bmr, &**y, &*z)?);
            flows.push(flow);
            mappers.push(bmr);
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
        let bmr = |(index, level): (usize, &FeatureLevel)| {
            let bmr = Bmr::new(&self.bmr_of(level), level.channels(), 0, setup.device);
            let mut bmr = learned.load_level(BMR, index, bmr.map_err(unusable)?)?;
            if !setup.low_memory {
                bmr.prepare();
            }
            Ok(bmr)
        };
        let mappers = levels.iter().enumerate().map(bmr).collect::<Result<_, ModelError>>()?;
        let units = kind_units::load(learned, setup)?;
        let head = Composed::of_flows(flows, mappers, residuals, self.fusion, self.pooling, units);
        Ok(Arc::new(head))
    }
}

impl<B: Backend> StoredMapper<B> for Bmr<B> {
    fn store(&self, level: usize, learned: &mut Learned) {
        learned.put_level(BMR, level, self);
    }

    fn bmrs(all: &[Self]) -> &[Bmr<B>] {
        all
    }
}
