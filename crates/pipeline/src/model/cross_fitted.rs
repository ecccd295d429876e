//! Models of several folds as one detector.

use std::path::Path;

use image::DynamicImage;
use nfbmr_backend::Backend;
use nfbmr_calibration::{FalseAlarmRate, Verdict};
use nfbmr_data::Frame;

use super::{AnomalyModel, Known, Pipeline, StoredBackbone};
use crate::calibrate::{Calibration, Suspect};
use crate::config::PipelineConfig;
use crate::error::{CalibrateError, PipelineError};
use crate::input::Images;
use crate::progress::ProgressFn;
use crate::score::{Component, DefectPixels, Detection, ScoreMap};

/// An ensemble of pipelines of one configuration, each trained without one fold of the images, and calibrated
/// by what each says of its fold: for few images, of which none is lost to training and all count for
/// the p-value.
///
/// The score of an image is the mean of the models', its anomaly map the mean of their maps; detection takes
/// the time of all of them. Verdicts come from the p-value of all models together
/// ([`CrossConformal`](nfbmr_calibration::CrossConformal)), so that no score is a threshold, and the proven
/// bound of the false alarms is weaker than the asked rate: [`CrossCalibration::bound`](crate::CrossCalibration::bound)
/// has it.
/// `docs/thresholds.md` derives it.
#[derive(Clone, Debug)]
pub struct CrossFitted<B: Backend> {
    /// Of one configuration, as many as the calibration has folds, in that order; not calibrated by themselves.
    pub(crate) models: Vec<Pipeline<B>>,
    /// That of the folds.
    pub(crate) calibration: Calibration,
    /// Not of a file.
    pub(crate) suspects: Option<Vec<Suspect>>,
}

impl<B: Backend> CrossFitted<B> {
    /// The models, in the order of the folds that they were trained without.
    pub fn models(&self) -> &[Pipeline<B>] {
        &self.models
    }

    /// The configuration that all models were trained with.
    pub fn config(&self) -> &PipelineConfig {
        self.models[0].config()
    }

    /// What the folds say of scores.
    pub fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// The same, to set another rate.
    pub fn calibration_mut(&mut self) -> &mut Calibration {
        &mut self.calibration
    }

    /// Scores one image of any size.
    ///
    /// # Errors
    /// If the image has no pixels or a value that has no brightness, or a model gives it a score or a value of the map that isn't finite.
    pub fn detect(&self, image: &DynamicImage) -> Result<Detection, PipelineError> {
        self.joint(self.models.iter().map(|model| model.detect(image)).collect::<Result<_, _>>()?)
    }

    /// Scores a camera frame.
    ///
    /// # Errors
    /// As [`Self::detect`].
    pub fn detect_frame(&self, frame: &Frame<'_>) -> Result<Detection, PipelineError> {
        self.detect(&frame.to_image()?)
    }

    /// Scores images of any sizes, in order.
    ///
    /// # Errors
    /// As [`Self::detect`], for the first image at fault.
    pub fn detect_batch(&self, images: &[DynamicImage]) -> Result<Vec<Detection>, PipelineError> {
        let by_model = self.models.iter().map(|model| model.detect_batch(images));
        let by_model: Vec<Vec<Detection>> = by_model.collect::<Result<_, _>>()?;
        let mut by_model: Vec<_> = by_model.into_iter().map(Vec::into_iter).collect();
        let mut of_next_image = || by_model.iter_mut().filter_map(Iterator::next).collect();
        images.iter().map(|_| self.joint(of_next_image())).collect()
    }

    /// What the models say of one image together.
    fn joint(&self, detections: Vec<Detection>) -> Result<Detection, PipelineError> {
        let scores: Vec<f32> = detections.iter().map(|found| found.score).collect();
        let ranks: Vec<f32> = detections.iter().map(Detection::rank).collect();
        let maps: Vec<&ScoreMap> = detections.iter().map(|found| &found.anomaly_map).collect();
        let calibration = self.calibration.cross().ok_or(CalibrateError::Uncalibrated)?;
        let verdict = Verdict {
            score: mean_score(&scores),
            ..calibration.verdict(&ranks).map_err(CalibrateError::from)?
        };
        let anomalous = calibration.anomalous_pixels(&maps).map_err(CalibrateError::from)?;
        let mut joint = Detection::new(verdict.score, mean_map(&maps));
        // All models have the same template, and number kinds alike.
        joint.located = detections.iter().find_map(|found| found.located);
        joint.kind = detections.iter().find_map(|found| found.kind);
        joint.verdict = Some(verdict);
        joint.defect_pixels = anomalous.map(DefectPixels::Marked);
        joint.source = mean_component(detections.iter().map(|found| found.source.as_ref()));
        joint.target = mean_component(detections.iter().map(|found| found.target.as_ref()));
        joint.likelihood = mean_component(detections.iter().map(|found| found.likelihood.as_ref()));
        Ok(joint)
    }
}

/// The mean of maps of one size and one mask, at least one.
fn mean_map(maps: &[&ScoreMap]) -> ScoreMap {
    let mut sums = vec![0f64; maps[0].values.len()];
    for map in maps {
        sums.iter_mut().zip(&map.values).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    let values = sums.into_iter().map(|sum| (sum / maps.len() as f64) as f32).collect();
    let ScoreMap { width, height, ref inspected, .. } = *maps[0];
    ScoreMap { width, height, values, inspected: inspected.clone() }
}

fn mean_score(scores: &[f32]) -> f32 {
    let sum: f64 = scores.iter().map(|&score| f64::from(score)).sum();
    (sum / scores.len() as f64) as f32
}

/// The mean of a part that all models have, at least one.
fn mean_component<'a>(parts: impl Iterator<Item = Option<&'a Component>>) -> Option<Component> {
    let parts: Vec<&Component> = parts.collect::<Option<_>>()?;
    let maps: Vec<&ScoreMap> = parts.iter().map(|part| &part.map).collect();
    let scores: Vec<f32> = parts.iter().map(|part| part.score).collect();
    Some(Component { score: mean_score(&scores), map: mean_map(&maps) })
}

impl<B: Backend> AnomalyModel for CrossFitted<B> {
    fn white_level(&self) -> Option<u16> {
        self.config().white_level
    }

    fn detect_batch(&self, images: &[DynamicImage]) -> Result<Vec<Detection>, PipelineError> {
        self.detect_batch(images)
    }

    fn detect(&self, image: &DynamicImage) -> Result<Detection, PipelineError> {
        self.detect(image)
    }

    /// Every image of a fold is one that the other models were trained on.
    fn known(&self, image: &DynamicImage) -> Result<Option<Known>, PipelineError> {
        let known = self
            .models
            .iter()
            .map(|model| model.known(image))
            .find(|found| !matches!(found, Ok(None)));
        known.unwrap_or(Ok(None))
    }

    fn calibrate(
        &mut self,
        _: Images<'_>,
        _: Option<FalseAlarmRate>,
        _: &mut ProgressFn<'_>,
    ) -> Result<&Calibration, PipelineError> {
        let (action, folds) = ("calibrate on other images", self.models.len());
        Err(CalibrateError::CrossFitted { action, folds }.into())
    }

    fn calibration(&self) -> Option<&Calibration> {
        Some(&self.calibration)
    }

    fn calibration_mut(&mut self) -> Result<&mut Calibration, CalibrateError> {
        Ok(&mut self.calibration)
    }

    fn suspects(&self) -> Option<&[Suspect]> {
        self.suspects.as_deref()
    }

    fn save(&self, path: &Path, backbone: StoredBackbone) -> Result<(), PipelineError> {
        self.save(path, backbone)
    }
}
