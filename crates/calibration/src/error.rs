//! What scores, rates and stored calibrations are refused for.

use thiserror::Error;

/// Input that there is no calibration for.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum CalibrationError {
    /// A calibration without images.
    #[error("expected the scores of at least 1 normal image, found none")]
    NoScores,
    /// A score is infinite or not a number.
    #[error("expected finite scores, found {found} at index {index}")]
    NonFiniteScore {
        /// Where the first such score is.
        index: usize,
        /// The score.
        found: f32,
    },
    /// A threshold is infinite or not a number.
    #[error("expected a finite threshold, found {found}")]
    NonFiniteThreshold {
        /// The threshold.
        found: f32,
    },
    /// A false-alarm rate is out of range.
    #[error("expected a false-alarm rate above 0 and below 1, found {found}")]
    Rate {
        /// The rate.
        found: f64,
    },
    /// There are too few images for the rate.
    #[error(
        "expected at least {needed} normal image{} for a false-alarm rate of {rate}, found {images}",
        if *.needed == 1 { "" } else { "s" }
    )]
    UnsupportedRate {
        /// The rate asked for.
        rate: f64,
        /// How many images there are. The smallest rate that they support is 1 / (images + 1).
        images: usize,
        /// How many the rate takes.
        needed: u64,
    },
    /// A number that breaks ties is out of range.
    #[error("expected a uniform random number from 0 to 1, found {found}")]
    UniformNumber {
        /// The number.
        found: f64,
    },
    /// A p-value is out of range.
    #[error("expected a p-value from 0 to 1, found {found}")]
    PValue {
        /// The p-value.
        found: f64,
    },
    /// The confidence of an interval is out of range.
    #[error("expected a confidence above 0 and below 1, found {found}")]
    Confidence {
        /// The confidence.
        found: f64,
    },
    /// Cross-conformal calibration of fewer than two folds.
    #[error("expected at least 2 folds, found {found}")]
    TooFewFolds {
        /// The number of folds.
        found: usize,
    },
    /// The scores of one fold are refused.
    #[error("fold {fold}: {source}")]
    Fold {
        /// The index of the fold.
        fold: usize,
        /// Why.
        source: Box<CalibrationError>,
    },
    /// An image does not have a score by the model of each fold.
    #[error("expected a score by the model of each of {folds} folds, found {scores}")]
    FoldScores {
        /// The number of folds.
        folds: usize,
        /// The number of scores.
        scores: usize,
    },
    /// A stored drift monitor is none that a monitor writes.
    #[error("expected a drift monitor with {expected}, found {found}")]
    DriftState {
        /// What it has to have.
        expected: &'static str,
        /// What it has.
        found: String,
    },
}

/// Refuses scores of which one is not finite.
pub(crate) fn all_finite(scores: &[f32]) -> Result<(), CalibrationError> {
    match scores.iter().enumerate().find(|(_, score)| !score.is_finite()) {
        Some((index, &found)) => Err(CalibrationError::NonFiniteScore { index, found }),
        None => Ok(()),
    }
}
