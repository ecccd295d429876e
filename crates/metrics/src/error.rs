//! Input that a metric has no value for.

use thiserror::Error;

/// Scores and labels that a metric is not defined on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
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
        negatives: usize,
        /// The number of labels that are `true`.
        positives: usize,
    },
}
