//! The images of a training or a calibration, decoded a few at a time.

use std::path::PathBuf;

use burn::tensor::{Tensor, TensorData};
use image::{DynamicImage, RgbImage};
use nfbmr_backend::Backend;
use nfbmr_data::{DataError, Limits, OnBadFile, load_rgb8, shuffle};
use rayon::prelude::*;

use super::{Input, TrainingImage};
use crate::error::{ImageName, PipelineError};

/// Images that are decoded and in memory together.
pub(crate) const CHUNK: usize = 8;

/// Images to train on or to calibrate on: files, decoded a few at a time, or decoded images.
///
/// Paths alone, as in `(&paths).into()`, mean the default limits and to stop at a bad file. To go on
/// without bad files:
///
/// ```
/// use nfbmr_data::{Limits, OnBadFile};
/// use nfbmr_pipeline::Images;
///
/// # let paths = Vec::new();
/// let mut skipped = Vec::new();
/// let images = Images::Files {
///     paths: &paths,
///     limits: Limits { max_pixels: 20_000_000, ..Limits::default() },
///     on_bad: OnBadFile::Skip(&mut skipped),
/// };
/// // Pipeline::train(&config, weights, images, &device, &mut progress)?;
/// # drop(images);
/// for error in &skipped {
///     eprintln!("skipped: {error}");
/// }
/// ```
#[derive(Debug)]
pub enum Images<'a> {
    /// Image files.
    Files {
        /// The files.
        paths: &'a [PathBuf],
        /// How large an image may be.
        limits: Limits,
        /// What to do about files that can't be read or decoded; training without them needs two good
        /// ones all the same.
        on_bad: OnBadFile<'a>,
    },
    /// Images in memory, each with the index that it is called by.
    Decoded(Vec<(usize, &'a DynamicImage)>),
}

impl<'a> From<&'a [PathBuf]> for Images<'a> {
    fn from(paths: &'a [PathBuf]) -> Self {
        Self::Files { paths, limits: Limits::default(), on_bad: OnBadFile::Stop }
    }
}

impl<'a> From<&'a Vec<PathBuf>> for Images<'a> {
    fn from(paths: &'a Vec<PathBuf>) -> Self {
        paths.as_slice().into()
    }
}

impl<'a> From<&'a [DynamicImage]> for Images<'a> {
    fn from(images: &'a [DynamicImage]) -> Self {
        Self::Decoded(images.iter().enumerate().collect())
    }
}

impl<'a> From<&'a Vec<DynamicImage>> for Images<'a> {
    fn from(images: &'a Vec<DynamicImage>) -> Self {
        images.as_slice().into()
    }
}

impl<'a> Images<'a> {
    /// Number of images, bad files included.
    pub fn len(&self) -> usize {
        match self {
            Self::Files { paths, .. } => paths.len(),
            Self::Decoded(images) => images.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same images once more, bad files of which go to `skipped` unless they stop the work.
    pub fn again<'b>(&self, skipped: &'b mut Vec<DataError>) -> Images<'b>
    where
        'a: 'b,
    {
        match self {
            Self::Files { paths, limits, on_bad } => {
                let (paths, limits) = (*paths, *limits);
                let on_bad = match on_bad {
                    OnBadFile::Stop => OnBadFile::Stop,
                    OnBadFile::Skip(_) => OnBadFile::Skip(skipped),
                };
                Images::Files { paths, limits, on_bad }
            }
            Self::Decoded(images) => Images::Decoded(images.clone()),
        }
    }

    /// What the images are called.
    pub(crate) fn names(&self) -> ImageNames<'a> {
        match self {
            Self::Files { paths, .. } => ImageNames::Paths(paths),
            Self::Decoded(images) => {
                ImageNames::Indices(images.iter().map(|&(index, _)| index).collect())
            }
        }
    }

    /// What `map` makes of some of the images, at most so many and drawn by the seed, masked and in 8 bits; in their order.
    pub(crate) fn map_some<T: Send>(
        self,
        most: usize,
        seed: u64,
        input: &Input,
        map: impl Fn(RgbImage) -> T + Sync,
    ) -> Result<Vec<T>, PipelineError> {
        let mut drawn: Vec<usize> = (0..self.len()).collect();
        shuffle(&mut drawn, seed);
        drawn.truncate(most);
        drawn.sort_unstable();
        match self {
            Self::Files { paths, limits, mut on_bad } => {
                let paths: Vec<&PathBuf> = drawn.iter().filter_map(|&at| paths.get(at)).collect();
                let load = |path: &&PathBuf| {
                    let image = load_rgb8(path, &limits, input.white_level)?;
                    Ok(input.masked_rgb(&image.into()).map(&map))
                };
                let mut mapped = Vec::with_capacity(paths.len());
                for paths in paths.chunks(CHUNK) {
                    let loaded: Vec<_> = paths.par_iter().map(load).collect();
                    mapped.extend(on_bad.keep_good(loaded)?);
                }
                mapped.into_iter().collect()
            }
            Self::Decoded(images) => drawn
                .par_iter()
                .filter_map(|&at| images.get(at))
                .map(|(_, image)| input.masked_rgb(image).map(&map))
                .collect(),
        }
    }

    /// Calls `f` with a few images at a time, each as the networks see it and then its copies, with the
    /// index of each and with the number of images seen for them: more than there are where bad files were left out.
    pub(crate) fn try_for_chunks(
        self,
        input: &Input,
        mut f: impl FnMut(&[TrainingImage], &[usize], usize) -> Result<(), PipelineError>,
    ) -> Result<(), PipelineError> {
        let copies = |image: &DynamicImage| input.training_image(image);
        match self {
            Self::Files { paths, limits, mut on_bad } => {
                // At once, so that no more whole images are in memory than threads run.
                let load = |&(index, path): &(usize, _)| {
                    let image = load_rgb8(path, &limits, input.white_level)?;
                    Ok((copies(&image.into()), index))
                };
                let files: Vec<(usize, &PathBuf)> = paths.iter().enumerate().collect();
                for files in files.chunks(CHUNK) {
                    let loaded: Vec<_> = files.par_iter().map(load).collect();
                    let (copies, good): (Vec<_>, Vec<_>) =
                        on_bad.keep_good(loaded)?.into_iter().unzip();
                    let copies = copies.into_iter().collect::<Result<Vec<_>, _>>()?;
                    f(&copies, &good, files.len())?;
                }
            }
            Self::Decoded(images) => {
                let indices: Vec<usize> = (0..images.len()).collect();
                for (images, indices) in images.chunks(CHUNK).zip(indices.chunks(CHUNK)) {
                    let copies = images
                        .par_iter()
                        .map(|(_, image)| copies(image))
                        .collect::<Result<Vec<_>, _>>()?;
                    f(&copies, indices, images.len())?;
                }
            }
        }
        Ok(())
    }

    /// As [`Self::try_for_chunks`], with images of their own sizes and the index of each.
    pub(crate) fn try_for_decoded(
        self,
        input: &Input,
        mut f: impl FnMut(&[DynamicImage], &[usize], usize) -> Result<(), PipelineError>,
    ) -> Result<(), PipelineError> {
        match self {
            Self::Files { paths, limits, mut on_bad } => {
                let files: Vec<(usize, &PathBuf)> = paths.iter().enumerate().collect();
                for files in files.chunks(CHUNK) {
                    let load = |&(index, path): &(usize, _)| {
                        let image = load_rgb8(path, &limits, input.white_level)?;
                        Ok((DynamicImage::from(image), index))
                    };
                    let loaded: Vec<_> = files.par_iter().map(load).collect();
                    let (images, good): (Vec<_>, Vec<_>) =
                        on_bad.keep_good(loaded)?.into_iter().unzip();
                    f(&images, &good, files.len())?;
                }
            }
            Self::Decoded(images) => {
                let indices: Vec<usize> = (0..images.len()).collect();
                for (images, indices) in images.chunks(CHUNK).zip(indices.chunks(CHUNK)) {
                    let images: Vec<DynamicImage> =
                        images.iter().map(|&(_, image)| image.clone()).collect();
                    f(&images, indices, images.len())?;
                }
            }
        }
        Ok(())
    }
}

/// What images are called.
#[derive(Clone, Debug)]
pub(crate) enum ImageNames<'a> {
    Paths(&'a [PathBuf]),
    Indices(Vec<usize>),
}

impl ImageNames<'_> {
    /// The name of the image at a place among those given.
    pub(crate) fn get(&self, place: usize) -> ImageName {
        match self {
            Self::Paths(paths) => paths
                .get(place)
                .map_or(ImageName::Index(place), |path| ImageName::Path(path.clone())),
            Self::Indices(indices) => {
                ImageName::Index(indices.get(place).copied().unwrap_or(place))
            }
        }
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
                #[expect(
                    clippy::indexing_slicing,
                    reason = "three planes of a value for each pixel"
                )]
                let at = &mut values[channel * plane + i];
                *at = f32::from(value) / 255.0;
            }
        }
    }
    let shape = [images.len(), 3, height as usize, width as usize];
    Tensor::from_data(TensorData::new(values, shape), device)
}
