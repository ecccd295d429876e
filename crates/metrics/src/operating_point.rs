//! Precision, recall and F1 at a threshold. Knows rankings, no pixels.

use crate::error::MetricError;
use crate::ranking::{Flagged, Ranking};

/// How good the verdict `score >= threshold` is.
///
/// A score that equals the threshold counts as a defect, as in scikit-learn's curves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OperatingPoint {
    /// The lowest score that is flagged as a defect.
    pub threshold: f64,
    /// The share of defects in what is flagged; 0 where nothing is.
    pub precision: f64,
    /// The share of the defects that are flagged.
    pub recall: f64,
    /// The harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN); 0 where both are.
    pub f1: f64,
}

impl OperatingPoint {
    fn new(flagged: Flagged, defects: u64) -> Self {
        let all = flagged.normal + flagged.defect;
        let hits = flagged.defect as f64;
        Self {
            threshold: flagged.threshold,
            precision: if all == 0 { 0.0 } else { hits / all as f64 },
            recall: hits / defects as f64,
            f1: 2.0 * hits / (all + defects) as f64,
        }
    }
}

/// Precision, recall and F1 of the verdict `score >= threshold` against `labels` (`true`: defect).
///
/// # Errors
/// As [`auroc`](crate::auroc); [`MetricError::NanThreshold`] where the threshold is not a number.
pub fn operating_point<S: Copy + Into<f64>>(
    scores: &[S],
    labels: &[bool],
    threshold: f64,
) -> Result<OperatingPoint, MetricError> {
    if threshold.is_nan() {
        return Err(MetricError::NanThreshold);
    }
    let ranking = Ranking::new(scores, labels)?;
    let flagged = ranking.flagged().take_while(|flagged| flagged.threshold >= threshold).last();
    let (normal, defect) = flagged.map_or((0, 0), |flagged| (flagged.normal, flagged.defect));
    Ok(OperatingPoint::new(Flagged { threshold, normal, defect }, ranking.defect))
}

/// The operating point of the highest F1 among all thresholds; of several, the lowest threshold.
///
/// The threshold is one of the scores. It is chosen with the labels at hand, so its F1 is what a
/// perfectly set threshold would reach, and no estimate of what one set beforehand does.
///
/// # Errors
/// As [`auroc`](crate::auroc).
pub fn f1_max<S: Copy + Into<f64>>(
    scores: &[S],
    labels: &[bool],
) -> Result<OperatingPoint, MetricError> {
    Ok(best(&Ranking::new(scores, labels)?))
}

pub(crate) fn best(ranking: &Ranking) -> OperatingPoint {
    let mut best = Flagged { threshold: f64::INFINITY, normal: 0, defect: 0 };
    // Half of F1 as a fraction, so that equal ones compare equal.
    let half_f1 = |flagged: &Flagged| {
        (u128::from(flagged.defect), u128::from(flagged.normal + flagged.defect + ranking.defect))
    };
    for flagged in ranking.flagged() {
        let ((hits, of), (best_hits, best_of)) = (half_f1(&flagged), half_f1(&best));
        if hits * best_of >= best_hits * of {
            best = flagged;
        }
    }
    OperatingPoint::new(best, ranking.defect)
}
