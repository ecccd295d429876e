use std::path::PathBuf;
use std::sync::Arc;

use burn::tensor::Tensor;
use nfbmr_backend::Backend;
use nfbmr_cache::FeatureCache;
use nfbmr_flow::FlowConfig;
use nfbmr_whitening::{Whitening, WhiteningConfig, WhiteningFit};

use crate::augmentation::Augmentation;
use crate::calibrate_error::ImageName;
use crate::checkpoint::{Checkpoint, Identity};
use crate::cnn::Cnn;
use crate::config::{PipelineConfig, TrainingConfig};
use crate::error::{PipelineError, TrainingError};
use crate::features::{Extracted, Extractor, extract_features};
use crate::fingerprint::{Fingerprint, TrainedOn};
use crate::head::{Features, Head};
use crate::images::Images;
use crate::memory;
use crate::pipeline::Pipeline;
use crate::progress::{Phase, ProgressFn, Reporter};
use crate::samples::{Part, SharedSamples, derive};
use crate::session::Session;
use crate::suspects::{Suspect, far_out, scores_left_out};
use crate::target_flow::TargetFlow;
use crate::weights::BackboneWeights;
use crate::white_level::white_level;

/// Images whose statistics are collected together.
const CHUNK: usize = 8;

/// Features in memory at a time: as they are, whitened, and in the target space.
const COPIES: u64 = 3;

/// What a training keeps besides the model: features, and where it stands.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TrainingStorage {
    /// A file that keeps features for later runs, and for this one where they don't fit the memory.
    pub cache: Option<Arc<FeatureCache>>,
    /// What features may take of the memory, in bytes; 2 GiB by default. Where they would take more, they
    /// are read from the cache as needed, and training takes the memory of the networks alone.
    /// `patchcore` and `padim` hold theirs in memory regardless.
    pub memory: u64,
    /// A file that a training writes as its epochs end, and begins from where it is there: interrupted at
    /// any moment, it gives the same model to the bit as one that wasn't, with the same number of threads on
    /// a processor of the same kind. At most one epoch is lost, or five seconds where epochs are shorter.
    /// The file stays when a training has ended; remove it once the model is saved. `patchcore` and `padim`,
    /// which aren't trained by epochs, don't use it.
    pub checkpoint: Option<PathBuf>,
}

impl Default for TrainingStorage {
    fn default() -> Self {
        Self { cache: None, memory: 2 << 30, checkpoint: None }
    }
}

impl TrainingStorage {
    /// With a cache, and the default memory.
    pub fn cached(cache: Arc<FeatureCache>) -> Self {
        Self { cache: Some(cache), ..Self::default() }
    }

    /// Whether features of so many bytes are held in memory; if not, there is a cache.
    fn holds(&self, images: usize, needed: u64) -> Result<bool, TrainingError> {
        if needed > self.memory && self.cache.is_none() {
            let mb = |bytes: u64| bytes / 1_000_000;
            let (needed, allowed) = (mb(needed), mb(self.memory));
            return Err(TrainingError::FeatureMemory { images, needed, allowed });
        }
        Ok(needed <= self.memory)
    }
}

/// The features of a set of images, on which any number of systems and seeds are trained.
///
/// The backbone runs once over the images; a flow that several systems ask for is trained once.
#[derive(Debug)]
pub struct Trainer<B: Backend> {
    config: PipelineConfig,
    weights: BackboneWeights,
    source: Cnn<B>,
    target: Option<Cnn<B>>,
    features: Features<B>,
    /// The content of each image.
    contents: Vec<Fingerprint>,
    /// What each image is called.
    names: Vec<ImageName>,
    trained_on: TrainedOn,
    whitened: Option<Whitened<B>>,
    flows: Vec<(FlowKey, TargetFlow<B>)>,
    checkpoint: Option<PathBuf>,
    device: B::Device,
}

/// The features as they are whitened, by level.
#[derive(Debug)]
struct Whitened<B: Backend> {
    config: WhiteningConfig,
    whitenings: Vec<Whitening<B>>,
    y: Vec<SharedSamples<B>>,
}

/// All that a flow depends on, besides the features.
#[derive(Clone, Debug, PartialEq)]
struct FlowKey {
    level: usize,
    whitening: Option<WhiteningConfig>,
    flow: FlowConfig,
    training: TrainingConfig,
    seed: u64,
    low_memory: bool,
}

impl FlowKey {
    fn of(config: &PipelineConfig, level: usize) -> Self {
        Self {
            level,
            whitening: config.whitening.clone(),
            flow: config.flow.clone(),
            training: config.flow_training.clone(),
            seed: config.seed,
            low_memory: config.low_memory,
        }
    }
}

impl<B: Backend> Trainer<B> {
    /// Extracts the features of images of good parts, or takes them from the cache. A white level that the
    /// configuration leaves open is guessed from the images ([`white_level`]).
    ///
    /// # Errors
    /// A device that isn't there, a configuration without meaning, weights that don't fit it, images that
    /// can't be read or can't train, features that don't fit the memory without a cache, networks that don't
    /// fit it, a cache that can't be read or written, or the caller's interruption.
    pub fn new<'a>(
        config: &PipelineConfig,
        weights: Option<&BackboneWeights>,
        images: impl Into<Images<'a>>,
        storage: &TrainingStorage,
        device: &B::Device,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Self, PipelineError> {
        B::probe(device)?;
        config.validate()?;
        let weights = weights.ok_or(PipelineError::NoWeights)?;
        let (source, target) = config.load_cnns(weights, device)?;
        let images = images.into();
        let mut networks = vec![(&source, weights)];
        networks.extend(target.as_ref().zip(weights.target()));
        let needed = feature_memory(config, &networks, images.len())?;
        let in_memory = storage.holds(images.len(), needed)?;
        memory::check(config, if in_memory { needed } else { 0 })?;
        let cache = storage.cache.as_ref();
        let config = &resolve(config, &images)?;
        let extractor = Extractor { networks, config, cache, device };
        let extracted = extract_features(&extractor, images, in_memory, progress)?;
        let Extracted { mut levels, contents, names } = extracted;
        let targets = levels.split_off(source.level_blocks().len());
        Ok(Self {
            config: config.clone(),
            weights: weights.clone(),
            source,
            target,
            features: Features { source: levels, target: targets, in_memory },
            trained_on: TrainedOn::new(contents.clone()),
            contents,
            names,
            whitened: None,
            flows: Vec::new(),
            checkpoint: storage.checkpoint.clone(),
            device: device.clone(),
        })
    }

    /// The number of images.
    pub fn images(&self) -> usize {
        self.contents.len()
    }

    /// The source features of an image, of its first tile if it has some, `[1, C, H, W]`, of each level: see
    /// [`Cnn::levels`].
    ///
    /// # Errors
    /// [`PipelineError::Config`] if there are no more than `image` images, otherwise what reading from the
    /// cache fails with.
    pub fn features(&self, image: usize) -> Result<Vec<Tensor<B, 4>>, PipelineError> {
        let sample = image * self.config.samples();
        match image < self.images() {
            true => self.features.source.iter().map(|level| level.get(sample)).collect(),
            false => Err(PipelineError::Config(format!(
                "expected the index of one of {} training images, found {image}",
                self.images()
            ))),
        }
    }

    /// Whether the features are those that a configuration needs; a white level that it leaves open is that of
    /// the features.
    ///
    /// # Errors
    /// As [`PipelineConfig::validate`].
    pub fn suits(&self, config: &PipelineConfig) -> Result<bool, PipelineError> {
        config.validate()?;
        Ok(self.with_white_level(config).inputs()? == self.config.inputs()?)
    }

    /// A configuration with the white level of the features where it has none.
    fn with_white_level(&self, config: &PipelineConfig) -> PipelineConfig {
        let white_level = config.white_level.or(self.config.white_level);
        PipelineConfig { white_level, ..config.clone() }
    }

    /// Trains a system. The same configuration, images, backend and thread count give the same model,
    /// whatever was trained before.
    ///
    /// # Errors
    /// [`PipelineError::Config`] for a configuration without meaning, or of another backbone or input than
    /// the features', features that can't be whitened, a loss that isn't finite, a checkpoint of another
    /// training or that can't be read or written, or the caller's interruption.
    pub fn train(
        &mut self,
        config: &PipelineConfig,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Pipeline<B>, PipelineError> {
        if !self.suits(config)? {
            let problem = "expected the backbones, blocks, scales, input_size, fit, white_level, mask, \
                           tiling and augmentation of the features";
            return Err(PipelineError::Config(problem.to_owned()));
        }
        let config = &self.with_white_level(config);
        memory::check(config, 0)?;
        let whitening = config.whitening.as_ref().filter(|_| config.system.has_flow());
        if let Some(whitening) = whitening
            && self.whitened.as_ref().is_none_or(|known| known.config != *whitening)
        {
            self.whitened = Some(self.whiten(whitening, progress)?);
        }
        let checkpoint = self.open_checkpoint(config)?;
        let Self { features, whitened, flows, device, .. } = self;
        let mut features = features.clone();
        let whitened = whitened.as_ref().filter(|_| whitening.is_some());
        if let Some(whitened) = whitened {
            features.source = whitened.y.clone();
        }
        let suspects = match whitened {
            Some(whitened) => suspects(config, whitened, &self.names)?,
            None => None,
        };
        let levels = config.source_levels()?;
        let flow = |level: usize, session: &mut Session<'_, '_>| {
            let key = FlowKey::of(config, level);
            if let Some((_, flow)) = flows.iter().find(|(known, _)| *known == key) {
                return Ok(flow.clone());
            }
            let none = || PipelineError::Config(format!("expected features of level {level}"));
            let (y, source) = features.source.get(level).zip(levels.get(level)).ok_or_else(none)?;
            let whitening = whitened.and_then(|known| known.whitenings.get(level).cloned());
            let flow = TargetFlow::train(config, whitening, source, &**y, device, session)?;
            flows.push((key, flow.clone()));
            Ok(flow)
        };
        let target = self.target.as_ref();
        let mut session = Session { progress, checkpoint, level: (0, 1) };
        let head = Head::train(config, &features, flow, target, device, &mut session)?;
        tracing::info!(system = %config.system, images = self.images(), "trained");
        Ok(Pipeline {
            config: config.clone(),
            weights: self.weights.clone(),
            source: self.source.clone(),
            head,
            trained_on: Some(self.trained_on.clone()),
            suspects,
            calibration: None,
            device: self.device.clone(),
        })
    }

    /// The content of each image.
    pub(crate) fn contents(&self) -> &[Fingerprint] {
        &self.contents
    }

    /// A trainer of some of the images, in the order of their indices, which shares their features and has a
    /// checkpoint of its own.
    pub(crate) fn part(&self, images: &[usize], checkpoint: Option<PathBuf>) -> Self {
        let each = self.config.samples();
        let samples = images.iter().flat_map(|image| image * each..(image + 1) * each);
        let samples: Vec<usize> = samples.collect();
        let part = |all: &SharedSamples<B>| -> SharedSamples<B> {
            Arc::new(Part { all: all.clone(), samples: samples.clone() })
        };
        #[expect(clippy::indexing_slicing, reason = "indices of the training images")]
        let contents: Vec<Fingerprint> = images.iter().map(|&image| self.contents[image]).collect();
        #[expect(clippy::indexing_slicing, reason = "indices of the training images")]
        let names = images.iter().map(|&image| self.names[image].clone()).collect();
        let Features { source, target, in_memory } = &self.features;
        Self {
            config: self.config.clone(),
            weights: self.weights.clone(),
            source: self.source.clone(),
            target: self.target.clone(),
            features: Features {
                source: source.iter().map(part).collect(),
                target: target.iter().map(part).collect(),
                in_memory: *in_memory,
            },
            trained_on: TrainedOn::new(contents.clone()),
            contents,
            names,
            whitened: None,
            flows: Vec::new(),
            checkpoint,
            device: self.device.clone(),
        }
    }

    fn open_checkpoint(
        &self,
        config: &PipelineConfig,
    ) -> Result<Option<Checkpoint>, PipelineError> {
        let Some(path) = &self.checkpoint else { return Ok(None) };
        let backend = B::name(&self.device);
        let identity = Identity::new(config, &self.trained_on, &self.weights, &backend);
        Checkpoint::open(path, identity).map(Some)
    }

    /// Collects the statistics of the features, and whitens them.
    fn whiten(
        &self,
        config: &WhiteningConfig,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Whitened<B>, PipelineError> {
        let levels = self.config.source_levels()?;
        let sources = levels.iter().zip(&self.features.source);
        let (mut whitenings, mut white) = (Vec::new(), Vec::new());
        for (index, (level, y)) in sources.enumerate() {
            let mut fit = WhiteningFit::new(config, &level.block_channels, level.grid)?;
            let reporter = Reporter::new(Phase::Whitening, 1, y.len(), progress);
            let mut reporter = reporter.of_level((index, levels.len()));
            let indices: Vec<usize> = (0..y.len()).collect();
            for chunk in indices.chunks(CHUNK) {
                fit.add(y.batch(chunk)?)?;
                reporter.advance(chunk.len())?;
            }
            let whitening = fit.finish(&self.device)?;
            let forward = whitening.clone();
            white.push(derive(y, self.features.in_memory, move |y| Ok(forward.forward(y)?))?);
            whitenings.push(whitening);
        }
        Ok(Whitened { config: config.clone(), whitenings, y: white })
    }
}

/// The configuration with the white level of the images, where it leaves that open.
fn resolve(config: &PipelineConfig, images: &Images<'_>) -> Result<PipelineConfig, PipelineError> {
    let mut config = config.clone();
    if config.white_level.is_none() {
        // Bad files are told when features are extracted.
        let mut skipped = Vec::new();
        config.white_level = white_level(images.again(&mut skipped))?.map(|level| level.value);
    }
    Ok(config)
}

/// The training images that the others, by their whitened features of the coarsest level, find far out; `None` where
/// that can't be told.
fn suspects<B: Backend>(
    config: &PipelineConfig,
    whitened: &Whitened<B>,
    names: &[ImageName],
) -> Result<Option<Vec<Suspect>>, PipelineError> {
    // The turned copies of an image would know it.
    if config.augmentation != Augmentation::Off {
        return Ok(None);
    }
    let levels = config.source_levels()?;
    let Some((y, level)) = whitened.y.last().zip(levels.last()) else { return Ok(None) };
    let (channels, pooling) = (&level.block_channels, config.image_pooling());
    let samples = config.samples();
    let scores = scores_left_out(&whitened.config, pooling, channels, &**y, samples)?;
    Ok(far_out(&names.iter().cloned().zip(scores).collect::<Vec<_>>()))
}

/// Bytes of the features of so many images, with what they become in training.
fn feature_memory<B: Backend>(
    config: &PipelineConfig,
    networks: &[(&Cnn<B>, &BackboneWeights)],
    images: usize,
) -> Result<u64, PipelineError> {
    let mut values = 0;
    for (network, _) in networks {
        let shapes = network.level_shapes(config.network_size())?;
        values += shapes.iter().map(|shape| shape.iter().product::<usize>() as u64).sum::<u64>();
    }
    let copies = if config.system.has_flow() { COPIES } else { 1 };
    let images = (images as u64).saturating_mul(config.samples() as u64);
    Ok((4 * values * copies).saturating_mul(images))
}
