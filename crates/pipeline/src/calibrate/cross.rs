//! The calibration of the models of several folds by the images that each was trained without.

use nfbmr_calibration::{
    CalibrationError, CrossBound, CrossConformal, FalseAlarmRate, RateBasis, Verdict,
};
use rayon::prelude::*;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::error::CalibrateError;
use crate::score::ScoreMap;

/// What a [`CrossFitted`](crate::CrossFitted) model knows of the scores of good images, each by the model
/// that was trained without it.
///
/// Images are calibrated by their scores, and pixels by the largest value of each image's anomaly map at
/// the image's own size: the rate bounds, as [`CrossBound`] says, the share of good images that are
/// called anomalous, and of those that have any pixel which is. The rate takes the place of thresholds, as
/// scores of different models are never compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct CrossCalibration {
    rate: FalseAlarmRate,
    basis: RateBasis,
    bound: CrossBound,
    image_scores: CrossConformal,
    pixel_scores: Option<CrossConformal>,
}

/// [`CrossCalibration`] as a file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    rate: FalseAlarmRate,
    basis: RateBasis,
    /// For those who read the file: it follows from the rest.
    #[serde(rename = "bound")]
    _bound: IgnoredAny,
    image_scores: CrossConformal,
    pixel_scores: Option<CrossConformal>,
}

impl CrossCalibration {
    /// Of the scores of images, and the largest values of their anomaly maps, of a system that has maps, by fold. `None`
    /// asks for a rate of 5 %, or the smallest that the images support.
    ///
    /// # Errors
    /// [`CalibrationError`] for scores that aren't finite, or too few for the rate.
    pub fn new(
        image_scores: Vec<Vec<f32>>,
        pixel_scores: Option<Vec<Vec<f32>>>,
        rate: Option<FalseAlarmRate>,
    ) -> Result<Self, CalibrationError> {
        let image_scores = CrossConformal::new(image_scores)?;
        let pixel_scores = pixel_scores.map(CrossConformal::new).transpose()?;
        let (rate, basis) = match rate {
            Some(rate) => (rate, RateBasis::Asked),
            None => image_scores.default_rate(),
        };
        let bound = image_scores.bound(rate)?;
        Ok(Self { rate, basis, bound, image_scores, pixel_scores })
    }

    /// The false-alarm rate that was asked for; [`Self::bound`] is what is proven of it.
    pub fn rate(&self) -> FalseAlarmRate {
        self.rate
    }

    /// Whether the rate was asked for, or is the default.
    pub fn basis(&self) -> RateBasis {
        self.basis
    }

    /// What is proven of the rate: at most twice as many false alarms for folds of one or two images, more for larger
    /// ones.
    pub fn bound(&self) -> CrossBound {
        self.bound
    }

    /// The scores of each fold's images by the model that was trained without them.
    pub fn image_scores(&self) -> &CrossConformal {
        &self.image_scores
    }

    /// The largest values of the anomaly maps of each fold's images, by the same models, of a system that has maps.
    pub fn pixel_scores(&self) -> Option<&CrossConformal> {
        self.pixel_scores.as_ref()
    }

    /// What the scores of an image by the models of the folds say of it.
    ///
    /// # Errors
    /// [`CalibrationError::FoldScores`] where there is not one score per fold,
    /// [`CalibrationError::NonFiniteScore`] where one is infinite or not a number.
    pub fn verdict(&self, scores: &[f32]) -> Result<Verdict, CalibrationError> {
        self.image_scores.verdict(scores, self.rate)
    }

    /// Whether each pixel is anomalous, by the maps of the models of the folds, all of one size; those that
    /// aren't inspected are not. `None` of a system without maps.
    pub(crate) fn anomalous_pixels(
        &self,
        maps: &[&ScoreMap],
    ) -> Result<Option<Vec<bool>>, CalibrationError> {
        let Some(pixel_scores) = &self.pixel_scores else { return Ok(None) };
        let pixels = maps.iter().map(|map| map.values.len()).min().unwrap_or(0);
        let anomalous = |scores: &mut Vec<f32>, pixel: usize| {
            if !maps[0].is_inspected(pixel) {
                return Ok(false);
            }
            scores.clear();
            scores.extend(maps.iter().map(|map| map.values[pixel]));
            Ok(pixel_scores.p_value(scores)? <= self.rate.get())
        };
        let anomalous = (0..pixels).into_par_iter().map_init(Vec::new, anomalous);
        anomalous.collect::<Result<_, _>>().map(Some)
    }

    pub(crate) fn set_rate(&mut self, rate: FalseAlarmRate) -> Result<(), CalibrationError> {
        self.bound = self.image_scores.bound(rate)?;
        (self.rate, self.basis) = (rate, RateBasis::Asked);
        Ok(())
    }
}

impl TryFrom<Unchecked> for CrossCalibration {
    type Error = CalibrateError;

    fn try_from(unchecked: Unchecked) -> Result<Self, Self::Error> {
        let Unchecked { rate, basis, image_scores, pixel_scores, .. } = unchecked;
        let sizes = |scores: &CrossConformal| -> Vec<usize> {
            scores.folds().iter().map(|fold| fold.images()).collect()
        };
        let images = sizes(&image_scores);
        let pixels = pixel_scores.as_ref().map_or_else(|| images.clone(), sizes);
        if images != pixels {
            let expected = "as many image scores as pixel scores in each fold";
            let found = format!("{images:?} and {pixels:?}");
            return Err(CalibrateError::Inconsistent { expected, found });
        }
        if basis != RateBasis::Asked && (rate, basis) != image_scores.default_rate() {
            let expected = "the default rate of its images";
            return Err(CalibrateError::Inconsistent { expected, found: rate.to_string() });
        }
        let bound = image_scores.bound(rate)?;
        Ok(Self { rate, basis, bound, image_scores, pixel_scores })
    }
}
