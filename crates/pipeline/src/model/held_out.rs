//! Images held out of a training, read and told apart before it begins.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use image::{DynamicImage, RgbImage};
use nfbmr_backend::Backend;
use rayon::prelude::*;

use super::{CopyOf, Trainer};
use crate::config::PipelineConfig;
use crate::error::{ImageName, Phase, PipelineError};
use crate::input::{Fingerprint, Images};
use crate::progress::{ProgressFn, Reporter};

/// How many images, evenly spread, are looked at for near doubles.
const LOOKED_AT: usize = 32;

/// The most frames of one part that near doubles are known by.
const MOST_FRAMES: usize = 8;

/// By how many times the next image has to be farther than the last frame of the same part.
const GAP: f64 = 2.0;

/// Images held out of a training, by their contents as the networks see them: copies are told whatever their
/// format.
#[derive(Debug)]
pub struct HeldOut {
    images: Vec<Content>,
    /// Those of them that were left out as copies of others.
    copies: Vec<CopyOf>,
}

/// An image by its content.
#[derive(Debug)]
struct Content {
    /// Its place among the images given.
    index: usize,
    name: ImageName,
    fingerprint: Fingerprint,
}

impl HeldOut {
    /// Reads the images, which are to be calibrated on after a training of this configuration.
    ///
    /// # Errors
    /// As [`PipelineConfig::validate`], an image that can't be read, unless those are to be skipped, or the caller's
    /// interruption.
    pub fn read(
        config: &PipelineConfig,
        images: Images<'_>,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Self, PipelineError> {
        config.validate()?;
        let input = config.extraction()?.input;
        let (names, count) = (images.names(), images.len());
        let mut reporter = Reporter::new(Phase::Contents, 1, count, progress);
        let mut contents = Vec::with_capacity(count);
        images.try_for_decoded(&input, |images, indices, seen| {
            let content = |(image, &index): (&DynamicImage, &usize)| {
                let fingerprint = input.content(image)?;
                Ok(Content { index, name: names.get(index), fingerprint })
            };
            let chunk = images.par_iter().zip(indices).map(content);
            contents.extend(chunk.collect::<Result<Vec<_>, PipelineError>>()?);
            reporter.advance(seen)
        })?;
        let (mut first, mut copies) = (HashMap::new(), Vec::new());
        contents.retain(|image: &Content| match first.entry(image.fingerprint) {
            Entry::Vacant(place) => {
                place.insert(image.name.clone());
                true
            }
            Entry::Occupied(original) => {
                let original = original.get().clone();
                copies.push(CopyOf { image: image.name.clone(), original });
                false
            }
        });
        Ok(Self { images: contents, copies })
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// The places of the images among those given.
    pub fn indices(&self) -> Vec<usize> {
        self.images.iter().map(|image| image.index).collect()
    }

    /// A training without images whose content is that of an earlier one or of one held out, and all images that are
    /// left out as copies: a copy shows no further part.
    ///
    /// # Errors
    /// [`TrainingError::TooFewImages`](crate::TrainingError::TooFewImages) where fewer than two images are left to train on.
    pub fn apart<B: Backend>(
        &self,
        trainer: Trainer<B>,
    ) -> Result<(Trainer<B>, Vec<CopyOf>), PipelineError> {
        let held_out = self.images.iter().map(|image| (image.fingerprint, image.name.clone()));
        let (trainer, of_training) = trainer.without_copies(held_out)?;
        Ok((trainer, self.copies.iter().cloned().chain(of_training).collect()))
    }

    /// How many of some images that are held out have near doubles among those of the training: a few that are far
    /// nearer to it than the next, as several frames of one part are. With the number looked at.
    ///
    /// # Errors
    /// An image that can't be read, unless those are to be skipped, or what extracting features fails with.
    pub fn near_doubles<B: Backend>(
        images: Images<'_>,
        trainer: &Trainer<B>,
    ) -> Result<(usize, usize), PipelineError> {
        if images.is_empty() {
            return Ok((0, 0));
        }
        let training = trainer.mean_features()?;
        let is_double = |image: RgbImage| {
            let own = trainer.mean_features_of(&image.into())?;
            let mut distances: Vec<f64> =
                training.iter().map(|other| distance(&own, other)).collect();
            distances.sort_unstable_by(f64::total_cmp);
            Ok(has_gap(&distances))
        };
        let doubles =
            images.map_some(LOOKED_AT, trainer.config().seed, trainer.input(), is_double)?;
        let doubles = doubles.into_iter().collect::<Result<Vec<bool>, PipelineError>>()?;
        Ok((doubles.iter().filter(|&&is_double| is_double).count(), doubles.len()))
    }
}

/// Whether the first few of ascending distances are far below the next.
fn has_gap(distances: &[f64]) -> bool {
    let nearest = distances.windows(2).take(MOST_FRAMES);
    // Of so few images, any has few that are like it.
    distances.len() > 2 * MOST_FRAMES
        && nearest.into_iter().any(|pair| matches!(pair, [near, next] if GAP * near < *next))
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
    squares.sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_one_part_are_far_nearer_than_the_next() {
        let spread: Vec<f64> = (0..20).map(|i| 3.0 + 0.1 * f64::from(i)).collect();
        assert!(!has_gap(&spread));
        for frames in 1..=MOST_FRAMES {
            let near = (0..frames).map(|i| 0.5 + 0.01 * i as f64);
            let distances: Vec<f64> = near.chain(spread.iter().copied()).collect();
            assert!(has_gap(&distances), "{frames}");
        }
        // A kind of its own is no part of its own.
        let kind = (0..12).map(|i| 0.5 + 0.01 * f64::from(i));
        assert!(!has_gap(&kind.chain(spread.iter().copied()).collect::<Vec<f64>>()));
        assert!(!has_gap(&[0.1, 9.0, 9.1]));
    }
}
