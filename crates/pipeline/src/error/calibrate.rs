//! Why a model is not calibrated.

use std::fmt;
use std::path::PathBuf;

use nfbmr_calibration::{CalibrationError, FalseAlarmRate};

/// Why a model isn't calibrated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrateError {
    /// The model was trained on some of the images.
    #[error(
        "expected images that the model was not trained on, found {found} that it was, the first \
         {first}: their scores are too low for a threshold; hold images out of training"
    )]
    TrainedOn {
        /// How many of the images it was trained on.
        found: usize,
        /// The first of them.
        first: ImageName,
    },
    /// A score or a value of an anomaly map is infinite or not a number.
    #[error("expected finite scores, found {found} of {image}")]
    NonFiniteScore {
        /// The image.
        image: ImageName,
        /// The score.
        found: f32,
    },
    /// Too few images for the rate, or a score or threshold that isn't finite.
    #[error(transparent)]
    Refused(#[from] CalibrationError),
    /// More good parts aren't located than the rate allows to be called anomalous.
    #[error(
        "expected good parts that are located, found {found} of {images} that aren't, the first {first}: no threshold keeps \
         a false-alarm rate of {rate}; look at them, or train with `alignment = off`"
    )]
    NotLocated {
        /// How many of the images.
        found: usize,
        /// The number of images.
        images: usize,
        /// The first of them.
        first: ImageName,
        /// The rate.
        rate: FalseAlarmRate,
    },
    /// There is no threshold to set.
    #[error(
        "expected a calibrated model: calibrate it on images of good parts held out of training"
    )]
    Uncalibrated,
    /// There are no pixels to set a threshold for.
    #[error("expected a system that gives an anomaly map, found one that gives a score alone")]
    NoMap,
    /// A model of folds is calibrated by its own images, and has no threshold of a single score.
    #[error(
        "expected an ordinary model to {action}, found one cross-fitted on {folds} folds, which is \
         calibrated by the images of its folds: set its false-alarm rate, or train a model without folds"
    )]
    CrossFitted {
        /// What was asked of it.
        action: &'static str,
        /// The number of folds.
        folds: usize,
    },
    /// There are too few images to train the models of the folds.
    #[error("expected at least {needed} images that differ for {folds} folds, found {found}")]
    TooFewForFolds {
        /// The number of folds.
        folds: usize,
        /// How many images they take.
        needed: usize,
        /// How many different images there are.
        found: usize,
    },
    /// Groups of images that can't be divided into folds.
    #[error(
        "expected at least {folds} groups of images, all of one size, for {folds} folds, found {found}"
    )]
    Groups {
        /// The number of folds.
        folds: usize,
        /// How many groups there are, and of what sizes.
        found: String,
    },
    /// Images aren't what they were when training began.
    #[error(
        "expected the same images after training as before, found {missing} of them changed or gone"
    )]
    ImagesChanged {
        /// How many of those that a fold holds out.
        missing: usize,
    },
    /// A stored calibration is none that calibrating gives.
    #[error("expected a calibration with {expected}, found {found}")]
    Inconsistent {
        /// What it has to have.
        expected: &'static str,
        /// What it has.
        found: String,
    },
}

/// Which image of several it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageName {
    /// Its file.
    Path(PathBuf),
    /// The index of one in memory, from 0.
    Index(usize),
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Index(index) => write!(f, "the image at index {index}"),
        }
    }
}
