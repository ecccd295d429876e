//! Average precision. Knows rankings, no pixels.

use crate::error::MetricError;
use crate::ranking::Ranking;

/// The average precision of `scores`, `f32` or `f64`, against `labels` (`true`: defect).
///
/// With precision P and recall R at each distinct score as the threshold, from the highest down,
/// this is the sum of (R_k - R_(k-1)) * P_k: scikit-learn's `average_precision_score`, without
/// interpolation. 1 is perfect; chance is the share of defects.
///
/// # Errors
/// As [`auroc`](crate::auroc).
pub fn average_precision<S: Copy + Into<f64>>(
    scores: &[S],
    labels: &[bool],
) -> Result<f64, MetricError> {
    let ranking = Ranking::new(scores, labels)?;
    let mut sum = 0.0;
    let mut defects_above = 0;
    for flagged in ranking.flagged() {
        let precision = flagged.defect as f64 / (flagged.normal + flagged.defect) as f64;
        sum += (flagged.defect - defects_above) as f64 * precision;
        defects_above = flagged.defect;
    }
    Ok(sum / ranking.defect as f64)
}
