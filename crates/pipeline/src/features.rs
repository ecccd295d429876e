use burn::tensor::Tensor;
use image::RgbImage;
use nfbmr_backend::Backend;

use crate::config::PipelineConfig;
use crate::error::{PipelineError, TrainingError};
use crate::images::{Images, to_tensor};
use crate::progress::{Phase, ProgressFn, Reporter};
use crate::traits::FeatureExtractor;

/// Images that run through the backbone together; more take more memory and are no faster on a CPU.
pub(crate) const BATCH: usize = 4;

/// Source features `[1, C, H, W]` of each image, the backbone run once.
///
/// # Errors
/// An unreadable image, unless those are to be skipped; fewer than two images, images all blank or all the
/// same, or the caller's interruption.
pub fn extract_features<B: Backend>(
    extractor: &dyn FeatureExtractor<B>,
    config: &PipelineConfig,
    images: Images<'_>,
    device: &B::Device,
    progress: &mut ProgressFn<'_>,
) -> Result<Vec<Tensor<B, 4>>, PipelineError> {
    let count = images.len();
    if count < 2 {
        return Err(TrainingError::TooFewImages { found: count, skipped: 0 }.into());
    }
    let mut reporter = Reporter::new(Phase::Features, 1, count, progress);
    let mut features = Vec::with_capacity(count);
    let mut variety = Variety::default();
    images.try_for_chunks(BATCH, config.input_size, config.fit, |chunk, seen| {
        chunk.iter().for_each(|image| variety.add(image));
        let batch = extractor.extract(to_tensor(chunk, device))?;
        features.extend(batch.chunk(chunk.len(), 0));
        reporter.advance(seen)
    })?;
    let found = features.len();
    if found < 2 {
        return Err(TrainingError::TooFewImages { found, skipped: count - found }.into());
    }
    variety.check(found)?;
    Ok(features)
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
