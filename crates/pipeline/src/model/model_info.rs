//! What a model file says of its model.

use serde::Serialize;

use crate::calibrate::Calibration;
use crate::choose::Choices;
use crate::config::PipelineConfig;

/// What a model file says of its model: all but the networks, which aren't loaded, so that neither a device
/// nor the weights of the backbone have to be there.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ModelInfo {
    /// The version of the file's format; see [`FORMAT_VERSION`](crate::FORMAT_VERSION).
    pub format_version: u64,
    /// The length of the file in bytes.
    pub bytes: u64,
    /// The configuration the model was trained with.
    pub config: PipelineConfig,
    /// What training chose of what its configuration left open.
    pub choices: Choices,
    /// How many images the model was trained on.
    pub training_images: usize,
    /// What the model was calibrated to, if it was.
    pub calibration: Option<Calibration>,
    /// SHA-256 of the backbone's weights, in hexadecimal.
    pub backbone_sha256: String,
    /// Whether the file includes them.
    pub backbone_included: bool,
}
