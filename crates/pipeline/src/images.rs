use std::path::PathBuf;

use burn::tensor::{Tensor, TensorData};
use image::{DynamicImage, RgbImage};
use nfbmr_backend::Backend;
use nfbmr_data::{Fit, Limits, fit_rgb, load_chunks, to_rgb8};
use rayon::prelude::*;

use crate::error::PipelineError;

/// Images to train on: files, decoded a few at a time, or decoded images.
#[derive(Clone, Copy, Debug)]
pub enum Images<'a> {
    /// Image files.
    Files(&'a [PathBuf]),
    /// Images in memory.
    Decoded(&'a [DynamicImage]),
}

impl<'a> From<&'a [PathBuf]> for Images<'a> {
    fn from(files: &'a [PathBuf]) -> Self {
        Self::Files(files)
    }
}

impl<'a> From<&'a Vec<PathBuf>> for Images<'a> {
    fn from(files: &'a Vec<PathBuf>) -> Self {
        Self::Files(files)
    }
}

impl<'a> From<&'a [DynamicImage]> for Images<'a> {
    fn from(images: &'a [DynamicImage]) -> Self {
        Self::Decoded(images)
    }
}

impl<'a> From<&'a Vec<DynamicImage>> for Images<'a> {
    fn from(images: &'a Vec<DynamicImage>) -> Self {
        Self::Decoded(images)
    }
}

impl Images<'_> {
    /// Number of images.
    pub fn len(&self) -> usize {
        match self {
            Self::Files(files) => files.len(),
            Self::Decoded(images) => images.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `f` with `chunk` images at a time, brought to `side` x `side`; the last chunk may be
    /// shorter.
    pub(crate) fn try_for_chunks(
        &self,
        chunk: usize,
        side: u32,
        fit: Fit,
        mut f: impl FnMut(&[RgbImage]) -> Result<(), PipelineError>,
    ) -> Result<(), PipelineError> {
        match self {
            Self::Files(files) => {
                let limits = Limits::default();
                for images in load_chunks(files, chunk, &limits, side, fit) {
                    f(&images?)?;
                }
            }
            Self::Decoded(images) => {
                for images in images.chunks(chunk) {
                    let fitted: Result<Vec<_>, _> = images
                        .par_iter()
                        .map(|image| fit_rgb(&to_rgb8(image), side, fit).map(|f| f.image))
                        .collect();
                    f(&fitted?)?;
                }
            }
        }
        Ok(())
    }
}

/// Images of one size as `[N, 3, height, width]` with values 0 to 1.
pub(crate) fn to_tensor<B: Backend>(images: &[RgbImage], device: &B::Device) -> Tensor<B, 4> {
    let (width, height) = images.first().map_or((0, 0), |image| image.dimensions());
    let plane = width as usize * height as usize;
    let mut values = vec![0f32; images.len() * 3 * plane];
    for (image, values) in images.iter().zip(values.chunks_exact_mut((3 * plane).max(1))) {
        for (i, pixel) in image.pixels().enumerate() {
            for (channel, &value) in pixel.0.iter().enumerate() {
                values[channel * plane + i] = f32::from(value) / 255.0;
            }
        }
    }
    let shape = [images.len(), 3, height as usize, width as usize];
    Tensor::from_data(TensorData::new(values, shape), device)
}
