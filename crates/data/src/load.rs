//! Many files to images of the model's input size.

use std::path::Path;

use rayon::prelude::*;

use crate::decode::{Limits, load_image};
use crate::error::DataError;
use crate::fit::{Fit, Fitted, fit_rgb};
use crate::size::Size;

/// Decodes one file and brings it to `size`.
///
/// # Errors
/// Those of [`load_image`], and [`DataError::Resize`] where `size` is empty or huge.
pub fn load_rgb(
    path: impl AsRef<Path>,
    limits: &Limits,
    size: impl Into<Size>,
    fit: Fit,
) -> Result<Fitted, DataError> {
    let path = path.as_ref();
    let image = load_image(path, limits)?.into_rgb8();
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
    size: impl Into<Size>,
    fit: Fit,
) -> Vec<Result<Fitted, DataError>> {
    let size = size.into();
    paths.par_iter().map(|path| load_rgb(path, limits, size, fit)).collect()
}

/// As [`par_load`], `chunk` files at a time (at least one), for sets that do not fit in memory.
///
/// Nothing is decoded before it is asked for; the last chunk may be shorter.
pub fn load_chunks<'a, P, S>(
    paths: &'a [P],
    chunk: usize,
    limits: &'a Limits,
    size: S,
    fit: Fit,
) -> impl Iterator<Item = Vec<Result<Fitted, DataError>>> + use<'a, P, S>
where
    P: AsRef<Path> + Sync,
    S: Into<Size>,
{
    let size = size.into();
    paths.chunks(chunk.max(1)).map(move |paths| par_load(paths, limits, size, fit))
}
