use burn::backend::Autodiff;
use burn::tensor::Tensor;
use nfbmr_backend::{Backend, StateDict, state_dict};
use nfbmr_bmr::{Bmr, Bpfm};
use nfbmr_flow::{Flow, nll_map};
use nfbmr_peers::{Padim, PatchCore, Upsampling, smooth};
use nfbmr_whitening::Whitening;

use crate::cnn::Cnn;
use crate::config::PipelineConfig;
use crate::draw::Draw;
use crate::error::{ModelError, PipelineError};
use crate::map::ScoreMap;
use crate::mapper::Mapper;
use crate::mapping::Mapping;
use crate::maps::{LevelMaps, Maps, to_maps};
use crate::model_file::Networks;
use crate::progress::fit_progress;
use crate::samples::{SharedSamples, all};
use crate::score::{Normalization, Units};
use crate::session::Session;
use crate::source_level::SourceLevel;
use crate::system::System;
use crate::target_cnn::Level;
use crate::target_flow::TargetFlow;
use crate::train::{measure_normalization, train_bpfm};
use crate::traits::{BidirectionalMapper, FeatureExtractor, Residuals, Target, TargetSpace};

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
    Flow(Vec<TargetFlow<B>>),
    Mapping(Vec<Mapping<B>>),
    Cnns { target: Box<Cnn<B>>, levels: Vec<Bpfm<B>>, normalization: Normalization },
    PatchCore(PatchCore<B>),
    Padim(Padim<B>),
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
    /// Source features of the first level, of several or the only one.
    pub(crate) fn first(&self) -> Result<&SharedSamples<B>, PipelineError> {
        let none = || PipelineError::Config("expected features, found none".to_owned());
        self.source.first().ok_or_else(none)
    }
}

impl<B: Backend> Head<B> {
    /// Trains the configured system; `flow` gives the trained flow of a level to those that have one, `target`
    /// is the second CNN of those that have that.
    pub(crate) fn train(
        config: &PipelineConfig,
        features: &Features<B>,
        mut flow: impl FnMut(usize, &mut Session<'_, '_>) -> Result<TargetFlow<B>, PipelineError>,
        target: Option<&Cnn<B>>,
        device: &B::Device,
        session: &mut Session<'_, '_>,
    ) -> Result<Self, PipelineError> {
        let seed = |draw: Draw| draw.seed(config.seed);
        let count = features.source.len();
        let sources = features.source.iter().enumerate();
        match config.system {
            System::Nf => {
                let flow = |(index, _)| {
                    session.level = (index, count);
                    flow(index, session)
                };
                Ok(Self::Flow(sources.map(flow).collect::<Result<_, _>>()?))
            }
            System::NfBmr | System::NfBpfm => {
                let mapping = |((index, y), level): ((usize, &SharedSamples<B>), SourceLevel)| {
                    session.level = (index, count);
                    let (flow, in_memory) = (flow(index, session)?, features.in_memory);
                    Mapping::train(config, flow, &level, y, in_memory, device, session)
                };
                let levels = sources.zip(config.source_levels()?).map(mapping);
                Ok(Self::Mapping(levels.collect::<Result<_, _>>()?))
            }
            System::Pfm | System::Bpfm | System::MbPfm => {
                let target = target.ok_or(PipelineError::NoTargetWeights)?;
                let (weights, order) = (seed(Draw::BmrWeights), seed(Draw::BmrOrder));
                let training = &config.bmr_training;
                let (mut levels, mut normalizations) = (Vec::new(), Vec::new());
                let spaces = sources.zip(&features.target);
                for (Level { source, target, mapper }, ((index, y), z)) in
                    config.levels()?.iter().zip(spaces)
                {
                    session.level = (index, count);
                    let bpfm = Bpfm::<Autodiff<B>>::new(mapper, *source, *target, weights, device)?;
                    let bpfm = train_bpfm(bpfm, &**y, &**z, training, order, session)?;
                    normalizations.push(measure_normalization(&bpfm, &**y, &**z)?);
                    levels.push(bpfm);
                }
                let normalization = Normalization::mean(&normalizations);
                Ok(Self::Cnns { target: target.clone().into(), levels, normalization })
            }
            System::PatchCore => {
                let mut report = fit_progress(session.progress);
                let (y, seed) = (all(&**features.first()?)?, seed(Draw::Peer));
                Ok(Self::PatchCore(PatchCore::fit(&config.patchcore, &y, seed, &mut report)?))
            }
            System::Padim => {
                let mut report = fit_progress(session.progress);
                let (y, seed) = (all(&**features.first()?)?, seed(Draw::Peer));
                Ok(Self::Padim(Padim::fit(&config.padim, &y, seed, &mut report)?))
            }
        }
    }

    /// The maps of each of the images `[N, 3, S, S]` (0 to 1), whose source features are those of a CNN.
    pub(crate) fn maps(
        &self,
        source: &Cnn<B>,
        images: &Tensor<B, 4>,
    ) -> Result<Vec<Maps>, PipelineError> {
        let [count, _, height, width] = images.dims();
        let scored = |map: Tensor<B, 3>, scores: Vec<f32>| {
            let maps = to_maps(map).into_iter().zip(scores);
            maps.map(|(map, score)| Maps::Scored { map, score }).collect()
        };
        let mut levels: Vec<Vec<LevelMaps<ScoreMap>>> = Vec::new();
        match self {
            Self::Flow(flows) => {
                for (target, y) in flows.iter().zip(source.levels(images.clone())?) {
                    let likelihood = Some(nll_map(&target.flow.forward(target.whiten(y)?)?));
                    levels.push(LevelMaps { source: None, target: None, likelihood }.by_image());
                }
            }
            Self::Mapping(mappings) => {
                for (mapping, y) in mappings.iter().zip(source.levels(images.clone())?) {
                    let y = mapping.flow.whiten(y)?;
                    let Target { features, likelihood } = mapping.flow.flow.target(images, &y)?;
                    let Residuals { source, target } = mapping.mapper.residuals(y, features)?;
                    let target = Some(target);
                    levels.push(LevelMaps { source, target, likelihood }.by_image());
                }
            }
            Self::Cnns { target, levels: mappers, .. } => {
                let spaces = source.levels(images.clone())?.into_iter();
                let spaces = spaces.zip(target.levels(images.clone())?);
                for (mapper, (y, z)) in mappers.iter().zip(spaces) {
                    let Residuals { source, target } = mapper.residuals(y, z)?;
                    let maps = LevelMaps { source, target: Some(target), likelihood: None };
                    levels.push(maps.by_image());
                }
            }
            Self::PatchCore(detector) => {
                let found = detector.score(source.extract(images.clone())?)?;
                let map = smooth(found.map, [height, width], Upsampling::Nearest)?;
                return Ok(scored(map, found.score));
            }
            Self::Padim(detector) => {
                let found = detector.score(source.extract(images.clone())?, [height, width])?;
                let map = smooth(found.map, [height, width], Upsampling::Bilinear)?;
                return Ok(scored(map, found.score));
            }
        }
        let mut levels: Vec<_> = levels.into_iter().map(Vec::into_iter).collect();
        let image = |_| {
            let levels = levels.iter_mut().filter_map(Iterator::next).collect();
            match self {
                // As published, each block counts by the size of its residuals.
                Self::Cnns { .. } => Ok(Maps::Levels(vec![LevelMaps::mean(levels)?])),
                _ => Ok(Maps::Levels(levels)),
            }
        };
        (0..count).map(image).collect()
    }

    /// The units of the maps of each level; none where they have a rule of their own.
    pub(crate) fn units(&self) -> Vec<Units> {
        match self {
            Self::Flow(levels) => {
                let units = |level: &TargetFlow<B>| Units::new(None, Some(level.flow.channels()));
                levels.iter().map(units).collect()
            }
            Self::Mapping(levels) => {
                let units = |Mapping { flow, normalization, .. }: &Mapping<B>| {
                    Units::new(Some(*normalization), Some(flow.flow.channels()))
                };
                levels.iter().map(units).collect()
            }
            Self::Cnns { normalization, .. } => vec![Units::new(Some(*normalization), None)],
            Self::PatchCore(_) | Self::Padim(_) => Vec::new(),
        }
    }

    /// Target features by level, of images `[N, 3, S, S]` (0 to 1) with white source features `y`, of a system
    /// that has a target space.
    pub(crate) fn targets(
        &self,
        images: &Tensor<B, 4>,
        y: &[Tensor<B, 4>],
    ) -> Result<Option<Vec<Tensor<B, 4>>>, PipelineError> {
        let flows = self.flows();
        match self {
            Self::Flow(_) | Self::Mapping(_) => {
                let target = |(target, y): (&TargetFlow<B>, &Tensor<B, 4>)| {
                    Ok(target.flow.forward(y.clone())?.z)
                };
                flows.into_iter().zip(y).map(target).collect::<Result<_, _>>().map(Some)
            }
            Self::Cnns { target, .. } => target.levels(images.clone()).map(Some),
            Self::PatchCore(_) | Self::Padim(_) => Ok(None),
        }
    }

    /// By level; of two CNNs one for all.
    pub(crate) fn normalizations(&self) -> Vec<Normalization> {
        match self {
            Self::Mapping(levels) => levels.iter().map(|level| level.normalization).collect(),
            Self::Cnns { normalization, .. } => vec![*normalization],
            _ => Vec::new(),
        }
    }

    /// By level, of a system that has flows.
    pub(crate) fn flows(&self) -> Vec<&TargetFlow<B>> {
        match self {
            Self::Flow(levels) => levels.iter().collect(),
            Self::Mapping(levels) => levels.iter().map(|level| &level.flow).collect(),
            _ => Vec::new(),
        }
    }

    /// By level, of a system that has them.
    pub(crate) fn bmrs(&self) -> Vec<&Bmr<B>> {
        let Self::Mapping(levels) = self else { return Vec::new() };
        let mappers = levels.iter().map(|level| &level.mapper);
        let bmrs = mappers.filter_map(|mapper| match mapper {
            Mapper::Bmr(bmr) => Some(&**bmr),
            Mapper::Bpfm(_) => None,
        });
        bmrs.collect()
    }

    /// Everything learnt, by the name of the network it belongs to; where several levels have one of the same
    /// name, its parameters' names begin with the number of the level.
    pub(crate) fn state(&self) -> Vec<(&'static str, StateDict)> {
        let flows = self.flows();
        let several = flows.len() > 1;
        let mut state = Vec::new();
        let mut push = |network, level: Option<usize>, parameters: StateDict| {
            let name = |name: String| match level {
                Some(level) => format!("{level}.{name}"),
                None => name,
            };
            let parameters = parameters.into_iter().map(|(own, data)| (name(own), data));
            state.push((network, parameters.collect()));
        };
        for (index, TargetFlow { whitening, flow, .. }) in flows.into_iter().enumerate() {
            let level = several.then_some(index);
            if let Some(whitening) = whitening {
                push(WHITENING, level, state_dict(whitening));
            }
            push(FLOW, level, state_dict(flow));
        }
        match self {
            Self::Flow(_) => {}
            Self::Mapping(levels) => {
                for (index, Mapping { mapper, .. }) in levels.iter().enumerate() {
                    let level = several.then_some(index);
                    match mapper {
                        Mapper::Bmr(bmr) => push(BMR, level, state_dict(&**bmr)),
                        Mapper::Bpfm(bpfm) => push(BPFM, level, state_dict(&**bpfm)),
                    }
                }
            }
            Self::Cnns { levels, .. } => {
                for (index, bpfm) in levels.iter().enumerate() {
                    push(BPFM, Some(index), state_dict(bpfm));
                }
            }
            Self::PatchCore(detector) => push(PATCHCORE, None, detector.state()),
            Self::Padim(detector) => push(PADIM, None, detector.state()),
        }
        state
    }

    /// Of what [`Self::state`] gave, and the rest that a model file holds. The configuration is valid, and
    /// its networks are no larger than the file; `target` is the second CNN where the system has one.
    pub(crate) fn load(
        config: &PipelineConfig,
        permutations: Vec<Vec<usize>>,
        normalizations: &[Normalization],
        networks: &mut Networks,
        target: Option<Cnn<B>>,
        device: &B::Device,
    ) -> Result<Self, ModelError> {
        let sources = config.source_levels().map_err(unusable)?;
        let count = sources.len();
        let expected = match config.system {
            System::NfBmr | System::NfBpfm => count,
            System::Pfm | System::Bpfm | System::MbPfm => 1,
            System::Nf | System::PatchCore | System::Padim => 0,
        };
        if normalizations.len() != expected {
            let found = normalizations.len();
            return Err(ModelError::Normalizations { expected, found });
        }
        let number = |index: usize| (count > 1).then_some(index);
        let mut permutations = permutations.into_iter();
        let mut flow = |networks: &mut Networks, (index, source): (usize, &SourceLevel)| {
            let level = number(index);
            let whitening = config.whitening.as_ref().map(|whitening| {
                let blocks = &source.block_channels;
                let whitening = Whitening::new(whitening, blocks, source.grid, device);
                networks.load_into(WHITENING, level, whitening.map_err(unusable)?)
            });
            // The last level has those that are left, so that too many are found too.
            let own = if index + 1 < count { config.flow.couplings } else { usize::MAX };
            let permutations: Vec<_> = permutations.by_ref().take(own).collect();
            let flow = config.flow_of(source);
            let flow = Flow::new(&flow, &permutations, source.channels(), 0, device);
            let mut flow = networks.load_into(FLOW, level, flow.map_err(unusable)?)?;
            if !config.low_memory {
                flow.prepare();
            }
            Ok::<_, ModelError>(TargetFlow {
                whitening: whitening.transpose()?,
                permutations,
                flow,
            })
        };
        match config.system {
            System::Nf => {
                let flow = |level| flow(networks, level);
                Ok(Self::Flow(sources.iter().enumerate().map(flow).collect::<Result<_, _>>()?))
            }
            System::NfBmr | System::NfBpfm => {
                let mapping = |(level, &normalization): ((usize, &SourceLevel), &Normalization)| {
                    let (index, source) = level;
                    let (flow, channels) = (flow(networks, level)?, source.channels());
                    let mapper = match config.system {
                        System::NfBpfm => {
                            let bpfm = config.bpfm_of(source);
                            let bpfm = Bpfm::new(&bpfm, channels, channels, 0, device);
                            let bpfm = bpfm.map_err(unusable)?;
                            Mapper::Bpfm(networks.load_into(BPFM, number(index), bpfm)?.into())
                        }
                        _ => {
                            let bmr = Bmr::new(&config.bmr_of(source), channels, 0, device);
                            let bmr = bmr.map_err(unusable)?;
                            let mut bmr = networks.load_into(BMR, number(index), bmr)?;
                            if !config.low_memory {
                                bmr.prepare();
                            }
                            Mapper::Bmr(bmr.into())
                        }
                    };
                    Ok(Mapping { flow, mapper, normalization })
                };
                let levels = sources.iter().enumerate().zip(normalizations).map(mapping);
                Ok(Self::Mapping(levels.collect::<Result<_, ModelError>>()?))
            }
            System::Pfm | System::Bpfm | System::MbPfm => {
                let target = target.ok_or_else(|| unusable(PipelineError::NoTargetWeights))?.into();
                let level = |(index, Level { source, target, mapper }): (usize, Level)| {
                    let bpfm = Bpfm::new(&mapper, source, target, 0, device).map_err(unusable)?;
                    networks.load_into(BPFM, Some(index), bpfm)
                };
                let levels = config.levels().map_err(unusable)?.into_iter().enumerate().map(level);
                let levels = levels.collect::<Result<_, ModelError>>()?;
                Ok(Self::Cnns {
                    target,
                    levels,
                    normalization: Normalization::mean(normalizations),
                })
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
