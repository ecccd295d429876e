use burn::backend::Autodiff;
use burn::tensor::Tensor;
use nfbmr_backend::{Backend, StateDict, state_dict};
use nfbmr_bmr::{Bmr, Bpfm};
use nfbmr_flow::{Flow, nll_map};
use nfbmr_peers::{Padim, PatchCore, Upsampling, smooth};
use nfbmr_whitening::Whitening;

use crate::cnn::Cnn;
use crate::config::PipelineConfig;
use crate::error::{ModelError, PipelineError};
use crate::map::ScoreMap;
use crate::mapper::Mapper;
use crate::maps::Maps;
use crate::model_file::Networks;
use crate::progress::fit_progress;
use crate::samples::{Samples, SharedSamples, all, derive};
use crate::score::Normalization;
use crate::session::Session;
use crate::system::System;
use crate::target_cnn::Level;
use crate::train::{measure_normalization, train_bmr, train_bpfm, train_flow};
use crate::traits::{BidirectionalMapper, FeatureExtractor, TargetSpace};

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
    Cnns { target: Box<Cnn<B>>, levels: Vec<Bpfm<B>>, normalization: Normalization },
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
    fn targets(&self, features: &Features<B>) -> Result<SharedSamples<B>, PipelineError> {
        let flow = self.flow.clone();
        derive(features.source()?, features.in_memory, move |y| Ok(flow.forward(y)?.z))
    }

    /// Trains a flow on source features that `whitening` has whitened.
    pub(crate) fn train(
        config: &PipelineConfig,
        whitening: Option<Whitening<B>>,
        channels: usize,
        y: &dyn Samples<B>,
        device: &B::Device,
        session: &mut Session<'_, '_>,
    ) -> Result<Self, PipelineError> {
        let seed = |draw: Draw| draw.seed(config.seed);
        let permutations =
            Flow::<B>::random_permutations(&config.flow, channels, seed(Draw::Permutations));
        let weights = seed(Draw::FlowWeights);
        let flow =
            Flow::<Autodiff<B>>::new(&config.flow, &permutations, channels, weights, device)?;
        let order = seed(Draw::FlowOrder);
        let mut flow = train_flow(flow, y, &config.flow_training, order, session)?;
        if !config.low_memory {
            flow.prepare();
        }
        Ok(Self { whitening, permutations, flow })
    }
}

/// What a head is trained on.
#[derive(Clone, Debug)]
pub(crate) struct Features<B: Backend> {
    /// Source features of each level, whitened for the systems that have a flow.
    pub(crate) source: Vec<SharedSamples<B>>,
    /// Target features of each level, where a second CNN has them.
    pub(crate) target: Vec<SharedSamples<B>>,
    /// Whether features fit the memory.
    pub(crate) in_memory: bool,
}

impl<B: Backend> Features<B> {
    /// Those of the only level.
    pub(crate) fn source(&self) -> Result<&SharedSamples<B>, PipelineError> {
        let none = || PipelineError::Config("expected features, found none".to_owned());
        self.source.first().ok_or_else(none)
    }
}

impl<B: Backend> Head<B> {
    /// Trains the configured system; `flow` gives a trained flow to those that have one, `target` is the
    /// second CNN of those that have that.
    pub(crate) fn train(
        config: &PipelineConfig,
        features: &Features<B>,
        flow: impl FnOnce(&mut Session<'_, '_>) -> Result<TargetFlow<B>, PipelineError>,
        target: Option<&Cnn<B>>,
        device: &B::Device,
        session: &mut Session<'_, '_>,
    ) -> Result<Self, PipelineError> {
        let seed = |draw: Draw| draw.seed(config.seed);
        let weights = seed(Draw::BmrWeights);
        let order = seed(Draw::BmrOrder);
        let training = &config.bmr_training;
        let [channels, ..] = config.validate()?;
        let y = features.source()?;
        match config.system {
            System::Nf => Ok(Self::Flow(flow(session)?)),
            System::NfBmr => {
                let flow = flow(session)?;
                let z = flow.targets(features)?;
                let bmr = Bmr::<Autodiff<B>>::new(&config.bmr, channels, weights, device)?;
                let mut bmr = train_bmr(bmr, &**y, &*z, training, order, session)?;
                if !config.low_memory {
                    bmr.prepare();
                }
                Self::mapping(flow, Mapper::Bmr(bmr.into()), &**y, &*z)
            }
            System::NfBpfm => {
                let flow = flow(session)?;
                let z = flow.targets(features)?;
                let bpfm = &config.bpfm;
                let bpfm = Bpfm::<Autodiff<B>>::new(bpfm, channels, channels, weights, device)?;
                let bpfm = train_bpfm(bpfm, 0, &**y, &*z, training, order, session)?;
                Self::mapping(flow, Mapper::Bpfm(bpfm.into()), &**y, &*z)
            }
            System::Pfm | System::Bpfm | System::MbPfm => {
                let target = target.ok_or(PipelineError::NoTargetWeights)?;
                let (mut levels, mut normalizations) = (Vec::new(), Vec::new());
                let spaces = features.source.iter().zip(&features.target);
                for (Level { source, target, mapper }, (y, z)) in
                    config.levels()?.iter().zip(spaces)
                {
                    let bpfm = Bpfm::<Autodiff<B>>::new(mapper, *source, *target, weights, device)?;
                    let level = levels.len();
                    let bpfm = train_bpfm(bpfm, level, &**y, &**z, training, order, session)?;
                    normalizations.push(measure_normalization(&bpfm, &**y, &**z)?);
                    levels.push(bpfm);
                }
                let normalization = Normalization::mean(&normalizations);
                Ok(Self::Cnns { target: target.clone().into(), levels, normalization })
            }
            System::PatchCore => {
                let mut report = fit_progress(session.progress);
                let (y, seed) = (all(&**y)?, seed(Draw::Peer));
                Ok(Self::PatchCore(PatchCore::fit(&config.patchcore, &y, seed, &mut report)?))
            }
            System::Padim => {
                let mut report = fit_progress(session.progress);
                let (y, seed) = (all(&**y)?, seed(Draw::Peer));
                Ok(Self::Padim(Padim::fit(&config.padim, &y, seed, &mut report)?))
            }
        }
    }

    fn mapping(
        flow: TargetFlow<B>,
        mapper: Mapper<B>,
        y: &dyn Samples<B>,
        z: &dyn Samples<B>,
    ) -> Result<Self, PipelineError> {
        let normalization = measure_normalization(&mapper, y, z)?;
        Ok(Self::Mapping { flow, mapper, normalization })
    }

    /// The maps of each of the images `[N, 3, S, S]` (0 to 1), whose source features are those of a CNN.
    pub(crate) fn maps(
        &self,
        source: &Cnn<B>,
        images: &Tensor<B, 4>,
    ) -> Result<Vec<Maps<ScoreMap, f32>>, PipelineError> {
        let [_, _, height, width] = images.dims();
        let maps = match self {
            Self::Flow(target) => {
                let y = target.whiten(source.extract(images.clone())?)?;
                Maps::Likelihood(nll_map(&target.flow.forward(y)?))
            }
            Self::Mapping { flow, mapper, .. } => {
                let y = flow.whiten(source.extract(images.clone())?)?;
                let target = flow.flow.target(images, &y)?;
                Maps::residuals(mapper.residuals(y, target.features)?, target.likelihood)
            }
            Self::Cnns { target, levels, .. } => {
                let spaces = source.levels(images.clone())?.into_iter();
                let spaces = spaces.zip(target.levels(images.clone())?);
                let level = |(mapper, (y, z)): (&Bpfm<B>, (Tensor<B, 4>, Tensor<B, 4>))| {
                    Ok(Maps::residuals(mapper.residuals(y, z)?, None).by_image())
                };
                let levels = levels.iter().zip(spaces).map(level);
                return Maps::mean_of_levels(levels.collect::<Result<_, PipelineError>>()?);
            }
            Self::PatchCore(detector) => {
                let scored = detector.score(source.extract(images.clone())?)?;
                let map = smooth(scored.map, [height, width], Upsampling::Nearest)?;
                Maps::Scored { map, score: scored.score }
            }
            Self::Padim(detector) => {
                let scored = detector.score(source.extract(images.clone())?, [height, width])?;
                let map = smooth(scored.map, [height, width], Upsampling::Bilinear)?;
                Maps::Scored { map, score: scored.score }
            }
        };
        Ok(maps.by_image())
    }

    /// Target features of images `[N, 3, S, S]` (0 to 1) with source features `y`, whitened, of a system
    /// that has a target space.
    pub(crate) fn target(
        &self,
        images: &Tensor<B, 4>,
        y: &Tensor<B, 4>,
    ) -> Result<Option<Tensor<B, 4>>, PipelineError> {
        match self {
            Self::Flow(target) | Self::Mapping { flow: target, .. } => {
                Ok(Some(target.flow.forward(y.clone())?.z))
            }
            Self::Cnns { target, .. } => target.extract(images.clone()).map(Some),
            Self::PatchCore(_) | Self::Padim(_) => Ok(None),
        }
    }

    pub(crate) fn normalization(&self) -> Option<Normalization> {
        match self {
            Self::Mapping { normalization, .. } | Self::Cnns { normalization, .. } => {
                Some(*normalization)
            }
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
            Self::Cnns { levels, .. } => {
                let level = |(level, bpfm): (usize, &Bpfm<B>)| {
                    let state = state_dict(bpfm).into_iter();
                    state.map(move |(name, data)| (format!("{level}.{name}"), data))
                };
                let levels = levels.iter().enumerate().flat_map(level);
                state.push((BPFM, levels.collect()));
            }
            Self::PatchCore(detector) => state.push((PATCHCORE, detector.state())),
            Self::Padim(detector) => state.push((PADIM, detector.state())),
        }
        state
    }

    /// Of what [`Self::state`] gave, and the rest that a model file holds. The configuration is valid, and
    /// its networks are no larger than the file; `target` is the second CNN where the system has one.
    pub(crate) fn load(
        config: &PipelineConfig,
        [channels, height, width]: [usize; 3],
        permutations: Vec<Vec<usize>>,
        normalization: Option<Normalization>,
        networks: &mut Networks,
        target: Option<Cnn<B>>,
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
            System::Pfm | System::Bpfm | System::MbPfm => {
                let target = target.ok_or_else(|| unusable(PipelineError::NoTargetWeights))?.into();
                let level = |(index, Level { source, target, mapper }): (usize, Level)| {
                    let bpfm = Bpfm::new(&mapper, source, target, 0, device).map_err(unusable)?;
                    networks.load_level_into(BPFM, index, bpfm)
                };
                let levels = config.levels().map_err(unusable)?.into_iter().enumerate().map(level);
                let levels = levels.collect::<Result<_, ModelError>>()?;
                Ok(Self::Cnns { target, levels, normalization: normalization()? })
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
