use burn::tensor::{Tensor, TensorData};
use image::RgbImage;
use nfbmr_backend::Backend;
use nfbmr_cache::{FeatureCache, Features, Key};
use rayon::prelude::*;

use crate::config::PipelineConfig;
use crate::error::{PipelineError, TrainingError};
use crate::fingerprint::{TrainedOn, fingerprint};
use crate::images::{Images, to_tensor};
use crate::progress::{Phase, ProgressFn, Reporter};
use crate::source::SourceNetwork;
use crate::traits::FeatureExtractor;
use crate::weights::BackboneWeights;

/// Images that are decoded and in memory together.
const CHUNK: usize = 8;

/// Source features `[1, C, H, W]` of each image, the backbone run once, or not at all over images whose
/// features are in the cache; and which images they are.
///
/// # Errors
/// An unreadable image, unless those are to be skipped; fewer than two images, images all blank or all the
/// same, a cache that can't be read or written, or the caller's interruption.
pub(crate) fn extract_features<B: Backend>(
    extractor: &Extractor<'_, B>,
    images: Images<'_>,
    progress: &mut ProgressFn<'_>,
) -> Result<(Vec<Tensor<B, 4>>, TrainedOn), PipelineError> {
    let config = extractor.config;
    let count = images.len();
    if count < 2 {
        return Err(TrainingError::TooFewImages { found: count, skipped: 0 }.into());
    }
    let mut reporter = Reporter::new(Phase::Features, 1, count, progress);
    let mut features = Vec::with_capacity(count);
    let mut fingerprints = Vec::with_capacity(count);
    let mut variety = Variety::default();
    images.try_for_chunks(CHUNK, config.input_size, config.fit, |chunk, seen| {
        chunk.iter().for_each(|image| variety.add(image));
        fingerprints.par_extend(chunk.par_iter().map(fingerprint));
        features.extend(extractor.features(chunk)?);
        reporter.advance(seen)
    })?;
    let found = features.len();
    if found < 2 {
        return Err(TrainingError::TooFewImages { found, skipped: count - found }.into());
    }
    variety.check(found)?;
    Ok((features, TrainedOn::new(fingerprints)))
}

/// Where features come from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extractor<'a, B: Backend> {
    /// The network.
    pub(crate) source: &'a SourceNetwork<B>,
    /// Its weights, which tell features in a cache apart.
    pub(crate) weights: &'a BackboneWeights,
    /// The size of the input, and how images are brought to it.
    pub(crate) config: &'a PipelineConfig,
    /// Features of earlier runs.
    pub(crate) cache: Option<&'a FeatureCache>,
    /// Where the network is.
    pub(crate) device: &'a B::Device,
}

impl<B: Backend> Extractor<'_, B> {
    /// Features of images that have the network's input size.
    fn features(&self, images: &[RgbImage]) -> Result<Vec<Tensor<B, 4>>, PipelineError> {
        let Some(cache) = self.cache else {
            return self.compute(images);
        };
        let keys: Vec<Key> = images.iter().map(|image| self.key(image)).collect();
        let known: Vec<_> = keys.iter().map(|key| cache.get(key)).collect::<Result<_, _>>()?;
        if let Some(known) = known.into_iter().collect::<Option<Vec<Features>>>() {
            return known.into_iter().map(|features| self.tensor(features)).collect();
        }
        let features = self.compute(images)?;
        for (key, features) in keys.iter().zip(&features) {
            let values: Vec<f32> = features.to_data().iter::<f32>().collect();
            cache.insert(key, &features.dims(), &values)?;
        }
        Ok(features)
    }

    fn compute(&self, images: &[RgbImage]) -> Result<Vec<Tensor<B, 4>>, PipelineError> {
        let compute = |images: &[RgbImage]| {
            let features = self.source.extract(to_tensor(images, self.device))?;
            Ok(features.chunk(images.len(), 0))
        };
        let chunks = images.par_chunks(B::images_at_once());
        let features: Vec<_> = chunks.map(compute).collect::<Result<_, PipelineError>>()?;
        Ok(features.into_iter().flatten().collect())
    }

    /// All that features depend on: backends differ in their last digits.
    fn key(&self, image: &RgbImage) -> Key {
        let (width, height) = image.dimensions();
        Key::builder()
            .part("backend", B::name(self.device).as_bytes())
            .part("weights", self.weights.sha256().as_bytes())
            .part("backbone", format!("{:?}", self.config.backbone).as_bytes())
            .part("blocks", format!("{:?}", self.source.blocks()).as_bytes())
            .part("size", format!("{width} x {height}").as_bytes())
            .part("pixels", image.as_raw())
            .build()
    }

    fn tensor(&self, features: Features) -> Result<Tensor<B, 4>, PipelineError> {
        let Features { shape, values } = features;
        let [channels, height, width] = self.config.validate()?;
        match shape[..] == [1, channels, height, width] {
            true => Ok(Tensor::from_data(TensorData::new(values, shape), self.device)),
            false => Err(PipelineError::Config(format!(
                "expected cached features of shape [1, {channels}, {height}, {width}], found {shape:?}"
            ))),
        }
    }
}

/// Whether the images seen so far are blank or the same.
#[derive(Default)]
struct Variety {
    first: Option<RgbImage>,
    differ: bool,
    show_something: bool,
}

impl Variety {
    fn add(&mut self, image: &RgbImage) {
        if !self.show_something {
            let mut pixels = image.pixels();
            let first = pixels.next();
            self.show_something = pixels.any(|pixel| Some(pixel) != first);
        }
        match &self.first {
            None => self.first = Some(image.clone()),
            Some(first) => self.differ = self.differ || first != image,
        }
    }

    fn check(&self, count: usize) -> Result<(), TrainingError> {
        if !self.show_something {
            Err(TrainingError::Blank(count))
        } else if !self.differ {
            Err(TrainingError::Identical(count))
        } else {
            Ok(())
        }
    }
}
