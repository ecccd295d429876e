//! The training of any number of systems on the features of one set of images.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;
use std::sync::Arc;

use burn::tensor::Tensor;
use image::DynamicImage;
use nfbmr_backend::Backend;
use nfbmr_cache::FeatureCache;
use nfbmr_pose::{Template, Tolerance};

use super::{CopyOf, Pipeline, memory};
use crate::calibrate::{Suspect, far_out};
use crate::choose::{Choices, Chosen, Looked, choose, choose_kinds};
use crate::config::{Kinds, PipelineConfig};
use crate::error::{ImageName, PipelineError, TrainingError};
use crate::features::{
    BackboneWeights, Cnn, Extracted, Extraction, Extractor, FeatureExtractor, NotLocated, Part,
    SharedSamples, extract_features, mean,
};
use crate::file::{Checkpoint, Identity};
use crate::input::{
    AlignmentMotion, Augmentation, Fingerprint, Images, Input, TrainedOn, to_tensor, white_level,
};
use crate::progress::ProgressFn;
use crate::systems::{Features, Settings, Setup, Shared, Trained, Training};
use crate::train::Session;

/// What a training keeps besides the model: features, and where it stands.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TrainingStorage {
    /// A file that keeps features for later runs, and for this one where they don't fit the memory.
    pub cache: Option<Arc<FeatureCache>>,
    /// What features may take of the memory, in bytes; 2 GiB by default. Where they would take more, they
    /// are read from the cache as needed, and training takes the memory of the networks alone.
    /// `patchcore`, `padim` and `spade` hold theirs in memory regardless.
    pub memory: u64,
    /// A file that a training writes as its epochs end, and begins from where it is there: interrupted at
    /// any moment, it gives the same model to the bit as one that wasn't, with the same number of threads on
    /// a processor of the same kind. At most one epoch is lost, or five seconds where epochs are shorter.
    /// The file stays when a training has ended; remove it once the model is saved. `patchcore`, `padim`
    /// and `spade`, which aren't trained by epochs, don't use it.
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
    /// That of the configuration.
    extraction: Extraction,
    weights: BackboneWeights,
    source: Cnn<B>,
    target: Option<Cnn<B>>,
    features: Features<B>,
    /// The content of each image.
    contents: Vec<Fingerprint>,
    /// What each image is called.
    names: Vec<ImageName>,
    choices: Choices,
    not_located: Vec<NotLocated>,
    trained_on: TrainedOn,
    shared: Shared<B>,
    checkpoint: Option<PathBuf>,
    device: B::Device,
}

impl<B: Backend> Pipeline<B> {
    /// Trains on images of good parts.
    ///
    /// The backbone runs once over the images and its features are kept in memory; the flow is trained
    /// on them, then the mapping network on source and target features. The same configuration, images,
    /// backend and thread count give the same model. [`Trainer`] trains more than one system on a set, and
    /// on more images than the default of [`TrainingStorage`] has memory for.
    ///
    /// # Errors
    /// A device that isn't there, a configuration without meaning, weights that don't fit it, images that
    /// can't be read, are too many or can't train, a loss that isn't finite, or the caller's interruption.
    pub fn train<'a>(
        config: &PipelineConfig,
        weights: Option<&BackboneWeights>,
        images: impl Into<Images<'a>>,
        device: &B::Device,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Self, PipelineError> {
        let storage = TrainingStorage::default();
        Trainer::new(config, weights, images, &storage, device, progress)?.train(config, progress)
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
        let images = images.into();
        let config = &resolve(config, &images)?;
        let (source, target) = load_cnns(&config.extraction()?, weights, device)?;
        let Chosen { mut config, template, mut choices } =
            choose(config, &source, &images, device, progress)?;
        let mut extraction = config.extraction()?;
        check_tolerance(&config, template.as_deref())?;
        extraction.input.template = template;
        let needed = 4 * extraction.values() * config.system.feature_copies();
        let needed = needed.saturating_mul(images.len() as u64);
        let in_memory = storage.holds(images.len(), needed)?;
        memory::check(config.size()?, if in_memory { needed } else { 0 })?;
        let mut networks = vec![(&source, weights)];
        networks.extend(target.as_ref().zip(weights.target()));
        let (input, cache) = (&extraction.input, storage.cache.as_ref());
        let extractor = Extractor { networks, input, cache, device };
        // Bad files are told when features are extracted.
        let mut skipped = Vec::new();
        let again = images.again(&mut skipped);
        let extracted = extract_features(&extractor, images, in_memory, progress)?;
        let Extracted { mut levels, contents, names, not_located } = extracted;
        let targets = levels.split_off(source.levels().len());
        let none = || PipelineError::Config("expected features, found none".to_owned());
        let features = &**levels.last().ok_or_else(none)?;
        let looked = Looked { source: &source, input, features, device };
        let (kinds, choice) = choose_kinds(config.kinds, &looked, again, progress)?;
        let given = config.kinds == Kinds::Number(1);
        config.kinds = Kinds::Number(choice.images.len());
        choices.kinds = (!given).then_some(choice);
        Ok(Self {
            config,
            extraction,
            weights: weights.clone(),
            source,
            target,
            features: Features { source: levels, target: targets, in_memory, kinds },
            trained_on: TrainedOn::new(contents.clone()),
            contents,
            names,
            choices,
            not_located,
            shared: Shared::default(),
            checkpoint: storage.checkpoint.clone(),
            device: device.clone(),
        })
    }

    /// The number of images.
    pub fn images(&self) -> usize {
        self.contents.len()
    }

    /// The source features of an image, of its first tile if it has some, `[1, C, H, W]`, of each level: see
    /// [`FeatureExtractor::extract`](crate::FeatureExtractor::extract).
    ///
    /// # Errors
    /// [`PipelineError::Config`] if there are no more than `image` images, otherwise what reading from the
    /// cache fails with.
    pub fn features(&self, image: usize) -> Result<Vec<Tensor<B, 4>>, PipelineError> {
        let sample = image * self.extraction.input.samples();
        match image < self.images() {
            true => self.features.source.iter().map(|level| level.get(sample)).collect(),
            false => Err(PipelineError::Config(format!(
                "expected the index of one of {} training images, found {image}",
                self.images()
            ))),
        }
    }

    /// What was chosen of what the configuration left open.
    pub fn choices(&self) -> Choices {
        self.choices_of(&self.config)
    }

    /// Images whose part isn't located; they are trained on as it is guessed to lie.
    pub fn not_located(&self) -> &[NotLocated] {
        &self.not_located
    }

    /// Whether the features are those that a configuration needs; what it leaves open is that of the features.
    ///
    /// # Errors
    /// As [`PipelineConfig::validate`].
    pub fn suits(&self, config: &PipelineConfig) -> Result<bool, PipelineError> {
        config.validate()?;
        let resolved = self.resolved(config);
        let mut extraction = resolved.extraction()?;
        // Of one alignment there is one template.
        extraction.input.template = self.extraction.input.template.clone();
        let kinds = config.system.whitening().is_none() || resolved.kinds == self.config.kinds;
        Ok(kinds && extraction == self.extraction)
    }

    /// A configuration with the white level, the alignment, the augmentation and the kinds of the features where it leaves
    /// them open.
    fn resolved(&self, config: &PipelineConfig) -> PipelineConfig {
        let mut resolved = config.clone();
        resolved.white_level = config.white_level.or(self.config.white_level);
        if config.alignment.motion == AlignmentMotion::Auto {
            resolved.alignment.motion = self.config.alignment.motion;
        }
        if config.augmentation == Augmentation::Auto {
            resolved.augmentation = self.config.augmentation;
        }
        if config.kinds == Kinds::Auto {
            let whitens = config.system.whitening().is_some();
            resolved.kinds = if whitens { self.config.kinds } else { Kinds::Number(1) };
        }
        resolved
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
                           alignment, tiling, augmentation and kinds of the features";
            return Err(PipelineError::Config(problem.to_owned()));
        }
        let config = &self.resolved(config);
        memory::check(config.size()?, 0)?;
        let checkpoint = self.open_checkpoint(config)?;
        let Self { extraction, features, shared, device, .. } = self;
        let mut session = Session { progress, checkpoint, level: (0, 1) };
        let Trained { head, left_out } = config.system.train(Training {
            extraction,
            features,
            target_cnn: self.target.as_ref(),
            shared,
            setup: Setup {
                seed: config.seed,
                low_memory: config.low_memory,
                kinds: config.kinds.number().unwrap_or(1),
                device,
            },
            session: &mut session,
        })?;
        tracing::info!(system = %config.system.system(), images = self.images(), "trained");
        Ok(Pipeline {
            config: config.clone(),
            input: self.extraction.input.clone(),
            weights: self.weights.clone(),
            source: self.source.clone(),
            choices: self.choices_of(config),
            head,
            trained_on: self.trained_on.clone(),
            calibrated_on: TrainedOn::default(),
            suspects: left_out.and_then(|scores| self.suspects(&scores)),
            calibration: None,
            device: self.device.clone(),
        })
    }

    /// What was chosen for a system; kinds are of those that tell them apart.
    fn choices_of(&self, config: &PipelineConfig) -> Choices {
        let kinds = self.choices.kinds.clone().filter(|_| config.system.whitening().is_some());
        Choices { kinds, ..self.choices.clone() }
    }

    /// The training images that the others find far out, by the score of each sample without it: of several tiles
    /// the highest counts. `None` where that can't be told.
    fn suspects(&self, left_out: &[f64]) -> Option<Vec<Suspect>> {
        let input = &self.extraction.input;
        // The turned copies of an image would know it.
        if input.augmentation != Augmentation::Off {
            return None;
        }
        let scores = left_out.chunks(input.samples().max(1));
        let highest = |scores: &[f64]| scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        far_out(&self.names.iter().cloned().zip(scores.map(highest)).collect::<Vec<_>>())
    }

    /// The configuration of the features.
    pub(crate) fn config(&self) -> &PipelineConfig {
        &self.config
    }

    /// How images are brought to the networks.
    pub(crate) fn input(&self) -> &Input {
        &self.extraction.input
    }

    /// The file that a training writes as its epochs end.
    pub(crate) fn checkpoint(&self) -> Option<&PathBuf> {
        self.checkpoint.as_ref()
    }

    /// The content of each image.
    pub(crate) fn contents(&self) -> &[Fingerprint] {
        &self.contents
    }

    /// What each image is called.
    pub(crate) fn names(&self) -> &[ImageName] {
        &self.names
    }

    /// The same without images whose content is that of an earlier one, or `held_out` of training, and which those
    /// are.
    pub(crate) fn without_copies(
        self,
        held_out: impl Iterator<Item = (Fingerprint, ImageName)>,
    ) -> Result<(Self, Vec<CopyOf>), PipelineError> {
        let mut first: HashMap<Fingerprint, ImageName> = held_out.collect();
        let (mut distinct, mut copies) = (Vec::new(), Vec::new());
        for (index, (content, name)) in self.contents.iter().zip(&self.names).enumerate() {
            match first.entry(*content) {
                Entry::Vacant(place) => {
                    place.insert(name.clone());
                    distinct.push(index);
                }
                Entry::Occupied(original) => {
                    let original = original.get().clone();
                    copies.push(CopyOf { image: name.clone(), original });
                }
            }
        }
        match distinct.len() {
            found if found < 2 => Err(TrainingError::TooFewImages { found, skipped: 0 }.into()),
            _ if copies.is_empty() => Ok((self, copies)),
            _ => Ok((self.part(&distinct, self.checkpoint.clone()), copies)),
        }
    }

    /// The features of the coarsest level of each image, averaged over its positions.
    pub(crate) fn mean_features(&self) -> Result<Vec<Vec<f32>>, PipelineError> {
        let Some(level) = self.features.source.last() else { return Ok(Vec::new()) };
        let each = self.extraction.input.samples();
        let image = |first: usize| {
            let samples = (first * each..(first + 1) * each).map(|sample| level.get(sample));
            let samples = samples.collect::<Result<_, PipelineError>>()?;
            Ok(mean(Tensor::cat(samples, 0)))
        };
        (0..self.images()).map(image).collect()
    }

    /// The same of another image.
    pub(crate) fn mean_features_of(&self, image: &DynamicImage) -> Result<Vec<f32>, PipelineError> {
        let input = &self.extraction.input;
        let images = to_tensor(&input.cut(input.fit(image)?.image), &self.device);
        let levels = self.source.extract(images)?;
        Ok(levels.into_iter().next_back().map(mean).unwrap_or_default())
    }

    /// A trainer of some of the images, in the order of their indices, which shares their features and has a
    /// checkpoint of its own.
    pub(crate) fn part(&self, images: &[usize], checkpoint: Option<PathBuf>) -> Self {
        let each = self.extraction.input.samples();
        let samples = images.iter().flat_map(|image| image * each..(image + 1) * each);
        let samples: Vec<usize> = samples.collect();
        let part = |all: &SharedSamples<B>| -> SharedSamples<B> {
            Arc::new(Part { all: all.clone(), samples: samples.clone() })
        };
        #[expect(clippy::indexing_slicing, reason = "indices of the training images")]
        let contents: Vec<Fingerprint> = images.iter().map(|&image| self.contents[image]).collect();
        #[expect(clippy::indexing_slicing, reason = "indices of the training images")]
        let names = images.iter().map(|&image| self.names[image].clone()).collect();
        let Features { source, target, in_memory, kinds } = &self.features;
        let kinds = samples.iter().filter_map(|&sample| kinds.get(sample).copied()).collect();
        Self {
            config: self.config.clone(),
            extraction: self.extraction.clone(),
            weights: self.weights.clone(),
            source: self.source.clone(),
            target: self.target.clone(),
            features: Features {
                source: source.iter().map(part).collect(),
                target: target.iter().map(part).collect(),
                in_memory: *in_memory,
                kinds,
            },
            trained_on: TrainedOn::new(contents.clone()),
            contents,
            names,
            choices: self.choices.clone(),
            not_located: self.not_located.clone(),
            shared: Shared::default(),
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
        let settings = serde_json::to_value(config).map_err(|error| {
            PipelineError::Config(format!("the configuration can't be written: {error}"))
        })?;
        let identity = Identity::new(settings, &self.trained_on, &self.weights, &backend);
        Checkpoint::open(path, identity).map(Some)
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

/// That a tolerance has something to be of.
fn check_tolerance(
    config: &PipelineConfig,
    template: Option<&Template>,
) -> Result<(), PipelineError> {
    let Tolerance { angle, .. } = config.alignment.tolerance;
    let problem = match template {
        None if !config.alignment.tolerance.is_open() => {
            "expected parts that are located, but training chose no alignment: set its motion"
        }
        Some(template) if angle.is_some() && !template.has_one_angle() => {
            "expected good parts that lie at about one angle, found them at any: there is none to be off from"
        }
        _ => return Ok(()),
    };
    Err(PipelineError::Config(format!("alignment.tolerance: {problem}")))
}

/// The source CNN, and the second one of a system that has it.
pub(crate) fn load_cnns<B: Backend>(
    extraction: &Extraction,
    weights: &BackboneWeights,
    device: &B::Device,
) -> Result<(Cnn<B>, Option<Cnn<B>>), PipelineError> {
    let source = Cnn::load(&extraction.source, weights, device)?;
    let load = |target| {
        let weights = weights.target().ok_or(PipelineError::NoTargetWeights)?;
        Cnn::load(target, weights, device)
    };
    Ok((source, extraction.target.as_ref().map(load).transpose()?))
}
