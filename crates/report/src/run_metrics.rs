//! The metrics of one run, by `nfbmr-metrics`. How they look is the tables' and charts' affair.

use nfbmr_metrics::{RocPoint, auroc, average_precision, f1_max, roc_curve};

use crate::report::Run;

/// The metrics of a run, from 0 to 1; `None` where undefined.
pub(crate) struct RunMetrics<'a> {
    pub run: &'a Run,
    pub auroc: Option<f64>,
    pub average_precision: Option<f64>,
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    pub f1: Option<f64>,
    /// The threshold with the highest F1.
    pub threshold: Option<f64>,
    values: Vec<f32>,
    labels: Vec<bool>,
}

impl<'a> RunMetrics<'a> {
    pub fn new(run: &'a Run) -> Self {
        let (values, labels): (Vec<f32>, Vec<bool>) =
            run.scores.iter().map(|score| (score.score, score.defect.is_some())).unzip();
        let best = f1_max(&values, &labels).ok();
        Self {
            run,
            auroc: auroc(&values, &labels).ok(),
            average_precision: average_precision(&values, &labels).ok(),
            precision: best.map(|best| best.precision),
            recall: best.map(|best| best.recall),
            f1: best.map(|best| best.f1),
            threshold: best.map(|best| best.threshold),
            values,
            labels,
        }
    }

    /// Empty where undefined.
    pub fn roc(&self) -> Vec<RocPoint> {
        roc_curve(&self.values, &self.labels).unwrap_or_default()
    }

    /// The finite scores of the defect images, or of the normal ones.
    pub fn scores(&self, defect: bool) -> Vec<f64> {
        let scores = self.values.iter().zip(&self.labels);
        let own = scores.filter(|&(score, &label)| label == defect && score.is_finite());
        own.map(|(&score, _)| f64::from(score)).collect()
    }

    /// The finite negative log-likelihoods of the defect images, or of the normal ones.
    pub fn likelihoods(&self, defect: bool) -> Vec<f64> {
        let own = self.run.scores.iter().filter(|score| score.defect.is_some() == defect);
        let finite = own.filter_map(|score| score.likelihood).filter(|value| value.is_finite());
        finite.map(f64::from).collect()
    }

    /// How wrong a score is on any scale of scores: the share of the other class on the wrong side of it,
    /// or level with it. 0 is right, 1 is as wrong as can be.
    pub fn wrongness(&self, score: f32, defect: bool) -> f64 {
        let others = self.values.iter().zip(&self.labels).filter(|&(_, &label)| label != defect);
        let (mut wrong, mut all) = (0.0, 0.0);
        for (&other, _) in others {
            all += 1.0;
            wrong += f64::from(u8::from(if defect { other >= score } else { other <= score }));
        }
        if all == 0.0 { 0.0 } else { wrong / all }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Score;

    #[test]
    fn wrongness_is_the_share_of_the_other_class_on_the_wrong_side() {
        let mut run = Run::new("c", 0, "s");
        for (score, defect) in [(0.1, false), (0.4, false), (0.3, true), (0.8, true)] {
            let defect = defect.then(|| "scratch".to_owned());
            run.scores.push(Score { defect, score, ..Score::default() });
        }
        let metrics = RunMetrics::new(&run);
        assert_eq!(metrics.auroc, Some(0.75));
        assert_eq!(metrics.wrongness(0.3, true), 0.5);
        assert_eq!(metrics.wrongness(0.8, true), 0.0);
        assert_eq!(metrics.wrongness(0.4, false), 0.5);
        assert_eq!(metrics.wrongness(9.0, false), 1.0);
        assert_eq!(RunMetrics::new(&Run::default()).wrongness(1.0, true), 0.0);
    }
}
