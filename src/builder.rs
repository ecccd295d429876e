//! Training and loading with anything but the defaults.

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nfbmr_backend::DeviceName;
use nfbmr_cache::FeatureCache;
use nfbmr_calibration::{CalibrationError, FalseAlarmRate};
use nfbmr_data::{DataError, Distinct, HoldOut, Limits, OnBadFile, Selection, distinct, hold_out};
use nfbmr_pipeline::{
    BackboneWeights, CalibrateError, CrossFitting, Images, PipelineConfig, PipelineError, Progress,
    ProgressFn, TrainingStorage, WhiteLevel, white_level,
};

use crate::detector::{self, Order};
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
    calibrate: CalibrateBy,
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
enum CalibrateBy {
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
    /// An image is left out as its file is a copy of another.
    Copy {
        /// The image.
        image: PathBuf,
        /// The one that is taken.
        original: PathBuf,
    },
    /// The white level of 16-bit images was guessed.
    WhiteLevel(WhiteLevel),
    /// A file that can't be read is left out.
    Skipped(DataError),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Selection(selection) => selection.fmt(f),
            Self::Copy { image, original } => {
                write!(f, "left out: {}, a copy of {}", image.display(), original.display())
            }
            Self::WhiteLevel(level) => {
                write!(f, "white level: {level}")
            }
            Self::Skipped(error) => write!(f, "skipped: {error}"),
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
            calibrate: CalibrateBy::HoldOut(HOLD_OUT),
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
        Self { calibrate: CalibrateBy::HoldOut(share), ..self }
    }

    /// For few images: trains a model for each of so many folds of the images, each of which calibrates the model
    /// that was trained without it. See [`CrossFitting`].
    #[must_use]
    pub fn folds(self, folds: usize) -> Self {
        Self { calibrate: CalibrateBy::Folds(folds), ..self }
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
    /// The images to calibrate by are drawn by the seed of the configuration before all else. The same
    /// configuration, images, device and thread count give the same model.
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
                let HoldOut { training, calibration } =
                    self.parts((0..images.len()).collect::<Vec<usize>>())?;
                let chosen = |indices: &[usize]| {
                    let chosen = indices.iter().filter_map(|&index| images.get(index).copied());
                    Images::Decoded(chosen.collect())
                };
                self.resolve(Images::Decoded(images.clone()))?;
                let calibration = (!calibration.is_empty()).then(|| chosen(&calibration));
                self.fit(chosen(&training), calibration, &weights)
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
            (self.notes)(&Note::Copy { image, original });
        }
        let HoldOut { training, calibration } = self.parts(files)?;
        let [mut of_guess, mut of_training, mut of_calibration] = [vec![], vec![], vec![]];
        let all = [&training[..], &calibration].concat();
        self.resolve(self.files(&all, &mut of_guess))?;
        let calibrate =
            (!calibration.is_empty()).then(|| self.files(&calibration, &mut of_calibration));
        let training = self.files(&training, &mut of_training);
        let trained = self.fit(training, calibrate, weights)?;
        let skipped = of_training.into_iter().chain(of_calibration);
        skipped.for_each(|bad| (self.notes)(&Note::Skipped(bad)));
        Ok(trained)
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

    /// The images to train on and to calibrate by, which are enough for what is asked.
    fn parts<T: Ord>(&self, images: Vec<T>) -> Result<HoldOut<T>, PipelineError> {
        let parts = match self.calibrate {
            CalibrateBy::Folds(folds) => {
                CrossFitting { folds, rate: self.rate }.check(images.len())?;
                return Ok(HoldOut { training: images, calibration: Vec::new() });
            }
            CalibrateBy::HoldOut(0.0) => HoldOut { training: images, calibration: Vec::new() },
            CalibrateBy::HoldOut(share) => hold_out(images, share, self.config.seed)?,
        };
        let images = parts.calibration.len();
        match self.rate {
            Some(rate) if rate.images_needed() > images as u64 => {
                let (rate, needed) = (rate.get(), rate.images_needed());
                let error = CalibrationError::UnsupportedRate { rate, images, needed };
                Err(CalibrateError::from(error).into())
            }
            _ => Ok(parts),
        }
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

    fn fit(
        &mut self,
        training: Images<'_>,
        calibration: Option<Images<'_>>,
        weights: &BackboneWeights,
    ) -> Result<Pipeline, PipelineError> {
        if let Some(folder) = &self.resume {
            self.storage = resumable(folder)?;
        }
        let Self { config, storage, progress, calibrate, rate, device, .. } = self;
        let (rate, device) = (*rate, *device);
        let order = Order { config, weights, storage, device };
        let fitting = match *calibrate {
            CalibrateBy::Folds(folds) => Some(CrossFitting { folds, rate }),
            CalibrateBy::HoldOut(_) => None,
        };
        let detector = detector::train(&order, training, fitting.as_ref(), &mut **progress)?;
        let mut pipeline = Pipeline { detector, device };
        if let Some(images) = calibration {
            pipeline.calibrate(images, rate, &mut **progress)?;
        }
        Ok(pipeline)
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
