use std::collections::HashSet;

use nfbmr_backend::Backend;
use nfbmr_calibration::{CalibrationError, FalseAlarmRate};
use rayon::prelude::*;

use crate::calibrate_error::CalibrateError;
use crate::calibration::Calibration;
use crate::error::PipelineError;
use crate::fingerprint::{Fingerprint, fingerprint};
use crate::images::Images;
use crate::pipeline::Pipeline;
use crate::progress::{Phase, ProgressFn, Reporter};

/// Images that are decoded and in memory together.
const CHUNK: usize = 8;

/// The calibration of a model by images of good parts.
pub(crate) fn calibrate<B: Backend>(
    pipeline: &Pipeline<B>,
    images: Images<'_>,
    rate: Option<FalseAlarmRate>,
    progress: &mut ProgressFn<'_>,
) -> Result<Calibration, PipelineError> {
    let count = images.len();
    // Before any of them is scored. Once bad files and repeated contents are left out there may be fewer.
    if let Some(rate) = rate
        && (count as u64) < rate.images_needed()
    {
        let needed = rate.images_needed();
        return Err(CalibrationError::UnsupportedRate { rate: rate.get(), images: count, needed })
            .map_err(|error| CalibrateError::from(error).into());
    }
    let names = images.names();
    let mut reporter = Reporter::new(Phase::Calibration, 1, count, progress);
    let mut seen_before = HashSet::new();
    let mut trained_on = Vec::new();
    let (mut image_scores, mut pixel_scores) = (Vec::new(), Vec::new());
    images.try_for_decoded(CHUNK, |images, indices, seen| {
        let content = |image| Ok(fingerprint(&pipeline.fit(image)?.image));
        let contents: Vec<Fingerprint> =
            images.par_iter().map(content).collect::<Result<_, PipelineError>>()?;
        let known = |content| pipeline.trained_on.as_ref().is_some_and(|t| t.contains(content));
        let indexed = contents.iter().zip(indices);
        trained_on.extend(indexed.filter(|(content, _)| known(content)).map(|(_, &index)| index));
        // Of images that are refused, the others are only looked through.
        if trained_on.is_empty() {
            let detections = pipeline.detect_batch(images)?;
            for ((detection, content), &index) in detections.iter().zip(contents).zip(indices) {
                if !seen_before.insert(content) {
                    continue;
                }
                let values = &detection.anomaly_map.values;
                let mut all = values.iter().chain([&detection.score]);
                if let Some(&found) = all.find(|value| !value.is_finite()) {
                    let image = names.get(index);
                    return Err(CalibrateError::NonFiniteScore { image, found }.into());
                }
                image_scores.push(detection.score);
                pixel_scores.push(values.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            }
        }
        reporter.advance(seen)
    })?;
    if let Some(&first) = trained_on.first() {
        let (found, first) = (trained_on.len(), names.get(first));
        return Err(CalibrateError::TrainedOn { found, first }.into());
    }
    tracing::info!(images = image_scores.len(), given = count, "calibrated");
    Ok(Calibration::new(image_scores, pixel_scores, rate).map_err(CalibrateError::from)?)
}
