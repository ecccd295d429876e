use std::path::Path;

use burn::tensor::Tensor;
use image::DynamicImage;
use nfbmr_backend::Backend;
use nfbmr_calibration::FalseAlarmRate;
use nfbmr_data::Frame;
use nfbmr_flow::{Flow, nll_map};
use nfbmr_metrics::DefectRegion;

use crate::calibration::Calibration;
use crate::cross_calibration::CrossCalibration;
use crate::error::PipelineError;
use crate::images::Images;
use crate::mean_features::MeanFeatures;
use crate::progress::ProgressFn;
use crate::score::Detection;
use crate::suspects::Suspect;

/// The source space: images to features y (equation (1)).
pub trait FeatureExtractor<B: Backend>: Send + Sync {
    /// Images `[N, 3, S, S]` with values 0 to 1 to features `[N, C, H, W]`.
    ///
    /// # Errors
    /// If the shape doesn't suit the extractor.
    fn extract(&self, images: Tensor<B, 4>) -> Result<Tensor<B, 4>, PipelineError>;
}

/// Features in the target space.
#[derive(Clone, Debug)]
pub struct Target<B: Backend> {
    /// Target features `[N, C, H, W]`.
    pub features: Tensor<B, 4>,
    /// Negative log-likelihood by position `[N, H, W]`, where the space has a density.
    pub likelihood: Option<Tensor<B, 3>>,
}

/// The target space (equation (2)): a flow looks at the source features alone, a second CNN at the image.
pub trait TargetSpace<B: Backend>: Send + Sync {
    /// Target features of images `[N, 3, S, S]` (0 to 1) with source features `[N, C, H, W]`.
    ///
    /// # Errors
    /// If a shape doesn't suit the space.
    fn target(
        &self,
        images: &Tensor<B, 4>,
        source: &Tensor<B, 4>,
    ) -> Result<Target<B>, PipelineError>;
}

/// Both terms of the anomaly map (14), each `[N, H, W]`.
#[derive(Clone, Debug)]
pub struct Residuals<B: Backend> {
    /// ‖y − ŷ‖² by position; `None` of a mapper that goes to the target space alone.
    pub source: Option<Tensor<B, 3>>,
    /// ‖z − ẑ‖² by position.
    pub target: Tensor<B, 3>,
}

/// Maps each space to the other (equations (9) and (10)).
pub trait BidirectionalMapper<B: Backend>: Send + Sync {
    /// What the mapping of source features y and target features z, `[N, C, H, W]`, misses.
    ///
    /// # Errors
    /// If a shape doesn't suit the mapper.
    fn residuals(&self, y: Tensor<B, 4>, z: Tensor<B, 4>) -> Result<Residuals<B>, PipelineError>;
}

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

    /// Source and target features of an image, averaged over its positions; `None` of a detector without
    /// features.
    ///
    /// # Errors
    /// As [`Self::detect_batch`].
    fn mean_features(&self, image: &DynamicImage) -> Result<Option<MeanFeatures>, PipelineError> {
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

    /// The images of this training and calibration that are far out of the others; see
    /// [`Pipeline::suspects`](crate::Pipeline::suspects).
    fn suspects(&self) -> Option<&[Suspect]> {
        None
    }

    /// What the folds of a [`CrossFitted`](crate::CrossFitted) model, which has no [`Self::calibration`],
    /// say of scores.
    fn cross_calibration(&self) -> Option<&CrossCalibration> {
        None
    }

    /// The defect regions of a detection by this model, the highest peak first; `None` where it isn't
    /// calibrated.
    ///
    /// # Errors
    /// [`PipelineError::Metric`] of an anomaly map that isn't one.
    fn regions(&self, detection: &Detection) -> Result<Option<Vec<DefectRegion>>, PipelineError>;

    /// Sets another false-alarm rate; thresholds follow from the same images.
    ///
    /// # Errors
    /// [`PipelineError::Calibration`] where the model isn't calibrated, or its images are too few for the rate.
    fn set_rate(&mut self, rate: FalseAlarmRate) -> Result<(), PipelineError>;

    /// Sets the score above which an image is anomalous.
    ///
    /// # Errors
    /// [`PipelineError::Calibration`] where the model isn't calibrated or has no such threshold, or the value
    /// isn't finite.
    fn set_threshold(&mut self, value: f32) -> Result<(), PipelineError>;

    /// Sets the value of an anomaly map above which a pixel belongs to a defect.
    ///
    /// # Errors
    /// As [`Self::set_threshold`].
    fn set_pixel_threshold(&mut self, value: f32) -> Result<(), PipelineError>;

    /// Writes the model to one file, atomically.
    ///
    /// # Errors
    /// [`PipelineError::Model`]; a file that was there before stays intact then.
    fn save(&self, path: &Path) -> Result<(), PipelineError>;

    /// As [`Self::save`], with the weights of a backbone included, which [`Self::save`] may leave out.
    ///
    /// # Errors
    /// As [`Self::save`].
    fn save_with_backbone(&self, path: &Path) -> Result<(), PipelineError>;
}

impl<B: Backend> TargetSpace<B> for Flow<B> {
    fn target(&self, _: &Tensor<B, 4>, source: &Tensor<B, 4>) -> Result<Target<B>, PipelineError> {
        let output = self.forward(source.clone())?;
        let likelihood = Some(nll_map(&output));
        Ok(Target { features: output.z, likelihood })
    }
}
