//! Area under the receiver operating characteristic.

use crate::error::MetricError;

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
    if scores.len() != labels.len() {
        return Err(MetricError::LengthMismatch { scores: scores.len(), labels: labels.len() });
    }
    let mut samples: Vec<(f64, bool)> =
        scores.iter().map(|&score| score.into()).zip(labels.iter().copied()).collect();
    if let Some(index) = samples.iter().position(|(score, _)| score.is_nan()) {
        return Err(MetricError::NanScore { index });
    }
    let positives = labels.iter().filter(|&&label| label).count();
    let negatives = labels.len() - positives;
    if positives == 0 || negatives == 0 {
        return Err(MetricError::OneClass { negatives, positives });
    }

    samples.sort_unstable_by(|(a, _), (b, _)| a.total_cmp(b));
    let mut negatives_below: u128 = 0;
    // Twice the won pairs, so that a tie, half a pair, stays an integer.
    let mut twice_won: u128 = 0;
    // `==` and not `total_cmp` makes the ties, so that -0 and 0 are one score.
    for ties in samples.chunk_by(|(a, _), (b, _)| a == b) {
        let tied_positives = ties.iter().filter(|(_, label)| *label).count() as u128;
        let tied_negatives = ties.len() as u128 - tied_positives;
        twice_won += tied_positives * (2 * negatives_below + tied_negatives);
        negatives_below += tied_negatives;
    }
    let twice_pairs = 2 * positives as u128 * negatives as u128;
    Ok(twice_won as f64 / twice_pairs as f64)
}
