//! Cross-conformal calibration.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{CalibrationError, all_finite};
use crate::rate::{FalseAlarmRate, RateBasis};
use crate::split::SplitConformal;
use crate::threshold::Verdict;

/// K folds of normal images, n together, each scored by the model that was trained on the other folds.
///
/// All K models are kept and score each new image, so that no image is lost to training and all count
/// for the p-value (Vovk 2015; CV+ of Barber et al. 2021). Scores of different models are never
/// compared, so they may differ in scale; there is no threshold of a single score either, and the
/// rate takes its place.
///
/// For a pixel, score the maps of the K models at that pixel, calibrated on the maxima of their maps: a
/// pixel's p-value is never below that of the K maxima of its image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct CrossConformal {
    /// At least two.
    folds: Vec<SplitConformal>,
}

/// [`CrossConformal`] as a file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    folds: Vec<SplitConformal>,
}

impl TryFrom<Unchecked> for CrossConformal {
    type Error = CalibrationError;

    fn try_from(unchecked: Unchecked) -> Result<Self, Self::Error> {
        Self::of(unchecked.folds)
    }
}

/// What is proven of the false alarms of a [`CrossConformal`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrossBound {
    /// The rate that was asked for. Stable models come close to it, but it is no bound.
    pub asked: FalseAlarmRate,
    /// Twice the asked rate: the bound for folds of one or two images, and for large folds in the limit.
    pub twice: f64,
    /// The bound for these folds, which may be above `twice`, and is at most 1.
    pub proven: f64,
}

impl fmt::Display for CrossBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, twice, proven } = self;
        if proven <= twice {
            write!(f, "false-alarm rate of at most {twice}, twice the asked {asked}")
        } else {
            write!(
                f,
                "false-alarm rate of at most {proven:.4}: twice the asked {asked}, and {:.4} more for \
                 folds of this size",
                proven - twice
            )
        }
    }
}

impl CrossConformal {
    /// A calibration from the scores of each fold by the model that was trained without it.
    ///
    /// # Errors
    /// [`CalibrationError::TooFewFolds`] of fewer than 2; [`CalibrationError::Fold`] where the scores of a
    /// fold are refused as [`SplitConformal::new`] refuses them.
    pub fn new(folds: impl IntoIterator<Item = Vec<f32>>) -> Result<Self, CalibrationError> {
        let fold = |(fold, scores): (usize, Vec<f32>)| {
            SplitConformal::new(scores)
                .map_err(|source| CalibrationError::Fold { fold, source: Box::new(source) })
        };
        Self::of(folds.into_iter().enumerate().map(fold).collect::<Result<_, _>>()?)
    }

    fn of(folds: Vec<SplitConformal>) -> Result<Self, CalibrationError> {
        if folds.len() < 2 {
            return Err(CalibrationError::TooFewFolds { found: folds.len() });
        }
        Ok(Self { folds })
    }

    /// The folds, each with the scores of its images.
    pub fn folds(&self) -> &[SplitConformal] {
        &self.folds
    }

    /// The number of images of all folds, n.
    pub fn images(&self) -> usize {
        self.folds.iter().map(SplitConformal::images).sum()
    }

    /// The cross-conformal p-value of an image, from its score by the model of each fold, in the order
    /// of the folds: (1 + #{images that their fold's model scores at least as high as this one}) / (n + 1).
    ///
    /// # Errors
    /// [`CalibrationError::FoldScores`] where there is not one score per fold;
    /// [`CalibrationError::NonFiniteScore`] where one is infinite or not a number.
    pub fn p_value(&self, scores: &[f32]) -> Result<f64, CalibrationError> {
        if scores.len() != self.folds.len() {
            let (folds, scores) = (self.folds.len(), scores.len());
            return Err(CalibrationError::FoldScores { folds, scores });
        }
        all_finite(scores)?;
        let at_least = |(fold, &score): (&SplitConformal, _)| fold.at_least(score);
        let higher: usize = self.folds.iter().zip(scores).map(at_least).sum();
        Ok((1.0 + higher as f64) / (self.images() as f64 + 1.0))
    }

    /// The mean of the scores, the p-value, and whether that is at most the rate.
    ///
    /// # Errors
    /// As [`Self::p_value`]; [`CalibrationError::UnsupportedRate`] where the rate is below
    /// [`Self::smallest_rate`].
    pub fn verdict(
        &self,
        scores: &[f32],
        rate: FalseAlarmRate,
    ) -> Result<Verdict, CalibrationError> {
        rate.rank(self.images())?;
        let p_value = self.p_value(scores)?;
        let sum: f64 = scores.iter().copied().map(f64::from).sum();
        let score = (sum / scores.len() as f64) as f32;
        Ok(Verdict { score, p_value, is_anomalous: p_value <= rate.get() })
    }

    /// The smallest rate that the images support, 1 / (n + 1).
    pub fn smallest_rate(&self) -> FalseAlarmRate {
        FalseAlarmRate::smallest(self.images())
    }

    /// [`FalseAlarmRate::DEFAULT`], or with fewer than 19 images [`Self::smallest_rate`], and which of both
    /// it is.
    pub fn default_rate(&self) -> (FalseAlarmRate, RateBasis) {
        FalseAlarmRate::default_for(self.images())
    }

    /// The bound of the probability that a normal image's p-value is at most the rate.
    ///
    /// With k = ⌊rate · (n + 1)⌋ it is the smaller of 2 (k - 1 + K) / (n + K) and, where all folds
    /// have m images, (2 (k - 1) + m) / (n + m). `docs/thresholds.md` derives both. They take images
    /// that are exchangeable, folds that were drawn without looking at the images, and training that
    /// does not depend on the order of its images.
    ///
    /// # Errors
    /// [`CalibrationError::UnsupportedRate`] where the rate is below [`Self::smallest_rate`].
    pub fn bound(&self, rate: FalseAlarmRate) -> Result<CrossBound, CalibrationError> {
        let others = (rate.rank(self.images())? - 1) as f64;
        let (images, folds) = (self.images() as f64, self.folds.len() as f64);
        let mut proven = (2.0 * (others + folds) / (images + folds)).min(1.0);
        let size = self.folds.first().map_or(0, SplitConformal::images);
        if self.folds.iter().all(|fold| fold.images() == size) {
            let size = size as f64;
            proven = proven.min((2.0 * others + size) / (images + size));
        }
        Ok(CrossBound { asked: rate, twice: (2.0 * rate.get()).min(1.0), proven })
    }
}
