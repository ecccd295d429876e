//! Masks of defects.

use std::path::PathBuf;

use image::DynamicImage;

use crate::decode::{Limits, load_image};
use crate::error::DataError;
use crate::size::Size;

/// Half of the largest value of 16 bits, rounded up.
const HALF: u16 = 0x8000;

/// Decodes the masks of an image of `size`: for each pixel, row by row, whether one of them marks it as a
/// defect's. Without masks none is.
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
/// use nfbmr_data::{Limits, load_masks};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let path = folder.path().join("000_mask.png");
/// let mut mask = GrayImage::new(3, 2);
/// mask.put_pixel(1, 0, Luma([255]));
/// mask.save(&path)?;
/// let defect = load_masks(&[path], (3, 2), &Limits::default())?;
/// assert_eq!(defect, [false, true, false, false, false, false]);
/// # Ok(())
/// # }
/// ```
pub fn load_masks(
    paths: &[PathBuf],
    size: impl Into<Size>,
    limits: &Limits,
) -> Result<Vec<bool>, DataError> {
    let expected = size.into();
    let mut defect = vec![false; expected.width as usize * expected.height as usize];
    for path in paths {
        let mask = load_image(path, limits)?;
        let found = Size::from((mask.width(), mask.height()));
        if found != expected {
            return Err(DataError::MaskSize { path: path.clone(), expected, found });
        }
        defect.iter_mut().zip(marked(mask)).for_each(|(defect, marked)| *defect |= marked);
    }
    Ok(defect)
}

/// The pixels that a decoded mask marks; see [`load_masks`].
pub(crate) fn marked(mask: DynamicImage) -> Vec<bool> {
    let mask = mask.into_rgb16();
    let brightest = mask.iter().copied().max().unwrap_or(0);
    let level = if brightest >= HALF { HALF } else { 1 };
    mask.pixels().map(|pixel| pixel.0.iter().any(|&value| value >= level)).collect()
}
