//! Heatmaps of `detect`: one PNG file an image.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use image::{ImageFormat, RgbImage};
use nfbmr::calibration::SplitConformal;
use nfbmr::{Calibration, CrossCalibration, ScoreMap, heatmap};

use crate::error::CliError;
use crate::output::make_folder;

/// The folder of the heatmaps, and what is known of their scale.
pub struct Heatmaps<'a> {
    folder: &'a Path,
    written: HashSet<PathBuf>,
    scale: Option<(f32, f32)>,
}

impl<'a> Heatmaps<'a> {
    /// On the scale of the calibration: from the mildest of its good images to as far above the pixel
    /// threshold, which has the colour in the middle. Without one each heatmap has a scale of its own.
    pub fn new(
        folder: &'a Path,
        calibration: Option<&Calibration>,
        cross: Option<&CrossCalibration>,
    ) -> Result<Self, CliError> {
        make_folder(folder)?;
        let own = |calibration: &Calibration| {
            let low = *calibration.pixel_scores().scores().first()?;
            Some((low, calibration.pixel_threshold().value))
        };
        let ends = calibration.and_then(own).or_else(|| cross.and_then(typical));
        let scale = ends.and_then(|(low, threshold)| {
            (threshold > low).then_some((low, threshold + (threshold - low)))
        });
        Ok(Self { folder, written: HashSet::new(), scale })
    }

    /// Writes the heatmap of an image and returns its path.
    pub fn write(
        &mut self,
        name: &Path,
        image: &RgbImage,
        map: &ScoreMap,
    ) -> Result<PathBuf, CliError> {
        let path = self.path(name);
        let failed = |source| CliError::Write { path: path.clone(), source };
        let (low, high) = self.scale.unwrap_or_else(|| range(map));
        let drawn = heatmap(image, map, low, high)?;
        let mut bytes = Cursor::new(Vec::new());
        drawn
            .write_to(&mut bytes, ImageFormat::Png)
            .map_err(|error| failed(io::Error::other(error)))?;
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        nfbmr_files::write(&path, bytes.get_ref()).map_err(failed)?;
        Ok(path)
    }

    /// A path of its own: images of several folders may share a name.
    fn path(&mut self, name: &Path) -> PathBuf {
        let mut number = 1;
        loop {
            let mut file = OsString::from(name.file_stem().unwrap_or_default());
            file.push("_heatmap");
            if number > 1 {
                file.push(format!("-{number}"));
            }
            file.push(".png");
            let path = self.folder.join(name.with_file_name(file));
            if self.written.insert(path.clone()) {
                return path;
            }
            number += 1;
        }
    }
}

/// The lowest score of all folds together, and what a threshold would be if the scores of their models
/// were those of one: good enough for a colour.
fn typical(cross: &CrossCalibration) -> Option<(f32, f32)> {
    let folds = cross.pixel_scores().folds().iter();
    let scores: Vec<f32> = folds.flat_map(SplitConformal::scores).copied().collect();
    let scores = SplitConformal::new(scores).ok()?;
    Some((*scores.scores().first()?, scores.threshold(cross.rate()).ok()?.value))
}

/// The lowest and the highest value of a map, where it is inspected.
fn range(map: &ScoreMap) -> (f32, f32) {
    let ends = (f32::INFINITY, f32::NEG_INFINITY);
    map.inspected_values().fold(ends, |(low, high), value| (low.min(value), high.max(value)))
}
