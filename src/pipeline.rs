//! The detector.

use std::fmt;
use std::path::Path;

use image::{DynamicImage, RgbImage};
use nfbmr_backend::DeviceName;
use nfbmr_calibration::FalseAlarmRate;
use nfbmr_data::Frame;
use nfbmr_pipeline::{
    AnomalyModel, CalibrateError, Calibration, Detection, Drift, Images, Known, MeanFeatures,
    OnnxExport, PipelineConfig, PipelineError, ProgressFn, StoredBackbone, Suspect,
};

use crate::detector::AnyDetector;
use crate::heatmap::heatmap;
use crate::weights;

/// A trained detector: images in, scores, verdicts and defect regions out.
///
/// It is on a device chosen at run time, of one model or of one for each of several folds, calibrated or not.
/// [`Pipeline::train`] and [`Pipeline::load`] make it with the defaults, [`Pipeline::builder`] with anything else.
/// Scoring takes `&self` and works from several threads at once.
pub struct Pipeline {
    pub(crate) detector: AnyDetector,
    pub(crate) device: DeviceName,
}

impl Pipeline {
    /// Writes the model to one file, atomically. The embedded weights of the backbone are referred to by their
    /// checksum, others are included.
    ///
    /// # Errors
    /// [`PipelineError::Model`]; a file that was there before stays intact then.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PipelineError> {
        let embedded = weights::embedded();
        let backbone = match embedded.is_some_and(|weights| self.detector.needs_alone(weights)) {
            true => StoredBackbone::Referred,
            false => StoredBackbone::Included,
        };
        self.save_with(path, backbone)
    }

    /// As [`Self::save`], with the weights of the backbone included or not.
    ///
    /// # Errors
    /// As [`Self::save`].
    pub fn save_with(
        &self,
        path: impl AsRef<Path>,
        backbone: StoredBackbone,
    ) -> Result<(), PipelineError> {
        self.detector.save(path.as_ref(), backbone)
    }

    /// Writes the model as one ONNX graph, from the pixels of images of one size to score, verdict
    /// and anomaly map, for ONNX Runtime, OpenVINO and the like, atomically. `docs/onnx.md` has its
    /// inputs and outputs.
    ///
    /// # Errors
    /// [`PipelineError::Export`], also for what a graph doesn't say: parts that are located first,
    /// and some systems. A file that was there before stays intact then.
    pub fn export_onnx(
        &self,
        path: impl AsRef<Path>,
        export: &OnnxExport,
    ) -> Result<(), PipelineError> {
        self.detector.export_onnx(path.as_ref(), export)
    }

    /// Scores one image of any size.
    ///
    /// # Errors
    /// If the image has no pixels or a value that has no brightness, or a calibrated model gives it a score that
    /// isn't finite.
    pub fn detect(&self, image: &DynamicImage) -> Result<Detection, PipelineError> {
        self.detector.detect(image)
    }

    /// Scores images of any sizes, in order.
    ///
    /// # Errors
    /// As [`Self::detect`], for the first image at fault.
    pub fn detect_batch(&self, images: &[DynamicImage]) -> Result<Vec<Detection>, PipelineError> {
        self.detector.detect_batch(images)
    }

    /// Scores a camera frame.
    ///
    /// # Errors
    /// As [`Self::detect`], and [`PipelineError::Frame`] for a value that its format doesn't have.
    pub fn detect_frame(&self, frame: &Frame<'_>) -> Result<Detection, PipelineError> {
        self.detector.detect_frame(frame)
    }

    /// The anomaly map of a detection over its image, on the scale of the calibration
    /// ([`Calibration::heat_scale`]); without one from the lowest to the highest value of the map.
    ///
    /// # Errors
    /// [`PipelineError::Size`] if the image is empty, or the system gives no map.
    pub fn heatmap(
        &self,
        image: &RgbImage,
        detection: &Detection,
    ) -> Result<RgbImage, PipelineError> {
        let map = &detection.anomaly_map;
        let scale = self.calibration().and_then(Calibration::heat_scale);
        let [low, high] = scale.unwrap_or_else(|| {
            let ends = [f32::INFINITY, f32::NEG_INFINITY];
            let widen = |[low, high]: [f32; 2], value: f32| [low.min(value), high.max(value)];
            map.inspected_values().fold(ends, widen)
        });
        heatmap(image, map, low, high)
    }

    /// Whether the model was trained or calibrated on an image of this content, whatever its format: it scores it too
    /// low for any figure.
    ///
    /// # Errors
    /// As [`Self::detect`].
    pub fn known(&self, image: &DynamicImage) -> Result<Option<Known>, PipelineError> {
        self.detector.known(image)
    }

    /// Calibrates the model on images of good parts that it was not trained on: they give thresholds for a
    /// false-alarm rate, and every detection from then on a p-value and a verdict. A model of folds is calibrated
    /// by its training.
    ///
    /// `None` asks for 5 %, or the smallest rate that the images support, 1 / (n + 1) of n images. Contents that
    /// repeat count once. `docs/thresholds.md` has what is promised.
    ///
    /// # Errors
    /// [`PipelineError::Calibration`] where the model was trained on some of the images, where they are too few for
    /// the rate, or where a score is not finite; an image that can't be read, or the caller's interruption. An
    /// earlier calibration stays then.
    pub fn calibrate<'a>(
        &mut self,
        images: impl Into<Images<'a>>,
        rate: Option<FalseAlarmRate>,
        progress: &mut ProgressFn<'_>,
    ) -> Result<&Calibration, PipelineError> {
        self.detector.calibrate(images.into(), rate, progress)
    }

    /// What the model was calibrated to, if it was.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.detector.calibration()
    }

    /// The same, to set another rate or threshold.
    ///
    /// # Errors
    /// [`CalibrateError::Uncalibrated`].
    pub fn calibration_mut(&mut self) -> Result<&mut Calibration, CalibrateError> {
        self.detector.calibration_mut()
    }

    /// Watches the scores of a stream of images for drift from those of the calibration; `None` for a model without
    /// one, of folds, or calibrated on fewer than [`Drift::FEWEST`] images.
    ///
    /// # Errors
    /// As [`Drift::new`].
    pub fn drift(&self) -> Result<Option<Drift>, PipelineError> {
        let calibration = self.calibration().and_then(Calibration::split);
        let drift = calibration.map(Drift::new).transpose();
        Ok(drift.map_err(CalibrateError::from)?.flatten())
    }

    /// The images of this training and calibration that are far out of the others, by statistics or a model that left
    /// them out: defects among the good, perhaps. `None` where it isn't known: for a model that was read from a
    /// file, for fewer than eight images, for copies by augmentation and for systems without whitening.
    pub fn suspects(&self) -> Option<&[Suspect]> {
        self.detector.suspects()
    }

    /// The configuration the model was trained with.
    pub fn config(&self) -> &PipelineConfig {
        self.detector.config()
    }

    /// The device the model is on.
    pub fn device(&self) -> DeviceName {
        self.device
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let system = self.config().system.system();
        f.debug_struct("Pipeline")
            .field("system", &system)
            .field("device", &self.device)
            .field("calibrated", &self.calibration().is_some())
            .finish_non_exhaustive()
    }
}

impl AnomalyModel for Pipeline {
    fn white_level(&self) -> Option<u16> {
        self.detector.white_level()
    }

    fn detect_batch(&self, images: &[DynamicImage]) -> Result<Vec<Detection>, PipelineError> {
        self.detector.detect_batch(images)
    }

    fn detect(&self, image: &DynamicImage) -> Result<Detection, PipelineError> {
        self.detector.detect(image)
    }

    fn mean_features(&self, image: &DynamicImage) -> Result<Option<MeanFeatures>, PipelineError> {
        self.detector.mean_features(image)
    }

    fn known(&self, image: &DynamicImage) -> Result<Option<Known>, PipelineError> {
        self.detector.known(image)
    }

    fn calibrate(
        &mut self,
        images: Images<'_>,
        rate: Option<FalseAlarmRate>,
        progress: &mut ProgressFn<'_>,
    ) -> Result<&Calibration, PipelineError> {
        self.detector.calibrate(images, rate, progress)
    }

    fn calibration(&self) -> Option<&Calibration> {
        self.detector.calibration()
    }

    fn calibration_mut(&mut self) -> Result<&mut Calibration, CalibrateError> {
        self.detector.calibration_mut()
    }

    fn suspects(&self) -> Option<&[Suspect]> {
        self.detector.suspects()
    }

    fn save(&self, path: &Path, backbone: StoredBackbone) -> Result<(), PipelineError> {
        self.detector.save(path, backbone)
    }
}
