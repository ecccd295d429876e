//! Many files to images of the model's input size.

use std::path::Path;

use image::RgbImage;
use rayon::prelude::*;

use crate::decode::{Limits, load_image};
use crate::error::DataError;
use crate::fit::{Fit, Fitted, fit_rgb};
use crate::size::Size;

/// Files that [`par_load`] decodes before it looks at their errors.
const CHUNK: usize = 64;

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

/// Decodes files in parallel and brings them to `size`, in the order of `paths`.
///
/// An image is resized as soon as it is decoded: besides the results, no more full-size images
/// are held than threads run.
///
/// # Errors
/// That of the first path that fails (see [`load_rgb`]).
pub fn par_load<P: AsRef<Path> + Sync>(
    paths: &[P],
    limits: &Limits,
    size: impl Into<Size>,
    fit: Fit,
) -> Result<Vec<RgbImage>, DataError> {
    let mut images = Vec::with_capacity(paths.len());
    for chunk in load_chunks(paths, CHUNK, limits, size, fit) {
        images.extend(chunk?);
    }
    Ok(images)
}

/// Decodes files in parallel, `chunk` at a time (at least one), for sets that do not fit in
/// memory.
///
/// Nothing is decoded before it is asked for. Each item holds the images of the next `chunk`
/// paths (the last may be shorter) in their order, or the error of the first path among them that
/// fails.
pub fn load_chunks<'a, P, S>(
    paths: &'a [P],
    chunk: usize,
    limits: &'a Limits,
    size: S,
    fit: Fit,
) -> impl Iterator<Item = Result<Vec<RgbImage>, DataError>> + use<'a, P, S>
where
    P: AsRef<Path> + Sync,
    S: Into<Size>,
{
    let size = size.into();
    paths.chunks(chunk.max(1)).map(move |paths| {
        let loaded: Vec<_> = paths
            .par_iter()
            .map(|path| load_rgb(path, limits, size, fit).map(|fitted| fitted.image))
            .collect();
        // Collecting in two steps makes the first error win, not the fastest.
        loaded.into_iter().collect()
    })
}
