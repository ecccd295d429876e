//! Samples from the highest score down: what every metric here is computed from.

use crate::error::MetricError;

/// The samples that have one score.
pub(crate) struct Tie {
    pub(crate) score: f64,
    pub(crate) normal: u64,
    pub(crate) defect: u64,
}

/// How many samples the verdict `score >= threshold` flags as defects.
#[derive(Clone, Copy)]
pub(crate) struct Flagged {
    pub(crate) threshold: f64,
    /// The false positives.
    pub(crate) normal: u64,
    /// The true positives.
    pub(crate) defect: u64,
}

/// Samples of both classes, tie by tie from the highest score down.
pub(crate) struct Ranking {
    ties: Vec<Tie>,
    pub(crate) normal: u64,
    pub(crate) defect: u64,
}

impl Ranking {
    pub(crate) fn new<S: Copy + Into<f64>>(
        scores: &[S],
        labels: &[bool],
    ) -> Result<Self, MetricError> {
        if scores.len() != labels.len() {
            return Err(MetricError::LengthMismatch { scores: scores.len(), labels: labels.len() });
        }
        let mut samples: Vec<(f64, bool)> =
            scores.iter().map(|&score| score.into()).zip(labels.iter().copied()).collect();
        if let Some(index) = samples.iter().position(|(score, _)| score.is_nan()) {
            return Err(MetricError::NanScore { index });
        }
        samples.sort_unstable_by(|(a, _), (b, _)| b.total_cmp(a));
        // `==` and not `total_cmp` makes the ties, so that -0 and 0 are one score.
        let ties = samples.chunk_by(|(a, _), (b, _)| a == b).map(|tied| {
            let defect = tied.iter().filter(|(_, label)| *label).count() as u64;
            Tie { score: tied[0].0, normal: tied.len() as u64 - defect, defect }
        });
        Self::from_ties(ties.collect())
    }

    /// From ties that are already sorted, the highest score first.
    pub(crate) fn from_ties(ties: Vec<Tie>) -> Result<Self, MetricError> {
        let normal = ties.iter().map(|tie| tie.normal).sum();
        let defect = ties.iter().map(|tie| tie.defect).sum();
        if normal == 0 || defect == 0 {
            return Err(MetricError::OneClass { negatives: normal, positives: defect });
        }
        Ok(Self { ties, normal, defect })
    }

    /// What is flagged at each score as the threshold, from the highest down.
    pub(crate) fn flagged(&self) -> impl Iterator<Item = Flagged> {
        self.ties.iter().scan((0, 0), |(normal, defect), tie| {
            *normal += tie.normal;
            *defect += tie.defect;
            Some(Flagged { threshold: tie.score, normal: *normal, defect: *defect })
        })
    }

    /// The area under the ROC curve, from pairs counted in integers.
    pub(crate) fn auroc(&self) -> f64 {
        // Twice the won pairs, so that a tie, half a pair, stays an integer.
        let twice_won: u128 = self
            .ties
            .iter()
            .zip(self.flagged())
            .map(|(tie, flagged)| {
                let below = u128::from(self.normal - flagged.normal);
                u128::from(tie.defect) * (2 * below + u128::from(tie.normal))
            })
            .sum();
        twice_won as f64 / (2 * u128::from(self.normal) * u128::from(self.defect)) as f64
    }
}
