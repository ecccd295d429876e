//! Training and loading with anything but the defaults.

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::DynamicImage;
use nfbmr_backend::DeviceName;
use nfbmr_cache::FeatureCache;
use nfbmr_calibration::FalseAlarmRate;
use nfbmr_data::{
    DataError, Distinct, HoldOut, HoldOutBy, HoldOutError, Limits, OnBadFile, Selection, distinct,
    hold_out,
};
use nfbmr_pipeline::{
    AlignmentChoice, AugmentationChoice, BackboneWeights, CalibrateError, Choices, CopyOf,
    CrossFitting, HeldOut, ImageName, Images, KindsChoice, NotLocated, PipelineConfig,
    PipelineError, Progress, ProgressFn, TrainingStorage, WhiteLevel, white_level,
};

use crate::detector::{self, Found, Order, Parts};
use crate::good_images::GoodImages;
use crate::pipeline::Pipeline;
use crate::weights;

/// The share of the images that is held out of training.
const HOLD_OUT: f64 = 0.2;

/// Trains or loads a [`Pipeline`].
///
/// By default on a CPU, with the embedded weights and the default configuration, a fifth of the images held out to
/// calibrate by.
pub struct PipelineBuilder<'a> {
    config: PipelineConfig,
    weights: Option<BackboneWeights>,
    device: DeviceName,
    calibrate: Calibrate,
    hold_out_by: HoldOutBy,
    rate: Option<FalseAlarmRate>,
    storage: TrainingStorage,
    resume: Option<PathBuf>,
    limits: Limits,
    skip_bad: bool,
    progress: Box<ProgressFn<'a>>,
    notes: Box<dyn FnMut(&Note) + 'a>,
}

/// What a model is calibrated by.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Calibrate {
    /// A share of the images, held out of training; none where it is 0.
    HoldOut(f64),
    /// All images, each by the model that was trained without its fold.
    Folds(usize),
}

/// What a training took, left out or guessed, in one line.
#[derive(Debug)]
#[non_exhaustive]
pub enum Note {
    /// Which images of a folder are taken, what is left out and why.
    Selection(Selection),
    /// An image is left out as its content is that of another.
    Copy {
        /// The image.
        image: ImageName,
        /// The one that is taken.
        original: ImageName,
    },
    /// Images held out have near doubles among those trained on, as frames of one part have.
    NearDoubles {
        /// How many of them have.
        near: usize,
        /// How many were looked at.
        of: usize,
    },
    /// How parts are laid over each other, where training finds it out.
    Alignment(AlignmentChoice),
    /// Which copies of the images are trained on, where training finds it out.
    Augmentation(AugmentationChoice),
    /// How many kinds of parts the images show, where training finds it out.
    Kinds(KindsChoice),
    /// A good part isn't located; its image is trained on as it is guessed to lie.
    NotLocated(NotLocated),
    /// The model is trained, and can't be calibrated.
    Uncalibrated(PipelineError),
    /// The white level of 16-bit images was guessed.
    WhiteLevel(WhiteLevel),
    /// A file that can't be read is left out.
    Skipped(DataError),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Selection(selection) => selection.fmt(f),
            Self::Copy { image, original } => write!(f, "left out: {image}, a copy of {original}"),
            Self::WhiteLevel(level) => write!(f, "white level: {level}"),
            Self::Skipped(error) => write!(f, "skipped: {error}"),
            Self::NearDoubles { near, of } => write!(
                f,
                "warning: of {of} images held out {near} have near doubles among those trained on: if these are \
                 frames of one part, false alarms will be more than promised; hold out whole parts"
            ),
            Self::Alignment(choice) => write!(f, "alignment: {choice}"),
            Self::Augmentation(choice) => write!(f, "augmentation: {choice}"),
            Self::Kinds(choice) => write!(f, "kinds: {choice}"),
            Self::NotLocated(NotLocated { image, problem, .. }) => {
                write!(f, "warning: {image}: the part isn't located: {problem}")
            }
            Self::Uncalibrated(error) => write!(f, "not calibrated: {error}"),
        }
    }
}

impl Pipeline {
    /// Trains on images of good parts: a folder, files or images in memory. A fifth is held out and calibrates the
    /// model.
    ///
    /// # Errors
    /// As [`PipelineBuilder::train`].
    pub fn train<'a>(images: impl Into<GoodImages<'a>>) -> Result<Self, PipelineError> {
        PipelineBuilder::default().train(images)
    }

    /// Reads a model file onto the CPU.
    ///
    /// # Errors
    /// As [`PipelineBuilder::load`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, PipelineError> {
        PipelineBuilder::default().load(path)
    }

    /// To train or to load with anything but the defaults.
    pub fn builder<'a>() -> PipelineBuilder<'a> {
        PipelineBuilder::default()
    }
}

impl Default for PipelineBuilder<'_> {
    fn default() -> Self {
        Self {
            config: PipelineConfig::default(),
            weights: weights::embedded().cloned(),
            device: DeviceName::Cpu,
            calibrate: Calibrate::HoldOut(HOLD_OUT),
            hold_out_by: HoldOutBy::Image,
            rate: None,
            storage: TrainingStorage::default(),
            resume: None,
            limits: Limits::default(),
            skip_bad: false,
            progress: Box::new(|_| ControlFlow::Continue(())),
            notes: Box::new(|note| tracing::info!("{note}")),
        }
    }
}

impl<'a> PipelineBuilder<'a> {
    /// What to train.
    #[must_use]
    pub fn config(self, config: PipelineConfig) -> Self {
        Self { config, ..self }
    }

    /// The weights of the backbone, in place of the embedded ones.
    #[must_use]
    pub fn weights(self, weights: BackboneWeights) -> Self {
        Self { weights: Some(weights), ..self }
    }

    /// Where to compute.
    #[must_use]
    pub fn device(self, device: DeviceName) -> Self {
        Self { device, ..self }
    }

    /// The share of the images, 0 to 1, that is held out of training and calibrates the model; with 0 it isn't
    /// calibrated.
    #[must_use]
    pub fn hold_out(self, share: f64) -> Self {
        Self { calibrate: Calibrate::HoldOut(share), ..self }
    }

    /// For few images: trains a model for each of so many folds of the images, each of which calibrates the model
    /// that was trained without it. See [`CrossFitting`].
    #[must_use]
    pub fn folds(self, folds: usize) -> Self {
        Self { calibrate: Calibrate::Folds(folds), ..self }
    }

    /// What is held out together, in folds too: where a part has several images, they have to be. Files alone are told
    /// apart by it.
    #[must_use]
    pub fn hold_out_by(self, by: HoldOutBy) -> Self {
        Self { hold_out_by: by, ..self }
    }

    /// The share of good images, above 0 and below 1, that may be called anomalous; by default 0.05, or the smallest
    /// that the images support.
    ///
    /// # Errors
    /// [`PipelineError::Calibration`] for another value.
    pub fn false_alarm_rate(self, rate: f64) -> Result<Self, PipelineError> {
        let rate = FalseAlarmRate::new(rate).map_err(CalibrateError::from)?;
        Ok(Self { rate: Some(rate), ..self })
    }

    /// A folder for features and the checkpoint of the training, made where it isn't there: interrupted at any
    /// moment, the training goes on from it. Remove it once the model is saved.
    #[must_use]
    pub fn resume(self, folder: impl Into<PathBuf>) -> Self {
        Self { resume: Some(folder.into()), ..self }
    }

    /// What a training keeps besides the model, in place of [`Self::resume`]'s folder.
    #[must_use]
    pub fn storage(self, storage: TrainingStorage) -> Self {
        Self { storage, resume: None, ..self }
    }

    /// How large an image may be.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Whether to go on without files that can't be read, each of which is noted.
    #[must_use]
    pub fn skip_bad(self, skip_bad: bool) -> Self {
        Self { skip_bad, ..self }
    }

    /// Called with the progress of the training and the calibration; [`ControlFlow::Break`] stops it.
    #[must_use]
    pub fn progress(self, progress: impl FnMut(&Progress) -> ControlFlow<()> + 'a) -> Self {
        Self { progress: Box::new(progress), ..self }
    }

    /// Called with what the training took, left out and guessed; by default it is logged.
    #[must_use]
    pub fn notes(self, notes: impl FnMut(&Note) + 'a) -> Self {
        Self { notes: Box::new(notes), ..self }
    }

    /// Reads a model file of one training or of several folds. The weights are for a file that doesn't include
    /// them; the configuration is the file's.
    ///
    /// # Errors
    /// [`PipelineError::Device`] for a device that isn't there, otherwise [`PipelineError::Model`] with
    /// the path and what is wrong.
    pub fn load(self, path: impl AsRef<Path>) -> Result<Pipeline, PipelineError> {
        let detector = detector::read(path.as_ref(), self.weights.as_ref(), self.device)?;
        Ok(Pipeline { detector, device: self.device })
    }

    /// Trains on images of good parts and calibrates the model.
    ///
    /// The images to calibrate by are drawn by the seed of the configuration, and read before all else. Images of the
    /// same content, in whatever format, count once. The same configuration, images, device and thread count give
    /// the same model. Where the calibration fails once the model is trained, the model isn't calibrated, and
    /// [`Note::Uncalibrated`] says why. A training that fails by itself removes its checkpoint.
    ///
    /// # Errors
    /// A device that isn't there, a configuration without meaning, weights that don't fit it, images that can't be
    /// read, are too few for what is asked, or can't train, a loss that isn't finite, or the caller's interruption.
    pub fn train<'b>(
        mut self,
        images: impl Into<GoodImages<'b>>,
    ) -> Result<Pipeline, PipelineError> {
        self.config.validate()?;
        let weights = self.checked_weights()?;
        match images.into() {
            GoodImages::Folder(folder) => {
                let selection = Selection::good(&[folder], None)?;
                let images = selection.images.clone();
                (self.notes)(&Note::Selection(selection));
                self.train_files(images, &weights)
            }
            GoodImages::Files(files) => self.train_files(files, &weights),
            GoodImages::Decoded(images) => {
                let alone = (0..images.len()).map(|index| vec![index]);
                let HoldOut { training, calibration } = self.parts(alone.collect())?;
                let chosen = |indices: &[usize]| -> Vec<(usize, &DynamicImage)> {
                    let image = |&index: &usize| Some((index, *images.get(index)?));
                    indices.iter().filter_map(image).collect()
                };
                let all = images.iter().copied().enumerate().collect();
                self.resolve(Images::Decoded(all))?;
                let (training, calibration) = (chosen(&training), chosen(&calibration));
                let held_out = self.read_held_out(Images::Decoded(calibration.clone()))?;
                let training = Images::Decoded(training);
                let again = Images::Decoded(calibration.clone());
                let trained = self.fit(training, (&held_out, again), &weights)?;
                let left = held_out.indices().into_iter();
                let left = left.filter_map(|index| calibration.get(index).copied()).collect();
                self.calibrate(trained, Images::Decoded(left))
            }
        }
    }

    fn train_files(
        mut self,
        files: Vec<PathBuf>,
        weights: &BackboneWeights,
    ) -> Result<Pipeline, PipelineError> {
        let Distinct { files, copies } = distinct(files);
        for (image, original) in copies {
            let [image, original] = [image, original].map(ImageName::Path);
            (self.notes)(&Note::Copy { image, original });
        }
        let HoldOut { training, calibration } = self.parts(self.hold_out_by.groups(files))?;
        let [mut of_guess, mut of_held_out, mut of_training] = [vec![], vec![], vec![]];
        let all = [&training[..], &calibration].concat();
        self.resolve(self.files(&all, &mut of_guess))?;
        let held_out = self.read_held_out(self.files(&calibration, &mut of_held_out))?;
        let images = self.files(&training, &mut of_training);
        // They were read before.
        let mut gone = Vec::new();
        let again = self.files(&calibration, &mut gone);
        let trained = self.fit(images, (&held_out, again), weights)?;
        for bad in of_training.into_iter().chain(of_held_out) {
            (self.notes)(&Note::Skipped(bad));
        }
        let left = held_out.indices().into_iter();
        let left: Vec<PathBuf> = left.filter_map(|index| calibration.get(index).cloned()).collect();
        let images = self.files(&left, &mut gone);
        self.calibrate(trained, images)
    }

    /// Files to read, the bad ones of which go to `skipped` if they are to be skipped.
    fn files<'f>(&self, paths: &'f [PathBuf], skipped: &'f mut Vec<DataError>) -> Images<'f> {
        let on_bad = match self.skip_bad {
            true => OnBadFile::Skip(skipped),
            false => OnBadFile::Stop,
        };
        Images::Files { paths, limits: self.limits, on_bad }
    }

    /// The weights, of the network of the configuration.
    fn checked_weights(&mut self) -> Result<BackboneWeights, PipelineError> {
        let weights = self.weights.take().ok_or(PipelineError::NoWeights)?;
        let expected = self.config.backbone.variant;
        match weights.config()?.map(|recorded| recorded.variant) {
            Some(found) if found != expected => {
                Err(PipelineError::WeightsVariant { expected, found })
            }
            _ => Ok(weights),
        }
    }

    /// The images to train on and to calibrate by, which are enough for what is asked; those of a group stay
    /// together.
    fn parts<T: Ord>(&self, groups: Vec<Vec<T>>) -> Result<HoldOut<T>, PipelineError> {
        let flat = |groups: Vec<Vec<T>>| -> Vec<T> { groups.into_iter().flatten().collect() };
        let (all, by) = (groups.len(), &self.hold_out_by);
        let parts = match self.calibrate {
            Calibrate::Folds(folds) => {
                let images = flat(groups);
                CrossFitting::new(folds, self.rate).check(images.len())?;
                return Ok(HoldOut { training: images, calibration: Vec::new() });
            }
            Calibrate::HoldOut(0.0) => HoldOut { training: flat(groups), calibration: Vec::new() },
            Calibrate::HoldOut(_) if *by != HoldOutBy::Image && all < 3 => {
                return Err(HoldOutError::TooFewGroups { by: by.to_string(), found: all }.into());
            }
            Calibrate::HoldOut(share) => {
                let HoldOut { training, calibration } = hold_out(groups, share, self.config.seed)?;
                HoldOut { training: flat(training), calibration: flat(calibration) }
            }
        };
        self.check_rate(parts.calibration.len())?;
        Ok(parts)
    }

    /// Guesses the white level by all images, where the configuration leaves it open.
    fn resolve(&mut self, images: Images<'_>) -> Result<(), PipelineError> {
        if self.config.white_level.is_none()
            && let Some(level) = white_level(images)?
        {
            self.config.white_level = Some(level.value);
            (self.notes)(&Note::WhiteLevel(level));
        }
        Ok(())
    }

    /// That so many images support the rate that was asked for.
    fn check_rate(&self, images: usize) -> Result<(), PipelineError> {
        if let Some(rate) = self.rate {
            rate.check(images).map_err(CalibrateError::from)?;
        }
        Ok(())
    }

    /// Reads the images to calibrate by, which are enough once copies are left out.
    fn read_held_out(&mut self, images: Images<'_>) -> Result<HeldOut, PipelineError> {
        let held_out = HeldOut::read(&self.config, images, &mut *self.progress)?;
        if let Calibrate::HoldOut(_) = self.calibrate {
            self.check_rate(held_out.len())?;
        }
        Ok(held_out)
    }

    fn fit(
        &mut self,
        training: Images<'_>,
        (held_out, calibration): (&HeldOut, Images<'_>),
        weights: &BackboneWeights,
    ) -> Result<Pipeline, PipelineError> {
        if let Some(folder) = &self.resume {
            self.storage = resumable(folder)?;
        }
        let Self { config, storage, progress, notes, calibrate, rate, hold_out_by, device, .. } =
            self;
        let order = Order { config, weights, storage, device: *device };
        let fitting = match *calibrate {
            Calibrate::Folds(folds) => {
                Some(CrossFitting::new(folds, *rate).hold_out_by(hold_out_by.clone()))
            }
            Calibrate::HoldOut(_) => None,
        };
        let parts = Parts { training, held_out, calibration, fitting };
        let mut tell = |found| {
            let Found { copies, near_doubles: (near, of), choices, not_located } = found;
            for CopyOf { image, original, .. } in copies {
                notes(&Note::Copy { image, original });
            }
            if 2 * near > of {
                notes(&Note::NearDoubles { near, of });
            }
            let Choices { alignment, augmentation, kinds, .. } = choices;
            let chosen = [
                alignment.map(Note::Alignment),
                augmentation.map(Note::Augmentation),
                kinds.map(Note::Kinds),
            ];
            chosen.iter().flatten().for_each(&mut **notes);
            not_located.into_iter().for_each(|found| notes(&Note::NotLocated(found)));
        };
        let trained = detector::train(&order, parts, &mut tell, &mut **progress);
        if let (Err(error), Some(checkpoint)) = (&trained, &storage.checkpoint) {
            forget(error, checkpoint);
        }
        Ok(Pipeline { detector: trained?, device: self.device })
    }

    /// Calibrates a model that was trained; one that can't be calibrated stays as it is.
    fn calibrate(
        &mut self,
        mut pipeline: Pipeline,
        images: Images<'_>,
    ) -> Result<Pipeline, PipelineError> {
        if images.is_empty() {
            return Ok(pipeline);
        }
        match pipeline.calibrate(images, self.rate, &mut *self.progress) {
            Err(interrupted @ PipelineError::Interrupted(_)) => return Err(interrupted),
            Err(error) => (self.notes)(&Note::Uncalibrated(error)),
            Ok(_) => {}
        }
        Ok(pipeline)
    }
}

/// Removes the checkpoints of a training that failed by itself: it would fail again, and be in the way of another.
fn forget(error: &PipelineError, checkpoint: &Path) {
    let by_itself = matches!(
        error,
        PipelineError::Training(_) | PipelineError::Calibration(_) | PipelineError::Whitening(_)
    );
    let (Some(folder), Some(name)) = (checkpoint.parent(), checkpoint.file_name()) else { return };
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    // Those of folds have a number after the name.
    let own = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&*name.to_string_lossy()));
    for entry in own.filter(|_| by_itself) {
        if let Err(error) = std::fs::remove_file(entry.path()) {
            tracing::warn!("{} stays: {error}", entry.path().display());
        }
    }
}

/// Features and a checkpoint in a folder.
fn resumable(folder: &Path) -> Result<TrainingStorage, PipelineError> {
    let failed = |source| DataError::Read { path: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut storage =
        TrainingStorage::cached(Arc::new(FeatureCache::open(folder.join("features"))?));
    storage.checkpoint = Some(folder.join("checkpoint"));
    Ok(storage)
}
