//! The networks run over the training images, once, or not at all over images whose features are kept.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use image::RgbImage;
use nfbmr_backbone::BackboneConfig;
use nfbmr_backend::Backend;
use nfbmr_cache::{FeatureCache, Features, Key};
use nfbmr_pose::Problem;
use rayon::prelude::*;
use serde::Serialize;

use super::{
    BackboneWeights, Cnn, CnnLevels, FeatureExtractor, FeatureLevel, SharedSamples, Stored,
};
use crate::error::{ImageName, Phase, PipelineError, TrainingError};
use crate::input::{Fingerprint, Images, Input, TrainingImage, to_tensor};
use crate::progress::{ProgressFn, Reporter};

/// All that features depend on, besides the weights.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Extraction {
    pub(crate) input: Input,
    pub(crate) source: CnnLevels,
    /// The second CNN of a system that has one.
    pub(crate) target: Option<CnnLevels>,
}

impl Extraction {
    /// Values of the features of all levels of an image.
    pub(crate) fn values(&self) -> u64 {
        let cnns = std::iter::once(&self.source).chain(&self.target);
        let levels = cnns.flat_map(|cnn| &cnn.levels);
        let values = |level: &FeatureLevel| level.shape().iter().product::<usize>() as u64;
        levels.map(values).sum::<u64>() * self.input.samples() as u64
    }
}

/// What is known of images once the networks have seen them.
pub(crate) struct Extracted<B: Backend> {
    /// The features of each level of each network.
    pub(crate) levels: Vec<SharedSamples<B>>,
    /// The content of each image.
    pub(crate) contents: Vec<Fingerprint>,
    /// What each image is called.
    pub(crate) names: Vec<ImageName>,
    /// Images whose part isn't located.
    pub(crate) not_located: Vec<NotLocated>,
}

/// A good image whose part isn't located by its template.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NotLocated {
    /// The image.
    pub image: ImageName,
    /// Why.
    pub problem: Problem,
}

/// The features of each image and then of its copies, tile by tile, one sample per level of each network, in that order,
/// and the content of each image; the networks run once, or not at all over images whose features are in the cache.
///
/// # Errors
/// An unreadable image, unless those are to be skipped; fewer than two images, images all blank or all the
/// same, features that don't fit the memory without a cache, a cache that can't be read or written, or the
/// caller's interruption.
pub(crate) fn extract_features<B: Backend>(
    extractor: &Extractor<'_, B>,
    images: Images<'_>,
    in_memory: bool,
    progress: &mut ProgressFn<'_>,
) -> Result<Extracted<B>, PipelineError> {
    let input = extractor.input;
    let count = images.len();
    if count < 2 {
        return Err(TrainingError::TooFewImages { found: count, skipped: 0 }.into());
    }
    let mut reporter = Reporter::new(Phase::Features, 1, count, progress);
    let mut levels: Vec<LevelFeatures<B>> = Vec::new();
    let mut fingerprints = Vec::with_capacity(count);
    let mut variety = Variety::default();
    let mut not_located = Vec::new();
    let (all, mut names) = (images.names(), Vec::with_capacity(count));
    images.try_for_chunks(input, |chunk, indices, seen| {
        names.extend(indices.iter().map(|&index| all.get(index)));
        chunk.iter().filter_map(|image| image.copies.first()).for_each(|image| variety.add(image));
        fingerprints.extend(chunk.iter().map(|image| image.content));
        let problem = |image: &TrainingImage| image.located.and_then(|located| located.problem);
        let named =
            chunk.iter().zip(indices).filter_map(|(image, index)| Some((problem(image)?, index)));
        not_located
            .extend(named.map(|(problem, &index)| NotLocated { image: all.get(index), problem }));
        let copies: Vec<&RgbImage> = chunk.iter().flat_map(|image| &image.copies).collect();
        let cut = copies.into_par_iter().flat_map_iter(|image| input.cut(image.clone()));
        let chunk = extractor.features(&cut.collect::<Vec<_>>())?;
        levels.resize_with(chunk.len(), LevelFeatures::default);
        for (level, LevelFeatures { keys, features }) in levels.iter_mut().zip(chunk) {
            match in_memory {
                true => level.features.extend(features),
                false => level.keys.extend(keys),
            }
        }
        reporter.advance(seen)
    })?;
    let found = fingerprints.len();
    if found < 2 {
        return Err(TrainingError::TooFewImages { found, skipped: count - found }.into());
    }
    variety.check(found)?;
    let mut shapes = Vec::new();
    for (network, _) in &extractor.networks {
        shapes.extend(network.levels().iter().map(FeatureLevel::shape));
    }
    let samples = |(level, shape): (LevelFeatures<B>, [usize; 3])| -> SharedSamples<B> {
        match extractor.cache.filter(|_| !in_memory) {
            Some(cache) => {
                let (cache, device) = (cache.clone(), extractor.device.clone());
                Arc::new(Stored { cache, keys: level.keys, shape, device })
            }
            None => Arc::new(level.features),
        }
    };
    let levels = levels.into_iter().zip(shapes).map(samples).collect();
    Ok(Extracted { levels, contents: fingerprints, names, not_located })
}

/// Where features come from.
#[derive(Clone, Debug)]
pub(crate) struct Extractor<'a, B: Backend> {
    /// The networks, each with its weights, which tell features in a cache apart.
    pub(crate) networks: Vec<(&'a Cnn<B>, &'a BackboneWeights)>,
    /// How images are brought to them.
    pub(crate) input: &'a Input,
    /// Features of earlier runs.
    pub(crate) cache: Option<&'a Arc<FeatureCache>>,
    /// Where the networks are.
    pub(crate) device: &'a B::Device,
}

/// The features of images at one level, each `[1, C, H, W]`, with their keys in a cache.
struct LevelFeatures<B: Backend> {
    keys: Vec<Key>,
    features: Vec<Tensor<B, 4>>,
}

impl<B: Backend> Default for LevelFeatures<B> {
    fn default() -> Self {
        Self { keys: Vec::new(), features: Vec::new() }
    }
}

impl<B: Backend> Extractor<'_, B> {
    /// Features of images that have the networks' input size, by level.
    fn features(&self, images: &[RgbImage]) -> Result<Vec<LevelFeatures<B>>, PipelineError> {
        let mut levels = Vec::new();
        for &(network, weights) in &self.networks {
            levels.extend(self.network_features(network, weights, images)?);
        }
        Ok(levels)
    }

    fn network_features(
        &self,
        network: &Cnn<B>,
        weights: &BackboneWeights,
        images: &[RgbImage],
    ) -> Result<Vec<LevelFeatures<B>>, PipelineError> {
        let Some(cache) = self.cache else {
            let levels = self.compute(network, images)?.into_iter();
            return Ok(levels
                .map(|features| LevelFeatures { keys: Vec::new(), features })
                .collect());
        };
        let keys = network.levels().iter().map(|level| {
            let origin = Origin {
                backend: &B::name(self.device),
                weights_sha256: weights.sha256(),
                backbone: network.config_of(level),
                level,
            };
            images.iter().map(|image| origin.key(image)).collect()
        });
        let keys: Vec<Vec<Key>> = keys.collect::<Result<_, PipelineError>>()?;
        if let Some(levels) = self.known(cache, network, &keys)? {
            return Ok(levels);
        }
        let levels = self.compute(network, images)?;
        for (keys, features) in keys.iter().zip(&levels) {
            for (key, features) in keys.iter().zip(features) {
                let values: Vec<f32> = features.to_data().iter::<f32>().collect();
                cache.insert(key, &features.dims(), &values)?;
            }
        }
        let level = |(keys, features)| LevelFeatures { keys, features };
        Ok(keys.into_iter().zip(levels).map(level).collect())
    }

    /// What the cache holds, if it is all there.
    fn known(
        &self,
        cache: &FeatureCache,
        network: &Cnn<B>,
        keys: &[Vec<Key>],
    ) -> Result<Option<Vec<LevelFeatures<B>>>, PipelineError> {
        let shapes = network.levels().iter().map(FeatureLevel::shape);
        let mut levels = Vec::with_capacity(keys.len());
        for (keys, shape) in keys.iter().zip(shapes) {
            let mut features = Vec::with_capacity(keys.len());
            for key in keys {
                let Some(found) = cache.get(key)? else { return Ok(None) };
                features.push(self.tensor(found, shape)?);
            }
            levels.push(LevelFeatures { keys: keys.clone(), features });
        }
        Ok(Some(levels))
    }

    /// Of each level, the features of each image.
    fn compute(
        &self,
        network: &Cnn<B>,
        images: &[RgbImage],
    ) -> Result<Vec<Vec<Tensor<B, 4>>>, PipelineError> {
        let compute = |images: &[RgbImage]| network.extract(to_tensor(images, self.device));
        let chunks = images.par_chunks(B::images_at_once());
        let chunks: Vec<_> = chunks.map(compute).collect::<Result<_, PipelineError>>()?;
        let mut levels: Vec<Vec<Tensor<B, 4>>> = vec![Vec::new(); network.levels().len()];
        for chunk in chunks {
            for (level, features) in levels.iter_mut().zip(chunk) {
                let images = features.dims()[0];
                level.extend(features.chunk(images, 0));
            }
        }
        Ok(levels)
    }

    fn tensor(&self, found: Features, shape: [usize; 3]) -> Result<Tensor<B, 4>, PipelineError> {
        let [channels, height, width] = shape;
        match found.shape[..] == [1, channels, height, width] {
            true => Ok(Tensor::from_data(TensorData::new(found.values, found.shape), self.device)),
            false => Err(PipelineError::Config(format!(
                "expected cached features of shape [1, {channels}, {height}, {width}], found {:?}",
                found.shape
            ))),
        }
    }
}

/// All that the features of a level depend on, besides the pixels: backends differ in their last digits. The
/// key is made of all fields, so that none can be forgotten.
#[derive(Serialize)]
struct Origin<'a> {
    backend: &'a str,
    weights_sha256: &'a str,
    /// To the last block of the level.
    backbone: BackboneConfig,
    level: &'a FeatureLevel,
}

impl Origin<'_> {
    fn key(&self, image: &RgbImage) -> Result<Key, PipelineError> {
        let origin = serde_json::to_vec(self).map_err(|error| {
            PipelineError::Config(format!("features can't be named in the cache: {error}"))
        })?;
        let (width, height) = image.dimensions();
        Ok(Key::builder()
            .part("origin", &origin)
            .part("size", format!("{width} x {height}").as_bytes())
            .part("pixels", image.as_raw())
            .build())
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
