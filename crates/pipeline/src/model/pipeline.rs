//! A trained detector on one backend.

use burn::tensor::Tensor;
use image::DynamicImage;
use nfbmr_backend::Backend;
use nfbmr_bmr::Bmr;
use nfbmr_calibration::FalseAlarmRate;
use nfbmr_data::Frame;
use rayon::prelude::*;
use std::path::Path;

use super::{AnomalyModel, Known, MeanFeatures, StoredBackbone};
use crate::calibrate::{Calibration, Suspect};
use crate::choose::Choices;
use crate::config::PipelineConfig;
use crate::error::{CalibrateError, PipelineError};
use crate::features::{BackboneWeights, Cnn, FeatureExtractor, mean};
use crate::input::{Images, Input, Seen, TrainedOn, to_tensor};
use crate::progress::ProgressFn;
use crate::score::{Detection, Maps, MeanResiduals, Placed, stitch};
use crate::systems::{SharedHead, Spaces, TargetFlow};

/// A trained detector on the backend `B`: NF-BMR, or another [`System`](crate::System) of the configuration.
///
/// Scoring takes `&self` and works from several threads at once.
#[derive(Clone, Debug)]
pub struct Pipeline<B: Backend> {
    pub(crate) config: PipelineConfig,
    /// That of the configuration.
    pub(crate) input: Input,
    pub(crate) weights: BackboneWeights,
    pub(crate) source: Cnn<B>,
    pub(crate) choices: Choices,
    pub(crate) head: SharedHead<B>,
    pub(crate) trained_on: TrainedOn,
    /// The images of the calibration, none without one.
    pub(crate) calibrated_on: TrainedOn,
    pub(crate) calibration: Option<Calibration>,
    /// Not of a file.
    pub(crate) suspects: Option<Vec<Suspect>>,
    pub(crate) device: B::Device,
}

impl<B: Backend> Pipeline<B> {
    /// How many images the model was trained on.
    pub fn training_images(&self) -> usize {
        self.trained_on.fingerprints().len()
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

    /// Source and target features of an image of any size, averaged over the positions of the network's
    /// input.
    ///
    /// # Errors
    /// If the image has no pixels.
    pub fn mean_features(&self, image: &DynamicImage) -> Result<MeanFeatures, PipelineError> {
        let images = to_tensor(&self.input.cut(self.input.fit(image)?.image), &self.device);
        let y = self.source.extract(images.clone())?;
        let Spaces { source, target } = self.head.spaces(&images, y)?;
        let means = |levels: Vec<Tensor<B, 4>>| levels.into_iter().flat_map(mean).collect();
        Ok(MeanFeatures { source: means(source), target: target.map(means) })
    }

    /// Whether the model was trained or calibrated on an image of this content.
    ///
    /// # Errors
    /// As [`Self::detect`].
    pub fn known(&self, image: &DynamicImage) -> Result<Option<Known>, PipelineError> {
        let content = self.input.content(image)?;
        Ok(match self.trained_on.contains(&content) {
            true => Some(Known::Training),
            false => self.calibrated_on.contains(&content).then_some(Known::Calibration),
        })
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

    /// What training chose of what the configuration left open.
    pub fn choices(&self) -> &Choices {
        &self.choices
    }

    /// The weights of the feature extractor, as they were handed over.
    pub fn backbone_weights(&self) -> &BackboneWeights {
        &self.weights
    }

    /// The feature extractor of the source space.
    pub fn source(&self) -> &Cnn<B> {
        &self.source
    }

    /// The target flow of each level, the finest first, of a system that has a flow: [`Self::source`] extracts what
    /// it takes.
    pub fn flows(&self) -> &[TargetFlow<B>] {
        self.head.flows()
    }

    /// The bidirectional mapping network of each level of `nf-bmr`.
    pub fn bmrs(&self) -> &[Bmr<B>] {
        self.head.bmrs()
    }

    /// Mean residuals over the training images by level, of a system that maps; of two CNNs one for all levels.
    pub fn mean_residuals(&self) -> &[MeanResiduals] {
        self.head.mean_residuals()
    }

    /// What the model was calibrated to, if it was.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref()
    }

    /// The same, to set another rate or threshold.
    ///
    /// # Errors
    /// [`CalibrateError::Uncalibrated`].
    pub fn calibration_mut(&mut self) -> Result<&mut Calibration, CalibrateError> {
        self.calibration.as_mut().ok_or(CalibrateError::Uncalibrated)
    }

    /// One image or more in one pass, or their tiles in a pass for each few.
    fn detect_chunk(&self, images: &[DynamicImage]) -> Result<Vec<Detection>, PipelineError> {
        let seen: Vec<Seen> =
            images.par_iter().map(|image| self.input.fit(image)).collect::<Result<_, _>>()?;
        let (pixels, places): (Vec<_>, Vec<_>) =
            seen.into_iter().map(|seen| (seen.image, (seen.content, seen.aligned))).unzip();
        let cut: Vec<_> = pixels.into_iter().flat_map(|image| self.input.cut(image)).collect();
        let maps = |images: &[_]| {
            let images = to_tensor(images, &self.device);
            self.head.maps(&images, self.source.extract(images.clone())?)
        };
        let maps = cut.par_chunks(B::images_at_once()).map(maps);
        let maps: Vec<Vec<Maps>> = maps.collect::<Result<_, PipelineError>>()?;
        let mut maps: Vec<Maps> = maps.into_iter().flatten().collect();
        if let Some(tiles) = self.input.tiles {
            maps = stitch(tiles, maps);
        }
        let calibration = self.calibration.as_ref().and_then(Calibration::split);
        maps.into_iter()
            .zip(images.iter().zip(places))
            .map(|(maps, (image, (content, aligned)))| {
                let size = (image.width(), image.height()).into();
                let placed = Placed { input: &self.input, content, size, aligned };
                let detection = placed.detection(maps)?;
                match calibration {
                    Some(own) => Ok(own.judge(detection).map_err(CalibrateError::from)?),
                    None => Ok(detection),
                }
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

    fn known(&self, image: &DynamicImage) -> Result<Option<Known>, PipelineError> {
        self.known(image)
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

    fn calibration_mut(&mut self) -> Result<&mut Calibration, CalibrateError> {
        self.calibration_mut()
    }

    fn suspects(&self) -> Option<&[Suspect]> {
        self.suspects()
    }

    fn save(&self, path: &Path, backbone: StoredBackbone) -> Result<(), PipelineError> {
        self.save(path, backbone)
    }
}
