//! A model on many image files.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use image::{DynamicImage, RgbImage};
use nfbmr_data::{DataError, Limits, load_rgb8};
use rayon::prelude::*;

use crate::error::PipelineError;
use crate::model::AnomalyModel;
use crate::score::Detection;

/// An image file and what a model says of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DetectedFile {
    /// The decoded image, in 8 bits by the white level of the model.
    pub image: RgbImage,
    /// Its score and anomaly map.
    pub detection: Detection,
}

/// Called with a file and what became of it; [`ControlFlow::Break`] ends the detection.
pub type DetectedFn<'a> =
    dyn FnMut(&Path, Result<DetectedFile, PipelineError>) -> ControlFlow<()> + 'a;

/// Scores image files, some of which are decoded while others are scored, and calls `each` with the
/// result of each in the order of `paths`.
///
/// A file that can't be read or scored is an error in its place, and the others are scored all the same.
/// Twice as many images as there are threads are in memory at once.
pub fn detect_files(
    model: &dyn AnomalyModel,
    paths: &[PathBuf],
    limits: &Limits,
    each: &mut DetectedFn<'_>,
) {
    let white_level = model.white_level();
    let load = |path: &PathBuf| Ok(load_rgb8(path, limits, white_level)?.into());
    let load = |paths: Option<&[PathBuf]>| -> Vec<Result<DynamicImage, DataError>> {
        paths.unwrap_or_default().par_iter().map(load).collect()
    };
    let mut chunks = paths.chunks(rayon::current_num_threads());
    let mut paths = paths.iter();
    let mut decoded = load(chunks.next());
    while !decoded.is_empty() {
        let next = chunks.next();
        let (loaded, scored) = rayon::join(|| load(next), || score(model, decoded));
        // In this order, as `zip` takes one more of the first than it has pairs.
        for (scored, path) in scored.into_iter().zip(paths.by_ref()) {
            if each(path, scored).is_break() {
                return;
            }
        }
        decoded = loaded;
    }
}

/// Scores the images among `decoded` together.
fn score(
    model: &dyn AnomalyModel,
    decoded: Vec<Result<DynamicImage, DataError>>,
) -> Vec<Result<DetectedFile, PipelineError>> {
    let mut errors = Vec::with_capacity(decoded.len());
    let mut images = Vec::with_capacity(decoded.len());
    for decoded in decoded {
        errors.push(decoded.map(|image| images.push(image)).err());
    }
    let detections: Vec<_> = match model.detect_batch(&images) {
        Ok(detections) => detections.into_iter().map(Ok).collect(),
        // One is at fault; the others have scores of their own.
        Err(_) => images.iter().map(|image| model.detect(image)).collect(),
    };
    let mut scored = images.into_iter().zip(detections);
    let place = |error: Option<DataError>| match error {
        Some(error) => Some(Err(error.into())),
        None => scored.next().map(|(image, detection)| {
            Ok(DetectedFile { image: image.into_rgb8(), detection: detection? })
        }),
    };
    errors.into_iter().filter_map(place).collect()
}
