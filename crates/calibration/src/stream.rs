//! p-values of a stream that are exactly uniform.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::CalibrationError;
use crate::split::SplitConformal;

/// More images than any stream has; counts up to here are exact in double precision, and can't overflow.
const MAX_COUNT: u64 = 1 << 53;

/// The ranks of a stream of scores among n calibration scores.
///
/// A calibration of n images has a little error that all its p-values share, and that a long stream would
/// find. So each p-value is taken of the rank's distribution given the ranks before it. While all
/// scores are exchangeable, the gap between calibration scores that the next one falls into is gap i with
/// probability (1 + earlier scores in gap i) / (n + 1 + earlier scores), a Pólya urn. Only
/// the counts of the n + 1 gaps need to be kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub(crate) struct StreamRanks {
    /// The calibration, ascending.
    scores: Vec<f32>,
    /// From 0 to 1, ascending among equal scores: which of those is higher.
    tie_breakers: Vec<f64>,
    /// How many scores of the stream fell below the first calibration score, between the first and
    /// the second, and so on.
    counts: Vec<u64>,
}

/// [`StreamRanks`] as a file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    scores: Vec<f32>,
    tie_breakers: Vec<f64>,
    counts: Vec<u64>,
}

impl TryFrom<Unchecked> for StreamRanks {
    type Error = CalibrationError;

    fn try_from(unchecked: Unchecked) -> Result<Self, Self::Error> {
        let state = |expected, found: String| CalibrationError::DriftState { expected, found };
        let Unchecked { scores, tie_breakers, counts } = unchecked;
        let sorted = SplitConformal::new(scores.as_slice())?;
        if tie_breakers.len() != scores.len() {
            return Err(state("a tie-breaker for each score", tie_breakers.len().to_string()));
        }
        if let Some(found) = tie_breakers.iter().find(|number| !(0.0..=1.0).contains(*number)) {
            return Err(state("tie-breakers from 0 to 1", found.to_string()));
        }
        if sorted.scores() != scores || !scores.iter().zip(&tie_breakers).is_sorted() {
            return Err(state("ascending scores and tie-breakers", "others".into()));
        }
        if counts.len() != scores.len() + 1 {
            return Err(state("a count for each gap between scores", counts.len().to_string()));
        }
        let total = counts.iter().try_fold(0u64, |total, &count| total.checked_add(count));
        if total.is_none_or(|total| total > MAX_COUNT) {
            return Err(state("counts that add up to at most 2^53", "more".into()));
        }
        Ok(Self { scores, tie_breakers, counts })
    }
}

impl StreamRanks {
    /// A stream that has not begun. `seed` decides the order of calibration scores that are equal.
    pub(crate) fn new(calibration: &SplitConformal, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let number = |&score: &f32| (score, rng.random::<f64>());
        let mut entries: Vec<(f32, f64)> = calibration.scores().iter().map(number).collect();
        // `-0.0` and `0.0` are equal scores, so not by `total_cmp`.
        entries.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        let counts = vec![0; entries.len() + 1];
        let (scores, tie_breakers) = entries.into_iter().unzip();
        Self { scores, tie_breakers, counts }
    }

    /// The p-value of the next score, which must be finite; `uniform` is a random number from 0 to 1.
    #[expect(clippy::indexing_slicing, reason = "a tie-breaker for each score, and one more count")]
    pub(crate) fn p_value(&mut self, score: f32, uniform: f64) -> f64 {
        // The higher the score the lower the p-value, so a low number breaks ties upwards.
        let breaker = 1.0 - uniform;
        let first = self.scores.partition_point(|&other| other < score);
        let end = self.scores.partition_point(|&other| other <= score);
        let ties = &self.tie_breakers[first..end];
        let lower = ties.partition_point(|&other| other < breaker);
        let gap = first + lower;
        // What the gap leaves open of the number is uniform again.
        let low = if lower == 0 { 0.0 } else { ties[lower - 1] };
        let high = ties.get(lower).copied().unwrap_or(1.0);
        let within = if high > low { (high - breaker) / (high - low) } else { 0.5 };

        let above: u64 = self.counts[gap + 1..].iter().sum();
        let gaps_above = (self.counts.len() - gap - 1) as f64;
        let all = self.counts.len() as f64 + self.counts.iter().sum::<u64>() as f64;
        let here = 1.0 + self.counts[gap] as f64;
        self.counts[gap] += 1;
        ((gaps_above + above as f64 + within * here) / all).clamp(0.0, 1.0)
    }
}
