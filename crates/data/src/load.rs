//! Many files to images of the model's input size.

use std::path::Path;

use image::RgbImage;
use rayon::prelude::*;

use crate::decode::{Limits, load_image};
use crate::error::DataError;
use crate::fit::{Fit, Fitted, fit_rgb};
use crate::rgb::to_rgb8;
use crate::size::Size;

/// Decodes one file to three channels of 8 bits, as [`load_image`] and [`to_rgb8`] do.
///
/// # Errors
/// Those of [`load_image`], and [`DataError::Pixels`] where a value is above `white_level`.
pub fn load_rgb8(
    path: impl AsRef<Path>,
    limits: &Limits,
    white_level: Option<u16>,
) -> Result<RgbImage, DataError> {
    let path = path.as_ref();
    to_rgb8(&load_image(path, limits)?, white_level)
        .map_err(|source| DataError::Pixels { path: path.into(), source })
}

/// Decodes one file and brings it to `size`.
///
/// # Errors
/// Those of [`load_rgb8`], and [`DataError::Resize`] where `size` is empty or huge.
pub fn load_rgb(
    path: impl AsRef<Path>,
    limits: &Limits,
    white_level: Option<u16>,
    size: impl Into<Size>,
    fit: Fit,
) -> Result<Fitted, DataError> {
    let path = path.as_ref();
    let image = load_rgb8(path, limits, white_level)?;
    fit_rgb(&image, size, fit).map_err(|source| DataError::Resize { path: path.into(), source })
}

/// Decodes files in parallel and brings them to `size`: for each of `paths`, in order, its image
/// or its error (see [`load_rgb`]).
///
/// An image is resized as soon as it is decoded: besides the results, no more full-size images
/// are held than threads run. [`OnBadFile`](crate::OnBadFile) turns the results into images.
pub fn par_load<P: AsRef<Path> + Sync>(
    paths: &[P],
    limits: &Limits,
    white_level: Option<u16>,
    size: impl Into<Size>,
    fit: Fit,
) -> Vec<Result<Fitted, DataError>> {
    let size = size.into();
    paths.par_iter().map(|path| load_rgb(path, limits, white_level, size, fit)).collect()
}

/// As [`par_load`], `chunk` files at a time (at least one), for sets that do not fit in memory.
///
/// Nothing is decoded before it is asked for; the last chunk may be shorter.
pub fn load_chunks<'a, P, S>(
    paths: &'a [P],
    chunk: usize,
    limits: &'a Limits,
    white_level: Option<u16>,
    size: S,
    fit: Fit,
) -> impl Iterator<Item = Vec<Result<Fitted, DataError>>> + use<'a, P, S>
where
    P: AsRef<Path> + Sync,
    S: Into<Size>,
{
    let size = size.into();
    paths.chunks(chunk.max(1)).map(move |paths| par_load(paths, limits, white_level, size, fit))
}
