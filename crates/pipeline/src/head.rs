use burn::backend::Autodiff;
use burn::tensor::Tensor;
use nfbmr_backend::{Backend, StateDict, state_dict};
use nfbmr_bmr::{Bmr, Bpfm};
use nfbmr_flow::{Flow, nll_map};
use nfbmr_peers::{Padim, PatchCore, Upsampling, smooth};
use nfbmr_whitening::Whitening;

use crate::config::PipelineConfig;
use crate::error::{ModelError, PipelineError};
use crate::mapper::Mapper;
use crate::maps::Maps;
use crate::model_file::Networks;
use crate::progress::{ProgressFn, fit_progress};
use crate::score::Normalization;
use crate::system::System;
use crate::train::{measure_normalization, train_bmr, train_bpfm, train_flow};
use crate::traits::{BidirectionalMapper, TargetSpace};

// Names of networks in a model file.
const WHITENING: &str = "whitening";
const FLOW: &str = "flow";
const BMR: &str = "bmr";
const BPFM: &str = "bpfm";
const PATCHCORE: &str = "patchcore";
const PADIM: &str = "padim";

/// What a system learns of source features.
#[derive(Clone, Debug)]
pub(crate) enum Head<B: Backend> {
    Flow(TargetFlow<B>),
    Mapping { flow: TargetFlow<B>, mapper: Mapper<B>, normalization: Normalization },
    PatchCore(PatchCore<B>),
    Padim(Padim<B>),
}

/// A flow with the whitening before it and the permutations it was made with.
#[derive(Clone, Debug)]
pub(crate) struct TargetFlow<B: Backend> {
    pub(crate) whitening: Option<Whitening<B>>,
    pub(crate) permutations: Vec<Vec<usize>>,
    pub(crate) flow: Flow<B>,
}

/// Purposes of the random numbers drawn from one seed.
#[derive(Clone, Copy)]
enum Draw {
    Permutations,
    FlowWeights,
    BmrWeights,
    FlowOrder,
    BmrOrder,
    Peer,
}

impl Draw {
    fn seed(self, seed: u64) -> u64 {
        // An odd multiplier keeps different (seed, purpose) pairs apart.
        seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(self as u64)
    }
}

impl<B: Backend> TargetFlow<B> {
    /// Source features as the flow and the mapping network see them.
    pub(crate) fn whiten(&self, y: Tensor<B, 4>) -> Result<Tensor<B, 4>, PipelineError> {
        match &self.whitening {
            Some(whitening) => Ok(whitening.forward(y)?),
            None => Ok(y),
        }
    }

    /// Target features of source features, which are white already.
    fn targets(&self, y: &[Tensor<B, 4>]) -> Result<Vec<Tensor<B, 4>>, PipelineError> {
        y.iter().map(|y| Ok(self.flow.forward(y.clone())?.z)).collect()
    }

    /// Trains a flow on source features, each `[1, C, H, W]`, that `whitening` has whitened.
    pub(crate) fn train(
        config: &PipelineConfig,
        whitening: Option<Whitening<B>>,
        channels: usize,
        y: &[Tensor<B, 4>],
        device: &B::Device,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Self, PipelineError> {
        let seed = |draw: Draw| draw.seed(config.seed);
        let permutations =
            Flow::<B>::random_permutations(&config.flow, channels, seed(Draw::Permutations));
        let weights = seed(Draw::FlowWeights);
        let flow =
            Flow::<Autodiff<B>>::new(&config.flow, &permutations, channels, weights, device)?;
        let order = seed(Draw::FlowOrder);
        let mut flow = train_flow(flow, y, &config.flow_training, order, progress)?;
        if !config.low_memory {
            flow.prepare();
        }
        Ok(Self { whitening, permutations, flow })
    }
}

impl<B: Backend> Head<B> {
    /// Trains the configured system on source features, each `[1, C, H, W]`, whitened for the systems that
    /// have a flow; `flow` gives them the trained flow.
    pub(crate) fn train(
        config: &PipelineConfig,
        channels: usize,
        y: &[Tensor<B, 4>],
        flow: impl FnOnce(&mut ProgressFn<'_>) -> Result<TargetFlow<B>, PipelineError>,
        device: &B::Device,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Self, PipelineError> {
        let seed = |draw: Draw| draw.seed(config.seed);
        let weights = seed(Draw::BmrWeights);
        let order = seed(Draw::BmrOrder);
        let training = &config.bmr_training;
        match config.system {
            System::Nf => Ok(Self::Flow(flow(progress)?)),
            System::NfBmr => {
                let flow = flow(progress)?;
                let z = flow.targets(y)?;
                let bmr = Bmr::<Autodiff<B>>::new(&config.bmr, channels, weights, device)?;
                let mut bmr = train_bmr(bmr, y, &z, training, order, progress)?;
                if !config.low_memory {
                    bmr.prepare();
                }
                Self::mapping(flow, Mapper::Bmr(bmr.into()), y, &z)
            }
            System::NfBpfm => {
                let flow = flow(progress)?;
                let z = flow.targets(y)?;
                let bpfm = &config.bpfm;
                let bpfm = Bpfm::<Autodiff<B>>::new(bpfm, channels, channels, weights, device)?;
                let bpfm = train_bpfm(bpfm, y, &z, training, order, progress)?;
                Self::mapping(flow, Mapper::Bpfm(bpfm.into()), y, &z)
            }
            System::PatchCore => {
                let mut report = fit_progress(progress);
                let fitted = PatchCore::fit(&config.patchcore, y, seed(Draw::Peer), &mut report);
                Ok(Self::PatchCore(fitted?))
            }
            System::Padim => {
                let mut report = fit_progress(progress);
                let fitted = Padim::fit(&config.padim, y, seed(Draw::Peer), &mut report);
                Ok(Self::Padim(fitted?))
            }
        }
    }

    fn mapping(
        flow: TargetFlow<B>,
        mapper: Mapper<B>,
        y: &[Tensor<B, 4>],
        z: &[Tensor<B, 4>],
    ) -> Result<Self, PipelineError> {
        let normalization = measure_normalization(&mapper, y, z)?;
        Ok(Self::Mapping { flow, mapper, normalization })
    }

    /// The maps of images `[N, 3, S, S]` (0 to 1) with source features `[N, C, H, W]`.
    pub(crate) fn maps(
        &self,
        images: &Tensor<B, 4>,
        y: Tensor<B, 4>,
    ) -> Result<Maps<Tensor<B, 3>>, PipelineError> {
        let [_, _, height, width] = images.dims();
        match self {
            Self::Flow(target) => {
                let y = target.whiten(y)?;
                Ok(Maps::Likelihood(nll_map(&target.flow.forward(y)?)))
            }
            Self::Mapping { flow, mapper, .. } => {
                let y = flow.whiten(y)?;
                let target = flow.flow.target(images, &y)?;
                let residuals = mapper.residuals(y, target.features)?;
                Ok(Maps::Residuals {
                    source: residuals.source,
                    target: residuals.target,
                    likelihood: target.likelihood,
                })
            }
            Self::PatchCore(detector) => {
                let scored = detector.score(y)?;
                let map = smooth(scored.map, [height, width], Upsampling::Nearest)?;
                Ok(Maps::Scored { map, score: scored.score })
            }
            Self::Padim(detector) => {
                let scored = detector.score(y, [height, width])?;
                let map = smooth(scored.map, [height, width], Upsampling::Bilinear)?;
                Ok(Maps::Scored { map, score: scored.score })
            }
        }
    }

    pub(crate) fn normalization(&self) -> Option<Normalization> {
        match self {
            Self::Mapping { normalization, .. } => Some(*normalization),
            _ => None,
        }
    }

    pub(crate) fn flow(&self) -> Option<&TargetFlow<B>> {
        match self {
            Self::Flow(flow) | Self::Mapping { flow, .. } => Some(flow),
            _ => None,
        }
    }

    /// Everything learnt, by the name of the network it belongs to.
    pub(crate) fn state(&self) -> Vec<(&'static str, StateDict)> {
        let mut state = Vec::new();
        if let Some(TargetFlow { whitening, flow, .. }) = self.flow() {
            state.extend(whitening.as_ref().map(|whitening| (WHITENING, state_dict(whitening))));
            state.push((FLOW, state_dict(flow)));
        }
        match self {
            Self::Flow(_) => {}
            Self::Mapping { mapper: Mapper::Bmr(bmr), .. } => state.push((BMR, state_dict(&**bmr))),
            Self::Mapping { mapper: Mapper::Bpfm(bpfm), .. } => {
                state.push((BPFM, state_dict(&**bpfm)));
            }
            Self::PatchCore(detector) => state.push((PATCHCORE, detector.state())),
            Self::Padim(detector) => state.push((PADIM, detector.state())),
        }
        state
    }

    /// Of what [`Self::state`] gave, and the rest that a model file holds. The configuration is valid, and
    /// its networks are no larger than the file.
    pub(crate) fn load(
        config: &PipelineConfig,
        [channels, height, width]: [usize; 3],
        permutations: Vec<Vec<usize>>,
        normalization: Option<Normalization>,
        networks: &mut Networks,
        device: &B::Device,
    ) -> Result<Self, ModelError> {
        let whitening = |networks: &mut Networks| {
            let Some(whitening) = &config.whitening else { return Ok(None) };
            let blocks = config.block_channels().map_err(unusable)?;
            let whitening = Whitening::new(whitening, &blocks, [height, width], device);
            networks.load_into(WHITENING, whitening.map_err(unusable)?).map(Some)
        };
        let flow = |networks: &mut Networks| {
            let whitening = whitening(networks)?;
            let flow = Flow::new(&config.flow, &permutations, channels, 0, device);
            let mut flow = networks.load_into(FLOW, flow.map_err(unusable)?)?;
            if !config.low_memory {
                flow.prepare();
            }
            let permutations = permutations.clone();
            Ok::<_, ModelError>(TargetFlow { whitening, permutations, flow })
        };
        let normalization = || normalization.ok_or(ModelError::NoNormalization);
        match config.system {
            System::Nf => Ok(Self::Flow(flow(networks)?)),
            System::NfBmr => {
                let bmr = Bmr::new(&config.bmr, channels, 0, device).map_err(unusable)?;
                let mut bmr = networks.load_into(BMR, bmr)?;
                if !config.low_memory {
                    bmr.prepare();
                }
                let (flow, mapper) = (flow(networks)?, Mapper::Bmr(bmr.into()));
                Ok(Self::Mapping { flow, mapper, normalization: normalization()? })
            }
            System::NfBpfm => {
                let bpfm = Bpfm::new(&config.bpfm, channels, channels, 0, device);
                let bpfm = networks.load_into(BPFM, bpfm.map_err(unusable)?)?;
                let mapper = Mapper::Bpfm(bpfm.into());
                let flow = flow(networks)?;
                Ok(Self::Mapping { flow, mapper, normalization: normalization()? })
            }
            System::PatchCore => {
                let state = networks.take(PATCHCORE);
                let detector = PatchCore::from_state(&config.patchcore, state, device);
                Ok(Self::PatchCore(detector.map_err(unusable)?))
            }
            System::Padim => {
                let detector = Padim::from_state(networks.take(PADIM), device);
                Ok(Self::Padim(detector.map_err(unusable)?))
            }
        }
    }
}

fn unusable(error: impl Into<PipelineError>) -> ModelError {
    ModelError::Unusable(Box::new(error.into()))
}
