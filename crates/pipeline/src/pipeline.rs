use std::path::Path;

use burn::backend::Autodiff;
use image::DynamicImage;
use nfbmr_backbone::Backbone;
use nfbmr_backend::Backend;
use nfbmr_bmr::Bmr;
use nfbmr_data::{Fitted, Frame, fit_rgb, to_rgb8};
use nfbmr_flow::Flow;
use rayon::prelude::*;

use crate::config::PipelineConfig;
use crate::error::PipelineError;
use crate::features::{BATCH, extract_features};
use crate::images::{Images, to_tensor};
use crate::model_file;
use crate::progress::ProgressFn;
use crate::score::{Detection, Normalization, Scoring, batch_maps, to_maps};
use crate::train::{measure_normalization, train_bmr, train_flow};
use crate::traits::AnomalyModel;
use crate::weights::BackboneWeights;

/// A trained NF-BMR detector on the backend `B`.
///
/// Scoring takes `&self` and works from several threads at once.
#[derive(Clone, Debug)]
pub struct Pipeline<B: Backend> {
    pub(crate) config: PipelineConfig,
    pub(crate) weights: BackboneWeights,
    pub(crate) backbone: Backbone<B>,
    pub(crate) permutations: Vec<Vec<usize>>,
    pub(crate) flow: Flow<B>,
    pub(crate) bmr: Bmr<B>,
    pub(crate) normalization: Normalization,
    pub(crate) device: B::Device,
}

/// Purposes of the random numbers drawn from one seed.
#[derive(Clone, Copy)]
enum Draw {
    Permutations,
    FlowWeights,
    BmrWeights,
    FlowOrder,
    BmrOrder,
}

impl Draw {
    fn seed(self, seed: u64) -> u64 {
        // An odd multiplier keeps different (seed, purpose) pairs apart.
        seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(self as u64)
    }
}

impl<B: Backend> Pipeline<B> {
    /// Trains on images of good parts.
    ///
    /// The backbone runs once over the images and its features are kept in memory; the flow is trained
    /// on them, then the mapping network on source and target features. The same configuration, images,
    /// backend and thread count give the same model.
    ///
    /// # Errors
    /// A device that isn't there, a configuration without meaning, weights that don't fit it, images that
    /// can't be read or can't train, a loss that isn't finite, or the caller's interruption.
    pub fn train<'a>(
        config: &PipelineConfig,
        weights: Option<&BackboneWeights>,
        images: impl Into<Images<'a>>,
        device: &B::Device,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Self, PipelineError> {
        B::probe(device)?;
        let [channels, _, _] = config.validate()?;
        let weights = weights.ok_or(PipelineError::NoWeights)?;
        let backbone = Backbone::load(&config.backbone, &weights.parse()?, device)?;
        let y = extract_features(&backbone, config, images.into(), device, progress)?;
        let seed = |draw: Draw| draw.seed(config.seed);

        let permutations =
            Flow::<B>::random_permutations(&config.flow, channels, seed(Draw::Permutations));
        let flow = Flow::<Autodiff<B>>::new(
            &config.flow,
            &permutations,
            channels,
            seed(Draw::FlowWeights),
            device,
        )?;
        let order = seed(Draw::FlowOrder);
        let mut flow = train_flow(flow, &y, &config.flow_training, order, progress)?;
        if !config.low_memory {
            flow.prepare();
        }
        let z: Vec<_> = y
            .iter()
            .map(|y| Ok(flow.forward(y.clone())?.z))
            .collect::<Result<_, PipelineError>>()?;

        let bmr = Bmr::<Autodiff<B>>::new(&config.bmr, channels, seed(Draw::BmrWeights), device)?;
        let order = seed(Draw::BmrOrder);
        let mut bmr = train_bmr(bmr, &y, &z, &config.bmr_training, order, progress)?;
        if !config.low_memory {
            bmr.prepare();
        }
        let normalization = measure_normalization(&bmr, &y, &z)?;
        tracing::info!(images = y.len(), ?normalization, "trained");
        Ok(Self {
            config: config.clone(),
            weights: weights.clone(),
            backbone,
            permutations,
            flow,
            bmr,
            normalization,
            device: device.clone(),
        })
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
        model_file::load(path, weights, device)
            .map_err(|source| PipelineError::Model { path: path.to_owned(), source })
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
    /// If the image has no pixels.
    pub fn detect(&self, image: &DynamicImage) -> Result<Detection, PipelineError> {
        let mut detections = self.detect_chunk(std::slice::from_ref(image))?;
        Ok(detections.remove(0))
    }

    /// Scores a camera frame.
    ///
    /// # Errors
    /// As [`Self::detect`].
    pub fn detect_frame(&self, frame: &Frame<'_>) -> Result<Detection, PipelineError> {
        self.detect(&frame.to_image())
    }

    /// Scores images of any sizes, in order.
    ///
    /// # Errors
    /// As [`Self::detect`], for the first image at fault.
    pub fn detect_batch(&self, images: &[DynamicImage]) -> Result<Vec<Detection>, PipelineError> {
        // On a CPU an image for each core at a time: they share no work, and one image's tensors stay
        // in the caches that eight would not.
        if B::workers() > 1 {
            return images.par_iter().map(|image| self.detect(image)).collect();
        }
        let mut detections = Vec::with_capacity(images.len());
        for chunk in images.chunks(BATCH) {
            detections.extend(self.detect_chunk(chunk)?);
        }
        Ok(detections)
    }

    /// The configuration the model was trained with.
    pub fn config(&self) -> &PipelineConfig {
        &self.config
    }

    /// The weights of the feature extractor, as they were handed over.
    pub fn backbone_weights(&self) -> &BackboneWeights {
        &self.weights
    }

    /// The feature extractor.
    pub fn backbone(&self) -> &Backbone<B> {
        &self.backbone
    }

    /// The target flow.
    pub fn flow(&self) -> &Flow<B> {
        &self.flow
    }

    /// The bidirectional mapping network.
    pub fn bmr(&self) -> &Bmr<B> {
        &self.bmr
    }

    /// Mean residuals over the training images.
    pub fn normalization(&self) -> Normalization {
        self.normalization
    }

    /// One image or more in one pass.
    fn detect_chunk(&self, images: &[DynamicImage]) -> Result<Vec<Detection>, PipelineError> {
        let PipelineConfig { input_size, fit, fusion, pooling, .. } = self.config;
        let fitted: Result<Vec<Fitted>, _> =
            images.par_iter().map(|image| fit_rgb(&to_rgb8(image), input_size, fit)).collect();
        let (pixels, contents): (Vec<_>, Vec<_>) =
            fitted?.into_iter().map(|fitted| (fitted.image, fitted.content)).unzip();
        let input = to_tensor(&pixels, &self.device);
        let maps = batch_maps(&self.backbone, &self.flow, &self.bmr, input)?;
        let likelihood = maps.likelihood.map(to_maps).into_iter().flatten().map(Some);
        let likelihood = likelihood.chain(std::iter::repeat(None));
        let scoring =
            Scoring { fusion, pooling, normalization: self.normalization, input: input_size };
        let maps = to_maps(maps.source).into_iter().zip(to_maps(maps.target)).zip(likelihood);
        maps.zip(images.iter().zip(contents))
            .map(|(((source, target), likelihood), (image, content))| {
                let size = (image.width(), image.height()).into();
                scoring.detection(source, target, likelihood, content, size)
            })
            .collect()
    }
}

impl<B: Backend> AnomalyModel for Pipeline<B> {
    fn detect_batch(&self, images: &[DynamicImage]) -> Result<Vec<Detection>, PipelineError> {
        self.detect_batch(images)
    }

    fn detect(&self, image: &DynamicImage) -> Result<Detection, PipelineError> {
        self.detect(image)
    }

    fn save(&self, path: &Path) -> Result<(), PipelineError> {
        self.save(path)
    }
}
