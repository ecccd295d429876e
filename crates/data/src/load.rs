//! A file to the pixels that the models take. Knows the decoder and the depths.

use std::path::Path;

use image::RgbImage;

use crate::decode::load_image;
use crate::error::DataError;
use crate::limits::Limits;
use crate::rgb::to_rgb8;

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
