//! The calibration of one model by good images that it was not trained on.

use nfbmr_calibration::{
    CalibrationError, FalseAlarmRate, RateBasis, SplitConformal, Threshold, Verdict,
};
use serde::{Deserialize, Serialize};

use crate::error::CalibrateError;
use crate::score::{DefectPixels, Detection};

/// What a model knows of the scores of good images that it was not trained on: thresholds for a
/// false-alarm rate, and the p-values of other images.
///
/// Images are calibrated by their scores, and pixels by the largest value of each image's anomaly map at
/// the image's own size: the pixel threshold bounds the share of good images that have any pixel above it.
/// Each of the two keeps the rate, both together may flag up to twice as many.
///
/// A threshold may be set by hand. p-values, which are ranks among the scores, stay what they are, and
/// [`SplitConformal::rate_at`] of the scores gives the rate of any threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct SplitCalibration {
    rate: FalseAlarmRate,
    basis: RateBasis,
    threshold: DecisionThreshold,
    pixel_threshold: Option<DecisionThreshold>,
    image_scores: SplitConformal,
    pixel_scores: Option<SplitConformal>,
    /// The scores of the images of each kind, of a model of several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kind_scores: Vec<Vec<f32>>,
}

/// [`SplitCalibration`] as a file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    rate: FalseAlarmRate,
    basis: RateBasis,
    threshold: DecisionThreshold,
    pixel_threshold: Option<DecisionThreshold>,
    image_scores: SplitConformal,
    pixel_scores: Option<SplitConformal>,
    #[serde(default)]
    kind_scores: Vec<Vec<f32>>,
}

/// The calibration images of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KindCalibration {
    /// How many there are.
    pub images: usize,
    /// How many of them have a score above the threshold.
    pub above: usize,
}

/// The highest value that is normal; what is above it is anomalous.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DecisionThreshold {
    /// The value, which is finite.
    pub value: f32,
    /// Whether it was set by hand, in place of the one for the calibration's rate.
    pub set_by_hand: bool,
}

impl SplitCalibration {
    /// Of the scores of images, and the largest values of their anomaly maps in the same order, of a system that has
    /// maps. `None` asks for a rate of 5 %, or the smallest that the images support.
    ///
    /// # Errors
    /// [`CalibrationError`] for scores that aren't finite, or too few for the rate.
    pub fn new(
        image_scores: Vec<f32>,
        pixel_scores: Option<Vec<f32>>,
        rate: Option<FalseAlarmRate>,
    ) -> Result<Self, CalibrationError> {
        let image_scores = SplitConformal::new(image_scores)?;
        let pixel_scores = pixel_scores.map(SplitConformal::new).transpose()?;
        let threshold = |scores: &SplitConformal| match rate {
            Some(rate) => scores.threshold(rate),
            None => Ok(scores.default_threshold()),
        };
        let image = threshold(&image_scores)?;
        let pixel = pixel_scores.as_ref().map(threshold).transpose()?;
        Ok(Self {
            rate: image.rate,
            basis: image.basis,
            threshold: image.into(),
            pixel_threshold: pixel.map(DecisionThreshold::from),
            image_scores,
            pixel_scores,
            kind_scores: Vec::new(),
        })
    }

    /// With the scores of the images of each kind.
    pub(crate) fn with_kinds(self, kind_scores: Vec<Vec<f32>>) -> Self {
        Self { kind_scores, ..self }
    }

    /// The false-alarm rate that the thresholds were computed for.
    pub fn rate(&self) -> FalseAlarmRate {
        self.rate
    }

    /// Whether the rate was asked for, or is the default.
    pub fn basis(&self) -> RateBasis {
        self.basis
    }

    /// The score above which an image is anomalous.
    pub fn threshold(&self) -> DecisionThreshold {
        self.threshold
    }

    /// The value of an anomaly map above which a pixel belongs to a defect, of a system that has maps; see
    /// [`ScoreMap::regions`](crate::ScoreMap::regions).
    pub fn pixel_threshold(&self) -> Option<DecisionThreshold> {
        self.pixel_threshold
    }

    /// The scores of the calibration images.
    pub fn image_scores(&self) -> &SplitConformal {
        &self.image_scores
    }

    /// The largest value of each calibration image's anomaly map, of a system that has maps.
    pub fn pixel_scores(&self) -> Option<&SplitConformal> {
        self.pixel_scores.as_ref()
    }

    /// The calibration images by kind; empty for a model of one.
    pub fn kinds(&self) -> Vec<KindCalibration> {
        let above =
            |scores: &[f32]| scores.iter().filter(|&&score| score > self.threshold.value).count();
        let kind =
            |scores: &Vec<f32>| KindCalibration { images: scores.len(), above: above(scores) };
        self.kind_scores.iter().map(kind).collect()
    }

    /// What the score of an image says of it.
    ///
    /// # Errors
    /// [`CalibrationError::NonFiniteScore`] where the score is infinite or not a number.
    pub fn verdict(&self, score: f32) -> Result<Verdict, CalibrationError> {
        let Self { rate, basis, threshold, .. } = *self;
        self.image_scores.verdict(score, &Threshold { value: threshold.value, rate, basis })
    }

    /// What a detection becomes by the calibration: its verdict, threshold and defect pixels are set.
    ///
    /// # Errors
    /// [`CalibrationError::NonFiniteScore`] where the score is infinite or not a number.
    pub fn judge(&self, detection: Detection) -> Result<Detection, CalibrationError> {
        Ok(Detection {
            verdict: Some(Verdict { score: detection.score, ..self.verdict(detection.rank())? }),
            threshold: Some(self.threshold.value),
            defect_pixels: self.pixel_threshold.map(|own| DefectPixels::Above(own.value)),
            ..detection
        })
    }

    pub(crate) fn set_rate(&mut self, rate: FalseAlarmRate) -> Result<(), CalibrationError> {
        let image = self.image_scores.threshold(rate)?;
        let pixel = self.pixel_scores.as_ref().map(|scores| scores.threshold(rate)).transpose()?;
        // Of parts that aren't located, which are false alarms at any threshold.
        if image.value == f32::MAX {
            let lost =
                self.image_scores.scores().iter().filter(|&&score| score == f32::MAX).count();
            let needed = (((lost + 1) as f64) / rate.get()).ceil() as u64 - 1;
            let (rate, images) = (rate.get(), self.image_scores.images());
            return Err(CalibrationError::UnsupportedRate { rate, images, needed });
        }
        (self.rate, self.basis) = (rate, RateBasis::Asked);
        (self.threshold, self.pixel_threshold) = (image.into(), pixel.map(DecisionThreshold::from));
        Ok(())
    }

    pub(crate) fn set_threshold(&mut self, value: f32) -> Result<(), CalibrationError> {
        self.threshold = DecisionThreshold::by_hand(value)?;
        Ok(())
    }

    pub(crate) fn set_pixel_threshold(&mut self, value: f32) -> Result<(), CalibrationError> {
        self.pixel_threshold = Some(DecisionThreshold::by_hand(value)?);
        Ok(())
    }
}

impl DecisionThreshold {
    fn by_hand(value: f32) -> Result<Self, CalibrationError> {
        match value.is_finite() {
            true => Ok(Self { value, set_by_hand: true }),
            false => Err(CalibrationError::NonFiniteThreshold { found: value }),
        }
    }
}

impl From<Threshold> for DecisionThreshold {
    fn from(threshold: Threshold) -> Self {
        Self { value: threshold.value, set_by_hand: false }
    }
}

impl TryFrom<Unchecked> for SplitCalibration {
    type Error = CalibrateError;

    fn try_from(unchecked: Unchecked) -> Result<Self, Self::Error> {
        let Unchecked {
            rate,
            basis,
            threshold,
            pixel_threshold,
            image_scores,
            pixel_scores,
            kind_scores,
        } = unchecked;
        let inconsistent =
            |expected, found: String| CalibrateError::Inconsistent { expected, found };
        let pixels = match (pixel_scores, pixel_threshold) {
            (Some(scores), Some(threshold)) => Some((scores, threshold)),
            (None, None) => None,
            _ => {
                let expected = "a pixel threshold and pixel scores, or neither";
                return Err(inconsistent(expected, "one of them".to_owned()));
            }
        };
        if let Some((scores, _)) = &pixels
            && scores.images() != image_scores.images()
        {
            let found = format!("{} and {}", image_scores.images(), scores.images());
            return Err(inconsistent("as many image scores as pixel scores", found));
        }
        if basis != RateBasis::Asked {
            let default = image_scores.default_threshold();
            if (default.rate, default.basis) != (rate, basis) {
                return Err(inconsistent("the default rate of its images", rate.to_string()));
            }
        }
        let of_pixels = pixels.iter().map(|(scores, threshold)| (scores, *threshold));
        for (scores, threshold) in of_pixels.chain([(&image_scores, threshold)]) {
            let computed = scores.threshold(rate)?.value;
            DecisionThreshold::by_hand(threshold.value)?;
            if !threshold.set_by_hand && threshold.value != computed {
                let found = threshold.value.to_string();
                return Err(inconsistent("the thresholds of its rate, or ones set by hand", found));
            }
        }
        let mut by_kind = kind_scores.concat();
        by_kind.sort_unstable_by(f32::total_cmp);
        if !by_kind.is_empty() && by_kind != image_scores.scores() {
            let found = format!("{} scores by kind", by_kind.len());
            return Err(inconsistent("the scores of its images, by kind", found));
        }
        let (pixel_scores, pixel_threshold) = pixels.unzip();
        Ok(Self {
            rate,
            basis,
            threshold,
            pixel_threshold,
            image_scores,
            pixel_scores,
            kind_scores,
        })
    }
}
