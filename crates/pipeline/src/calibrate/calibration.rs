//! What a model knows of the scores of good images, whichever way it was calibrated.

use nfbmr_calibration::{CalibrationError, FalseAlarmRate, RateBasis, SplitConformal};
use serde::{Deserialize, Serialize};

use super::{CrossCalibration, DecisionThreshold, SplitCalibration};
use crate::error::CalibrateError;

/// What a model knows of the scores of good images: thresholds or p-values for a false-alarm rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Calibration {
    /// By good images that one model was not trained on.
    Split(SplitCalibration),
    /// By the folds of the training images, each by the model that was trained without it.
    Cross(CrossCalibration),
}

impl Calibration {
    /// The false-alarm rate that verdicts are for.
    pub fn rate(&self) -> FalseAlarmRate {
        match self {
            Self::Split(own) => own.rate(),
            Self::Cross(own) => own.rate(),
        }
    }

    /// Whether the rate was asked for, or is the default.
    pub fn basis(&self) -> RateBasis {
        match self {
            Self::Split(own) => own.basis(),
            Self::Cross(own) => own.basis(),
        }
    }

    /// How many images it is by.
    pub fn images(&self) -> usize {
        match self {
            Self::Split(own) => own.image_scores().images(),
            Self::Cross(own) => own.image_scores().images(),
        }
    }

    /// That of one model.
    pub fn split(&self) -> Option<&SplitCalibration> {
        match self {
            Self::Split(own) => Some(own),
            Self::Cross(_) => None,
        }
    }

    /// That of the models of several folds.
    pub fn cross(&self) -> Option<&CrossCalibration> {
        match self {
            Self::Split(_) => None,
            Self::Cross(own) => Some(own),
        }
    }

    /// The score above which an image is anomalous; `None` for folds, whose models' scores are never compared.
    pub fn threshold(&self) -> Option<DecisionThreshold> {
        self.split().map(SplitCalibration::threshold)
    }

    /// The value of an anomaly map above which a pixel belongs to a defect; `None` for folds, and of a system without
    /// maps.
    pub fn pixel_threshold(&self) -> Option<DecisionThreshold> {
        self.split().and_then(SplitCalibration::pixel_threshold)
    }

    /// The values of an anomaly map where a heatmap shows nothing and full colour: the highest of its mildest
    /// good image, and as far above the pixel threshold, which has the colour in the middle. For folds that
    /// threshold is what it would be if the scores of their models were those of one. `None` where all values
    /// are alike, and of a system without maps.
    pub fn heat_scale(&self) -> Option<[f32; 2]> {
        let (low, threshold) = match self {
            Self::Split(own) => {
                (*own.pixel_scores()?.scores().first()?, own.pixel_threshold()?.value)
            }
            Self::Cross(own) => {
                let folds = own.pixel_scores()?.folds().iter();
                let scores: Vec<f32> = folds.flat_map(SplitConformal::scores).copied().collect();
                let scores = SplitConformal::new(scores).ok()?;
                (*scores.scores().first()?, scores.threshold(own.rate()).ok()?.value)
            }
        };
        (threshold > low).then_some([low, threshold + (threshold - low)])
    }

    /// Sets another false-alarm rate; what verdicts need follows from the same images.
    ///
    /// # Errors
    /// [`CalibrateError::Refused`] where the images are too few for the rate.
    pub fn set_rate(&mut self, rate: FalseAlarmRate) -> Result<(), CalibrateError> {
        match self {
            Self::Split(own) => own.set_rate(rate)?,
            Self::Cross(own) => own.set_rate(rate)?,
        }
        Ok(())
    }

    /// Sets the score above which an image is anomalous. p-values stay what they are.
    ///
    /// # Errors
    /// [`CalibrateError::CrossFitted`] for folds, [`CalibrateError::Refused`] for a value that isn't finite.
    pub fn set_threshold(&mut self, value: f32) -> Result<(), CalibrateError> {
        self.edit("set a threshold", |own| own.set_threshold(value))
    }

    /// Sets the value of an anomaly map above which a pixel belongs to a defect.
    ///
    /// # Errors
    /// As [`Self::set_threshold`], and [`CalibrateError::NoMap`] of a system without maps.
    pub fn set_pixel_threshold(&mut self, value: f32) -> Result<(), CalibrateError> {
        if self.split().is_some_and(|own| own.pixel_scores().is_none()) {
            return Err(CalibrateError::NoMap);
        }
        self.edit("set a pixel threshold", |own| own.set_pixel_threshold(value))
    }

    fn edit(
        &mut self,
        action: &'static str,
        edit: impl FnOnce(&mut SplitCalibration) -> Result<(), CalibrationError>,
    ) -> Result<(), CalibrateError> {
        match self {
            Self::Split(own) => Ok(edit(own)?),
            Self::Cross(own) => {
                let folds = own.image_scores().folds().len();
                Err(CalibrateError::CrossFitted { action, folds })
            }
        }
    }
}
