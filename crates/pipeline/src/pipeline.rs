use std::path::Path;

use image::DynamicImage;
use nfbmr_backend::Backend;
use nfbmr_bmr::Bmr;
use nfbmr_calibration::FalseAlarmRate;
use nfbmr_data::{Fitted, Frame};
use nfbmr_metrics::DefectRegion;
use rayon::prelude::*;

use crate::calibrate_error::CalibrateError;
use crate::calibration::Calibration;
use crate::cnn::Cnn;
use crate::config::PipelineConfig;
use crate::error::PipelineError;
use crate::fingerprint::TrainedOn;
use crate::head::Head;
use crate::images::{Images, to_tensor};
use crate::maps::Maps;
use crate::mean_features::MeanFeatures;
use crate::model_file;
use crate::progress::ProgressFn;
use crate::score::{Detection, Normalization, Scoring};
use crate::suspects::Suspect;
use crate::target_flow::TargetFlow;
use crate::trainer::{Trainer, TrainingStorage};
use crate::traits::AnomalyModel;
use crate::weights::BackboneWeights;

/// A trained detector on the backend `B`: NF-BMR, or another [`System`](crate::System) of the configuration.
///
/// Scoring takes `&self` and works from several threads at once.
#[derive(Clone, Debug)]
pub struct Pipeline<B: Backend> {
    pub(crate) config: PipelineConfig,
    pub(crate) weights: BackboneWeights,
    pub(crate) source: Cnn<B>,
    pub(crate) head: Head<B>,
    /// Not known of a file before version 4.
    pub(crate) trained_on: Option<TrainedOn>,
    pub(crate) calibration: Option<Calibration>,
    /// Not of a file.
    pub(crate) suspects: Option<Vec<Suspect>>,
    pub(crate) device: B::Device,
}

impl<B: Backend> Pipeline<B> {
    /// Trains on images of good parts.
    ///
    /// The backbone runs once over the images and its features are kept in memory; the flow is trained
    /// on them, then the mapping network on source and target features. The same configuration, images,
    /// backend and thread count give the same model. [`Trainer`] trains more than one system on a set, and
    /// on more images than the default of [`TrainingStorage`] has memory for.
    ///
    /// # Errors
    /// A device that isn't there, a configuration without meaning, weights that don't fit it, images that
    /// can't be read, are too many or can't train, a loss that isn't finite, or the caller's interruption.
    pub fn train<'a>(
        config: &PipelineConfig,
        weights: Option<&BackboneWeights>,
        images: impl Into<Images<'a>>,
        device: &B::Device,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Self, PipelineError> {
        let storage = TrainingStorage::default();
        Trainer::new(config, weights, images, &storage, device, progress)?.train(config, progress)
    }

    /// Reads a model file. `weights` are those of the backbone, for a file that doesn't include them.
    ///
    /// # Errors
    /// [`PipelineError::Device`] for a device that isn't there, otherwise [`PipelineError::Model`] with
    /// the path and what is wrong.
    pub fn load(
        path: impl AsRef<Path>,
        weights: Option<&BackboneWeights>,
        device: &B::Device,
    ) -> Result<Self, PipelineError> {
        B::probe(device)?;
        let path = path.as_ref();
        let load = || model_file::load(&nfbmr_files::read(path)?, weights, device);
        load().map_err(|source| PipelineError::Model { path: path.to_owned(), source })
    }

    /// How many images the model was trained on; not known of a file before version 4.
    pub fn training_images(&self) -> Option<usize> {
        self.trained_on.as_ref().map(|trained_on| trained_on.fingerprints().len())
    }

    /// Writes the model to one safetensors file, atomically; the backbone is referred to by its checksum.
    ///
    /// # Errors
    /// [`PipelineError::Model`]; a file that was there before stays intact then.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PipelineError> {
        self.write(path.as_ref(), false)
    }

    /// As [`Self::save`], with the backbone's weights included.
    ///
    /// # Errors
    /// As [`Self::save`].
    pub fn save_with_backbone(&self, path: impl AsRef<Path>) -> Result<(), PipelineError> {
        self.write(path.as_ref(), true)
    }

    fn write(&self, path: &Path, include_backbone: bool) -> Result<(), PipelineError> {
        model_file::save(self, path, include_backbone)
            .map_err(|source| PipelineError::Model { path: path.to_owned(), source })
    }

    /// Scores one image of any size.
    ///
    /// # Errors
    /// If the image has no pixels or a value that has no brightness ([`PipelineError::Pixels`]), or a
    /// calibrated model gives it a score that isn't finite.
    pub fn detect(&self, image: &DynamicImage) -> Result<Detection, PipelineError> {
        let mut detections = self.detect_chunk(std::slice::from_ref(image))?;
        Ok(detections.remove(0))
    }

    /// Scores a camera frame.
    ///
    /// # Errors
    /// As [`Self::detect`], and [`PipelineError::Frame`] for a value that its format doesn't have.
    pub fn detect_frame(&self, frame: &Frame<'_>) -> Result<Detection, PipelineError> {
        self.detect(&frame.to_image()?)
    }

    /// Scores images of any sizes, in order.
    ///
    /// # Errors
    /// As [`Self::detect`], for the first image at fault.
    pub fn detect_batch(&self, images: &[DynamicImage]) -> Result<Vec<Detection>, PipelineError> {
        match B::images_at_once() {
            // An image for each core: they share no work.
            1 => images.par_iter().map(|image| self.detect(image)).collect(),
            several => {
                let mut detections = Vec::with_capacity(images.len());
                for chunk in images.chunks(several) {
                    detections.extend(self.detect_chunk(chunk)?);
                }
                Ok(detections)
            }
        }
    }

    /// The images of this training and calibration that are far out of the others, by statistics or a model that left
    /// them out: defects among the good, perhaps. `None` where it isn't known: for a model that was read from a
    /// file, for fewer than eight images, for copies by augmentation and for systems without whitening.
    pub fn suspects(&self) -> Option<&[Suspect]> {
        self.suspects.as_deref()
    }

    /// The configuration the model was trained with.
    pub fn config(&self) -> &PipelineConfig {
        &self.config
    }

    /// The weights of the feature extractor, as they were handed over.
    pub fn backbone_weights(&self) -> &BackboneWeights {
        &self.weights
    }

    /// The feature extractor of the source space.
    pub fn source(&self) -> &Cnn<B> {
        &self.source
    }

    /// The target flow of each level, the finest first, of a system that has a flow: [`Cnn::levels`] gives what it
    /// takes.
    pub fn flows(&self) -> Vec<&TargetFlow<B>> {
        self.head.flows()
    }

    /// The bidirectional mapping network of each level of `nf-bmr`.
    pub fn bmrs(&self) -> Vec<&Bmr<B>> {
        self.head.bmrs()
    }

    /// Mean residuals over the training images by level, of a system that maps; of two CNNs one for all levels.
    pub fn normalizations(&self) -> Vec<Normalization> {
        self.head.normalizations()
    }

    /// One image or more in one pass, or their tiles in a pass for each few.
    fn detect_chunk(&self, images: &[DynamicImage]) -> Result<Vec<Detection>, PipelineError> {
        let PipelineConfig { input_size, fusion, .. } = self.config;
        let fitted: Vec<Fitted> =
            images.par_iter().map(|image| self.config.fit(image)).collect::<Result<_, _>>()?;
        let (pixels, contents): (Vec<_>, Vec<_>) =
            fitted.into_iter().map(|fitted| (fitted.image, fitted.content)).unzip();
        let cut: Vec<_> = pixels.into_iter().flat_map(|image| self.config.cut(image)).collect();
        let maps = |images: &[_]| {
            let input = to_tensor(images, &self.device);
            self.head.maps(&self.source, &input)
        };
        let maps = cut.par_chunks(B::images_at_once()).map(maps);
        let maps: Vec<Vec<Maps>> = maps.collect::<Result<_, _>>()?;
        let maps = self.config.stitch(maps.into_iter().flatten().collect());
        let (units, mask) = (self.head.units(), self.config.mask.as_ref());
        let pooling = self.config.image_pooling();
        let scoring = Scoring { fusion, pooling, units, input: input_size, mask };
        maps.into_iter()
            .zip(images.iter().zip(contents))
            .map(|(maps, (image, content))| {
                let size = (image.width(), image.height()).into();
                let mut detection = scoring.detection(maps, content, size)?;
                let verdict = self.calibration.as_ref().map(|c| c.verdict(detection.score));
                detection.verdict = verdict.transpose().map_err(CalibrateError::from)?;
                Ok(detection)
            })
            .collect()
    }
}

impl<B: Backend> AnomalyModel for Pipeline<B> {
    fn white_level(&self) -> Option<u16> {
        self.config.white_level
    }

    fn detect_batch(&self, images: &[DynamicImage]) -> Result<Vec<Detection>, PipelineError> {
        self.detect_batch(images)
    }

    fn detect(&self, image: &DynamicImage) -> Result<Detection, PipelineError> {
        self.detect(image)
    }

    fn mean_features(&self, image: &DynamicImage) -> Result<Option<MeanFeatures>, PipelineError> {
        self.mean_features(image).map(Some)
    }

    fn calibrate(
        &mut self,
        images: Images<'_>,
        rate: Option<FalseAlarmRate>,
        progress: &mut ProgressFn<'_>,
    ) -> Result<&Calibration, PipelineError> {
        self.calibrate(images, rate, progress)
    }

    fn calibration(&self) -> Option<&Calibration> {
        self.calibration()
    }

    fn suspects(&self) -> Option<&[Suspect]> {
        self.suspects()
    }

    fn regions(&self, detection: &Detection) -> Result<Option<Vec<DefectRegion>>, PipelineError> {
        let threshold = self.calibration.as_ref().map(|found| found.pixel_threshold().value);
        let regions = threshold.map(|threshold| detection.anomaly_map.regions(threshold));
        Ok(regions.transpose()?)
    }

    fn set_rate(&mut self, rate: FalseAlarmRate) -> Result<(), PipelineError> {
        self.set_rate(rate)
    }

    fn set_threshold(&mut self, value: f32) -> Result<(), PipelineError> {
        self.set_threshold(value)
    }

    fn set_pixel_threshold(&mut self, value: f32) -> Result<(), PipelineError> {
        self.set_pixel_threshold(value)
    }

    fn save(&self, path: &Path) -> Result<(), PipelineError> {
        self.save(path)
    }

    fn save_with_backbone(&self, path: &Path) -> Result<(), PipelineError> {
        self.save_with_backbone(path)
    }
}
