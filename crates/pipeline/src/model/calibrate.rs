//! The calibration of a model by images of good parts.

use std::collections::HashSet;

use nfbmr_backend::Backend;
use nfbmr_calibration::FalseAlarmRate;
use rayon::prelude::*;

use super::Pipeline;
use crate::calibrate::{Calibration, SplitCalibration, Suspect, far_out};
use crate::error::{CalibrateError, ImageName, Phase, PipelineError};
use crate::input::{Fingerprint, Images, TrainedOn};
use crate::progress::{ProgressFn, Reporter};
use crate::score::Detection;

impl<B: Backend> Pipeline<B> {
    /// Calibrates the model on images of good parts that it was not trained on: they give thresholds for a
    /// false-alarm rate, and every detection from then on a p-value and a verdict.
    ///
    /// `None` asks for 5 %, or the smallest rate that the images support, 1 / (n + 1) of n images. The images
    /// are decoded a few at a time and scored as any other. Contents that repeat count once: a copy is no
    /// further image, and n copies would promise what one image can't. `docs/thresholds.md` has what is
    /// promised. Another device rounds differently, so calibrate on the one that detects.
    ///
    /// # Errors
    /// [`PipelineError::Calibration`] where the model was trained on some of the images (of the same pixels at
    /// the network's size), where they are too few for the rate, or where a score is not finite; an image
    /// that can't be read, or the caller's interruption. An earlier calibration stays then.
    pub fn calibrate<'a>(
        &mut self,
        images: impl Into<Images<'a>>,
        rate: Option<FalseAlarmRate>,
        progress: &mut ProgressFn<'_>,
    ) -> Result<&Calibration, PipelineError> {
        // Which would judge the scores that replace it.
        let earlier = self.calibration.take();
        match calibrate(self, images.into(), rate, progress) {
            Ok((calibration, contents, suspects)) => {
                self.calibrated_on = contents;
                // Beside those of the training, if it was this one's.
                if let Some(suspects) = suspects {
                    self.suspects.get_or_insert_default().extend(suspects);
                }
                Ok(self.calibration.insert(calibration))
            }
            Err(error) => {
                self.calibration = earlier;
                Err(error)
            }
        }
    }
}

/// The score of an image and the largest value of its anomaly map, if it has one, where that is inspected, all of which
/// are finite; the largest numbers there are for a part that isn't located, which is a false alarm at any threshold.
pub(crate) fn scores(
    detection: &Detection,
    image: impl FnOnce() -> ImageName,
) -> Result<(f32, Option<f32>), CalibrateError> {
    let values = || detection.anomaly_map.inspected_values();
    match values().chain([detection.score]).find(|value| !value.is_finite()) {
        Some(found) => Err(CalibrateError::NonFiniteScore { image: image(), found }),
        None => {
            let lost = detection.not_located().map(|_| f32::MAX);
            let highest = || values().fold(f32::NEG_INFINITY, f32::max);
            let pixel = (!detection.anomaly_map.is_none()).then(|| lost.unwrap_or_else(highest));
            Ok((lost.unwrap_or(detection.score), pixel))
        }
    }
}

/// The calibration of a model by images of good parts, their contents, and those of them that are far out of the
/// others.
fn calibrate<B: Backend>(
    pipeline: &Pipeline<B>,
    images: Images<'_>,
    rate: Option<FalseAlarmRate>,
    progress: &mut ProgressFn<'_>,
) -> Result<(Calibration, TrainedOn, Option<Vec<Suspect>>), PipelineError> {
    let count = images.len();
    // Before any of them is scored. Once bad files and repeated contents are left out there may be fewer.
    if let Some(rate) = rate {
        rate.check(count).map_err(CalibrateError::from)?;
    }
    let names = images.names();
    let mut reporter = Reporter::new(Phase::Calibration, 1, count, progress);
    let mut seen_before = HashSet::new();
    let mut trained_on = Vec::new();
    let (mut image_scores, mut pixel_scores) = (Vec::new(), Vec::new());
    let mut kind_scores: Vec<Vec<f32>> = Vec::new();
    let (mut named, mut not_located) = (Vec::new(), Vec::new());
    images.try_for_decoded(&pipeline.input, |images, indices, seen| {
        let content = |image| pipeline.input.content(image);
        let contents: Vec<Fingerprint> =
            images.par_iter().map(content).collect::<Result<_, PipelineError>>()?;
        let known = |content| pipeline.trained_on.contains(content);
        let indexed = contents.iter().zip(indices);
        trained_on.extend(indexed.filter(|(content, _)| known(content)).map(|(_, &index)| index));
        // Of images that are refused, the others are only looked through.
        if trained_on.is_empty() {
            let detections = pipeline.detect_batch(images)?;
            for ((detection, content), &index) in detections.iter().zip(contents).zip(indices) {
                if !seen_before.insert(content) {
                    continue;
                }
                let (image, pixel) = scores(detection, || names.get(index))?;
                image_scores.push(image);
                if let Some(kind) = detection.kind {
                    kind_scores.resize_with(kind_scores.len().max(kind + 1), Vec::new);
                    if let Some(own) = kind_scores.get_mut(kind) {
                        own.push(image);
                    }
                }
                named.push((names.get(index), f64::from(detection.score)));
                not_located.extend(detection.not_located().map(|_| index));
                pixel_scores.push(pixel);
            }
        }
        reporter.advance(seen)
    })?;
    if let Some(&first) = trained_on.first() {
        let (found, first) = (trained_on.len(), names.get(first));
        return Err(CalibrateError::TrainedOn { found, first }.into());
    }
    tracing::info!(images = image_scores.len(), given = count, "calibrated");
    let images = image_scores.len();
    let pixel_scores = pixel_scores.into_iter().collect();
    let calibration = SplitCalibration::new(image_scores, pixel_scores, rate);
    let calibration = calibration.map_err(CalibrateError::from)?.with_kinds(kind_scores);
    // The threshold would have to be above every number.
    if let (Some(&first), true) = (not_located.first(), calibration.threshold().value == f32::MAX) {
        let (found, first, rate) = (not_located.len(), names.get(first), calibration.rate());
        return Err(CalibrateError::NotLocated { found, images, first, rate }.into());
    }
    let contents = TrainedOn::new(seen_before.into_iter().collect());
    Ok((Calibration::Split(calibration), contents, far_out(&named)))
}
