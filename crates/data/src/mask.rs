//! Masks of defects.

use std::path::Path;

use image::DynamicImage;

use crate::decode::{Limits, load_image};
use crate::error::DataError;
use crate::size::Size;

/// Half of the largest value of 16 bits, rounded up.
const HALF: u16 = 0x8000;

/// Decodes the mask of an image of `size`: for each pixel, row by row, whether it is a defect's.
///
/// A pixel is as bright as the largest of its colour channels; alpha is ignored. What brightness
/// marks a defect depends on the mask's brightest pixel. If that has at least half of the full
/// brightness, pixels of at least half do: most masks have black and white only, but those of
/// magnetic-tile have soft borders. If it is darker, all pixels that are not black do: VisA marks
/// defects with the small numbers of their kinds.
///
/// Besides what decoding takes (see [`Limits`]), it needs seven bytes per pixel.
///
/// # Errors
/// [`DataError::MaskSize`] where the mask is of another size, and those of [`load_image`].
///
/// ```
/// use image::{GrayImage, Luma};
/// use nfbmr_data::{Limits, load_mask};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let path = folder.path().join("000_mask.png");
/// let mut mask = GrayImage::new(3, 2);
/// mask.put_pixel(1, 0, Luma([255]));
/// mask.save(&path)?;
/// let defect = load_mask(&path, (3, 2), &Limits::default())?;
/// assert_eq!(defect, [false, true, false, false, false, false]);
/// # Ok(())
/// # }
/// ```
pub fn load_mask(
    path: impl AsRef<Path>,
    size: impl Into<Size>,
    limits: &Limits,
) -> Result<Vec<bool>, DataError> {
    let path = path.as_ref();
    let mask = load_image(path, limits)?;
    let (expected, found) = (size.into(), Size::from((mask.width(), mask.height())));
    if found != expected {
        return Err(DataError::MaskSize { path: path.into(), expected, found });
    }
    Ok(marked(mask))
}

/// The pixels that a decoded mask marks; see [`load_mask`].
pub(crate) fn marked(mask: DynamicImage) -> Vec<bool> {
    let mask = mask.into_rgb16();
    let brightest = mask.iter().copied().max().unwrap_or(0);
    let level = if brightest >= HALF { HALF } else { 1 };
    mask.pixels().map(|pixel| pixel.0.iter().any(|&value| value >= level)).collect()
}
