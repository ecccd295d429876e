//! What any trained detector can do.

use std::path::Path;

use image::DynamicImage;
use nfbmr_calibration::FalseAlarmRate;
use nfbmr_data::Frame;

use crate::calibrate::{Calibration, Suspect};
use crate::error::{CalibrateError, PipelineError};
use crate::input::Images;
use crate::progress::ProgressFn;
use crate::score::Detection;

/// A trained detector of any kind: images in, scores and anomaly maps out.
pub trait AnomalyModel: Send + Sync {
    /// The value of white in 16-bit images that don't declare it, for [`to_rgb8`](nfbmr_data::to_rgb8) and
    /// [`load_rgb8`](nfbmr_data::load_rgb8): an image that is shown next to its map is read by it too.
    fn white_level(&self) -> Option<u16> {
        None
    }

    /// Scores images of any sizes, in order.
    ///
    /// # Errors
    /// If an image can't be brought to the model's input size.
    fn detect_batch(&self, images: &[DynamicImage]) -> Result<Vec<Detection>, PipelineError>;

    /// Scores one image.
    ///
    /// # Errors
    /// As [`Self::detect_batch`].
    fn detect(&self, image: &DynamicImage) -> Result<Detection, PipelineError>;

    /// Scores a camera frame.
    ///
    /// # Errors
    /// As [`Self::detect_batch`].
    fn detect_frame(&self, frame: &Frame<'_>) -> Result<Detection, PipelineError> {
        self.detect(&frame.to_image()?)
    }

    /// Source and target features of an image, averaged over its positions; `None` for a detector without
    /// features.
    ///
    /// # Errors
    /// As [`Self::detect_batch`].
    fn mean_features(&self, image: &DynamicImage) -> Result<Option<MeanFeatures>, PipelineError> {
        let _ = image;
        Ok(None)
    }

    /// Whether the model was trained or calibrated on an image of this content, which it scores too low for any
    /// figure; `None` where it wasn't, and for a detector that doesn't know.
    ///
    /// # Errors
    /// As [`Self::detect_batch`].
    fn known(&self, image: &DynamicImage) -> Result<Option<Known>, PipelineError> {
        let _ = image;
        Ok(None)
    }

    /// Calibrates the model; see [`Pipeline::calibrate`](crate::Pipeline::calibrate).
    ///
    /// # Errors
    /// [`PipelineError::Calibration`], an image that can't be read, or the caller's interruption; an earlier
    /// calibration stays then.
    fn calibrate(
        &mut self,
        images: Images<'_>,
        rate: Option<FalseAlarmRate>,
        progress: &mut ProgressFn<'_>,
    ) -> Result<&Calibration, PipelineError>;

    /// What the model was calibrated to, if it was.
    fn calibration(&self) -> Option<&Calibration>;

    /// The same, to set another rate or threshold.
    ///
    /// # Errors
    /// [`CalibrateError::Uncalibrated`].
    fn calibration_mut(&mut self) -> Result<&mut Calibration, CalibrateError>;

    /// The images of this training and calibration that are far out of the others; see
    /// [`Pipeline::suspects`](crate::Pipeline::suspects).
    fn suspects(&self) -> Option<&[Suspect]> {
        None
    }

    /// Writes the model to one file, atomically.
    ///
    /// # Errors
    /// [`PipelineError::Model`]; a file that was there before stays intact then.
    fn save(&self, path: &Path, backbone: StoredBackbone) -> Result<(), PipelineError>;
}

/// What a model knows an image from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Known {
    /// It was trained on it.
    Training,
    /// It was calibrated on it.
    Calibration,
}

/// What a model file holds of the weights of the backbone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoredBackbone {
    /// Their checksum: whoever loads the model has the weights.
    Referred,
    /// All of them: the file is complete.
    Included,
}

/// The features of an image, each averaged over the positions: what a picture of the spaces is drawn from.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MeanFeatures {
    /// Of the source space, a value a channel, level by level; whitened where a flow sees them so.
    pub source: Vec<f32>,
    /// Of the target space: what the flow or the second CNN gives, of a system that has one.
    pub target: Option<Vec<f32>>,
}
