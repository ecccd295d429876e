//! Confidence intervals by resampling. Knows no metric.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::error::MetricError;

/// A percentile bootstrap over the samples, stratified by label.
///
/// Each resample draws as many normal and as many defect samples as there are, with replacement
/// and each class from itself, so that a metric of two classes has a value on all of them. The
/// interval says how much the metric would vary with other test samples of the same mixture; it
/// says nothing of other training runs, for which see [`mean_std`](crate::mean_std).
///
/// ```
/// use nfbmr_metrics::{Bootstrap, auroc, f1_max};
///
/// let scores = [0.1, 0.4, 0.35, 0.8, 0.3, 0.7];
/// let is_defect = [false, false, true, true, false, true];
/// let bootstrap = Bootstrap { seed: 7, ..Bootstrap::default() };
/// let interval = bootstrap.interval(&scores, &is_defect, auroc)?;
/// assert!(interval.low <= interval.estimate && interval.estimate <= interval.high);
/// bootstrap.interval(&scores, &is_defect, |s, l| Ok(f1_max(s, l)?.f1))?;
/// # Ok::<(), nfbmr_metrics::MetricError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrap {
    /// How many resamples to draw, at least 1.
    pub resamples: u32,
    /// The probability that the interval aims to cover, above 0 and below 1.
    pub confidence: f64,
    /// Where the random numbers start. The same seed gives the same interval.
    pub seed: u64,
}

impl Default for Bootstrap {
    /// 2000 resamples, 95 %, seed 0.
    fn default() -> Self {
        Self { resamples: 2000, confidence: 0.95, seed: 0 }
    }
}

/// A metric and its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The metric of the samples themselves.
    pub estimate: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Bootstrap {
    /// The interval of `metric`, from the (1 - confidence) / 2 quantile of its values on the
    /// resamples to that of (1 + confidence) / 2, interpolated linearly between values.
    ///
    /// # Errors
    /// Those of `metric`; [`MetricError::LengthMismatch`] and [`MetricError::OneClass`] as
    /// [`auroc`](crate::auroc); [`MetricError::NoResamples`] for 0 resamples and
    /// [`MetricError::Confidence`] for a confidence out of range.
    pub fn interval<S: Copy>(
        &self,
        scores: &[S],
        labels: &[bool],
        metric: impl Fn(&[S], &[bool]) -> Result<f64, MetricError>,
    ) -> Result<Interval, MetricError> {
        if self.resamples == 0 {
            return Err(MetricError::NoResamples);
        }
        if !(self.confidence > 0.0 && self.confidence < 1.0) {
            return Err(MetricError::Confidence { found: self.confidence });
        }
        if scores.len() != labels.len() {
            return Err(MetricError::LengthMismatch { scores: scores.len(), labels: labels.len() });
        }
        let of_class = |class| {
            let samples = scores.iter().zip(labels).filter(move |(_, label)| **label == class);
            samples.map(|(score, _)| *score).collect::<Vec<S>>()
        };
        let (normal, defect) = (of_class(false), of_class(true));
        if normal.is_empty() || defect.is_empty() {
            let (negatives, positives) = (normal.len() as u64, defect.len() as u64);
            return Err(MetricError::OneClass { negatives, positives });
        }
        let estimate = metric(scores, labels)?;

        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut labels = vec![false; normal.len()];
        labels.resize(scores.len(), true);
        let mut resample = Vec::with_capacity(scores.len());
        let mut values = (0..self.resamples)
            .map(|_| {
                resample.clear();
                for class in [&normal, &defect] {
                    resample.extend(class.iter().map(|_| class[rng.random_range(0..class.len())]));
                }
                metric(&resample, &labels)
            })
            .collect::<Result<Vec<f64>, _>>()?;
        values.sort_unstable_by(f64::total_cmp);
        let low = quantile(&values, (1.0 - self.confidence) / 2.0);
        let high = quantile(&values, (1.0 + self.confidence) / 2.0);
        Ok(Interval { estimate, low, high })
    }
}

/// The quantile of sorted values, at least one, at `share` between 0 and 1.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[position.floor() as usize], sorted[position.ceil() as usize]);
    below + (above - below) * position.fract()
}
