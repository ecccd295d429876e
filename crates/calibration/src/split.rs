//! Split-conformal calibration.

use serde::{Deserialize, Serialize};

use crate::error::{CalibrationError, all_finite};
use crate::rate::{FalseAlarmRate, RateBasis};
use crate::realised::RealisedRate;
use crate::threshold::{Threshold, Verdict};

/// The scores of n normal images that the model was not trained on.
///
/// They are the whole of the calibration: p-values and thresholds are ranks among them. Scores of single
/// pixels are no images; for a pixel threshold take the maximum of each image's anomaly map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct SplitConformal {
    /// Ascending, finite, at least one.
    scores: Vec<f32>,
}

/// [`SplitConformal`] as a file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    scores: Vec<f32>,
}

impl TryFrom<Unchecked> for SplitConformal {
    type Error = CalibrationError;

    fn try_from(unchecked: Unchecked) -> Result<Self, Self::Error> {
        Self::new(unchecked.scores)
    }
}

impl SplitConformal {
    /// A calibration from one score per image, in any order.
    ///
    /// # Errors
    /// [`CalibrationError::NoScores`] of an empty list, [`CalibrationError::NonFiniteScore`] where a
    /// score is infinite or not a number.
    pub fn new(scores: impl Into<Vec<f32>>) -> Result<Self, CalibrationError> {
        let mut scores = scores.into();
        if scores.is_empty() {
            return Err(CalibrationError::NoScores);
        }
        all_finite(&scores)?;
        scores.sort_unstable_by(f32::total_cmp);
        Ok(Self { scores })
    }

    /// The scores, ascending.
    pub fn scores(&self) -> &[f32] {
        &self.scores
    }

    /// The number of images, n.
    pub fn images(&self) -> usize {
        self.scores.len()
    }

    /// The p-value of a score: (1 + #{calibration scores >= score}) / (n + 1).
    ///
    /// # Errors
    /// [`CalibrationError::NonFiniteScore`] where the score is infinite or not a number.
    pub fn p_value(&self, score: f32) -> Result<f64, CalibrationError> {
        all_finite(&[score])?;
        Ok(self.share(1.0 + self.at_least(score) as f64))
    }

    /// The smoothed p-value of a score:
    /// (#{calibration scores > score} + u · (1 + #{calibration scores = score})) / (n + 1).
    ///
    /// `uniform`, u, is a random number from 0 to 1 that is drawn anew for each score. Over images and
    /// calibrations together, the smoothed p-value of a normal image is then uniform, ties or not. Those of
    /// several images by one calibration depend on each other through it: to test a stream of them for
    /// uniformity, use [`DriftMonitor`](crate::DriftMonitor).
    ///
    /// # Errors
    /// As [`Self::p_value`]; [`CalibrationError::UniformNumber`] where u is out of range.
    pub fn smoothed_p_value(&self, score: f32, uniform: f64) -> Result<f64, CalibrationError> {
        all_finite(&[score])?;
        if !(0.0..=1.0).contains(&uniform) {
            return Err(CalibrationError::UniformNumber { found: uniform });
        }
        let above = self.above(score);
        let equal = self.at_least(score) - above;
        Ok(self.share(above as f64 + uniform * (1.0 + equal as f64)))
    }

    /// The threshold for a false-alarm rate: the k-th largest score, k = ⌊rate · (n + 1)⌋. A score is
    /// above it if and only if its p-value is at most the rate.
    ///
    /// # Errors
    /// [`CalibrationError::UnsupportedRate`] where the rate is below [`Self::smallest_rate`].
    pub fn threshold(&self, rate: FalseAlarmRate) -> Result<Threshold, CalibrationError> {
        #[expect(clippy::indexing_slicing, reason = "1 <= k <= n")]
        let value = self.scores[self.images() - rate.rank(self.images())?];
        Ok(Threshold { value, rate, basis: RateBasis::Asked })
    }

    /// The threshold for [`FalseAlarmRate::DEFAULT`], or with fewer than 19 images for
    /// [`Self::smallest_rate`]; the basis says which.
    pub fn default_threshold(&self) -> Threshold {
        let (rate, basis) = FalseAlarmRate::default_for(self.images());
        #[expect(clippy::expect_used, reason = "n >= 1 images support 1 / (n + 1) and above")]
        let threshold = self.threshold(rate).expect("a rate that the images support");
        Threshold { basis, ..threshold }
    }

    /// The smallest false-alarm rate that the images support, 1 / (n + 1).
    pub fn smallest_rate(&self) -> FalseAlarmRate {
        FalseAlarmRate::smallest(self.images())
    }

    /// The rate of a threshold that was set by other means: the largest p-value of a score above it,
    /// (1 + #{calibration scores > threshold}) / (n + 1).
    ///
    /// It bounds the false alarms as an asked rate does where the threshold was set without regard to it.
    /// It never falls below [`Self::smallest_rate`], however high the threshold.
    ///
    /// # Errors
    /// [`CalibrationError::NonFiniteThreshold`] where the threshold is infinite or not a number.
    pub fn rate_at(&self, threshold: f32) -> Result<f64, CalibrationError> {
        if !threshold.is_finite() {
            return Err(CalibrationError::NonFiniteThreshold { found: threshold });
        }
        Ok(self.share(1.0 + self.above(threshold) as f64))
    }

    /// Score, p-value and verdict of an image. An edited threshold changes the verdict, not the p-value.
    ///
    /// # Errors
    /// As [`Self::p_value`].
    pub fn verdict(&self, score: f32, threshold: &Threshold) -> Result<Verdict, CalibrationError> {
        let p_value = self.p_value(score)?;
        Ok(Verdict { score, p_value, is_anomalous: score > threshold.value })
    }

    /// How far from the asked rate the realised one may lie with as many images as these.
    ///
    /// # Errors
    /// As [`Self::threshold`].
    pub fn realised_rate(&self, rate: FalseAlarmRate) -> Result<RealisedRate, CalibrationError> {
        RealisedRate::new(self.images(), rate)
    }

    pub(crate) fn at_least(&self, score: f32) -> usize {
        self.images() - self.scores.partition_point(|&other| other < score)
    }

    fn above(&self, score: f32) -> usize {
        self.images() - self.scores.partition_point(|&other| other <= score)
    }

    fn share(&self, rank: f64) -> f64 {
        rank / (self.images() as f64 + 1.0)
    }
}
