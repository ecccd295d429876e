use std::path::Path;

use serde::Serialize;

use crate::calibration::Calibration;
use crate::config::PipelineConfig;
use crate::cross_calibration::CrossCalibration;
use crate::cross_file;
use crate::error::PipelineError;
use crate::model_file;

/// What a model file says of its model: all but the networks, which aren't loaded, so that neither a device
/// nor the weights of the backbone have to be there.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ModelInfo {
    /// The version of the file's format; see [`FORMAT_VERSION`](crate::FORMAT_VERSION), and
    /// [`CROSS_FORMAT_VERSION`](crate::CROSS_FORMAT_VERSION) for a [`CrossFitted`](crate::CrossFitted) model.
    pub format_version: u64,
    /// The length of the file in bytes.
    pub bytes: u64,
    /// The configuration the model was trained with.
    pub config: PipelineConfig,
    /// How many images the model was trained on; not known of a file before version 4.
    pub training_images: Option<usize>,
    /// What the model was calibrated to, if it was.
    pub calibration: Option<Calibration>,
    /// What its folds say of scores, of a [`CrossFitted`](crate::CrossFitted) model.
    pub cross_calibration: Option<CrossCalibration>,
    /// SHA-256 of the backbone's weights, in hexadecimal.
    pub backbone_sha256: String,
    /// Whether the file includes them.
    pub backbone_included: bool,
}

impl ModelInfo {
    /// Reads a model file of either kind.
    ///
    /// # Errors
    /// [`PipelineError::Model`] with the path and what is wrong; that the networks fit the configuration
    /// is not looked at.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, PipelineError> {
        let path = path.as_ref();
        let info = || {
            let bytes = nfbmr_files::read(path)?;
            match model_file::is_cross_fitted(&bytes) {
                true => cross_file::info(&bytes),
                false => Ok(model_file::info(&bytes)?.0),
            }
        };
        info().map_err(|source| PipelineError::Model { path: path.to_owned(), source })
    }
}
