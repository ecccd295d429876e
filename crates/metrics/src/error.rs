//! Input that a metric has no value for. Nothing else of the crate is known here.

use thiserror::Error;

/// Input that a metric is not defined on.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum MetricError {
    /// There is not one label per score.
    #[error("expected one label per score, found {scores} scores and {labels} labels")]
    LengthMismatch {
        /// The number of scores.
        scores: usize,
        /// The number of labels.
        labels: usize,
    },
    /// A score is not a number, so it has no rank.
    #[error("expected scores that are numbers, found NaN at index {index}")]
    NanScore {
        /// Where the first such score is.
        index: usize,
    },
    /// All labels are alike, or there are none.
    #[error(
        "expected both normal and defect samples, found {negatives} normal and {positives} defect"
    )]
    OneClass {
        /// The number of labels that are `false`.
        negatives: u64,
        /// The number of labels that are `true`.
        positives: u64,
    },
    /// An anomaly map does not have a score for each pixel, or no pixels.
    #[error("expected a map of {width} x {height} scores, at least one, found {scores} scores")]
    MapSize {
        /// The columns that the map is said to have.
        width: u32,
        /// The rows that the map is said to have.
        height: u32,
        /// The number of scores.
        scores: usize,
    },
    /// A mask does not have a value for each pixel of its anomaly map.
    #[error("expected a mask of {width} x {height} pixels as its map has, found {pixels} pixels")]
    MaskSize {
        /// The columns of the map.
        width: u32,
        /// The rows of the map.
        height: u32,
        /// The number of values in the mask.
        pixels: usize,
    },
    /// A threshold is not a number.
    #[error("expected a threshold that is a number, found NaN")]
    NanThreshold,
    /// A false-positive rate to integrate up to is out of range.
    #[error("expected a false-positive rate limit above 0 and at most 1, found {found}")]
    FprLimit {
        /// The limit.
        found: f64,
    },
    /// A bootstrap without resamples.
    #[error("expected at least 1 bootstrap resample, found 0")]
    NoResamples,
    /// The confidence of an interval is out of range.
    #[error("expected a confidence above 0 and below 1, found {found}")]
    Confidence {
        /// The confidence.
        found: f64,
    },
    /// There are too few values to tell how much they differ.
    #[error("expected at least {expected} values, found {found}")]
    TooFewValues {
        /// How many it takes.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A value is infinite or not a number.
    #[error("expected finite values, found one that is not at index {index}")]
    NonFinite {
        /// Where the first such value is.
        index: usize,
    },
}

impl MetricError {
    /// Whether `map` has `width * height` scores, at least one, that are numbers.
    pub(crate) fn check_map(map: &[f32], width: u32, height: u32) -> Result<(), Self> {
        let pixels = u64::from(width) * u64::from(height);
        if map.len() as u64 != pixels || pixels == 0 {
            return Err(Self::MapSize { width, height, scores: map.len() });
        }
        match map.iter().position(|score| score.is_nan()) {
            Some(index) => Err(Self::NanScore { index }),
            None => Ok(()),
        }
    }

    /// Whether `mask` has a value for each score of `map`.
    pub(crate) fn check_mask(
        mask: &[bool],
        map: &[f32],
        width: u32,
        height: u32,
    ) -> Result<(), Self> {
        match mask.len() == map.len() {
            true => Ok(()),
            false => Err(Self::MaskSize { width, height, pixels: mask.len() }),
        }
    }
}
