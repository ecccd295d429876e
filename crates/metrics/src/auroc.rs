//! The receiver operating characteristic and the area under it. Knows rankings, no pixels.

use crate::error::MetricError;
use crate::ranking::Ranking;

/// The area under the ROC curve of `scores`, `f32` or `f64`, against `labels` (`true`: defect).
///
/// This is the probability that a random defect sample scores higher than a random normal one,
/// ties counted half: 1 is perfect, 0.5 is chance. Infinite scores take part as the lowest and
/// highest. The pairs are counted in integers from the sorted scores, so only the final division
/// rounds; time is O(n log n) for n samples.
///
/// # Errors
/// [`MetricError::LengthMismatch`] where there is not one label per score,
/// [`MetricError::NanScore`] where a score is not a number, [`MetricError::OneClass`] where one of
/// the labels does not occur.
pub fn auroc<S: Copy + Into<f64>>(scores: &[S], labels: &[bool]) -> Result<f64, MetricError> {
    Ok(Ranking::new(scores, labels)?.auroc())
}

/// A point of the ROC curve: the rates of the verdict `score >= threshold`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RocPoint {
    /// The lowest score that is flagged as a defect.
    pub threshold: f64,
    /// The share of the normal samples that are flagged.
    pub false_positive_rate: f64,
    /// The share of the defect samples that are flagged: the recall.
    pub true_positive_rate: f64,
}

/// The ROC curve of `scores` against `labels` (`true`: defect), both rates rising.
///
/// The first point is (0, 0) at the threshold infinity, by convention even where a score is
/// infinite; then there is one point for each distinct score, the last of which is (1, 1). This is
/// scikit-learn's `roc_curve` with `drop_intermediate=False`.
///
/// # Errors
/// As [`auroc`].
pub fn roc_curve<S: Copy + Into<f64>>(
    scores: &[S],
    labels: &[bool],
) -> Result<Vec<RocPoint>, MetricError> {
    let ranking = Ranking::new(scores, labels)?;
    let origin =
        RocPoint { threshold: f64::INFINITY, false_positive_rate: 0.0, true_positive_rate: 0.0 };
    let points = ranking.flagged().map(|flagged| RocPoint {
        threshold: flagged.threshold,
        false_positive_rate: flagged.normal as f64 / ranking.normal as f64,
        true_positive_rate: flagged.defect as f64 / ranking.defect as f64,
    });
    Ok(std::iter::once(origin).chain(points).collect())
}
