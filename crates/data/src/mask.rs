//! Masks: which pixels of an image are marked. Knows the decoder, no data set.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageFormat};

use crate::decode::decode_image;
use crate::error::DataError;
use crate::kind::Kind;
use crate::limits::Limits;
use crate::read::read_file;
use crate::size::Size;
use crate::webp;

/// The most values that numbers of classes are; more are shades.
const CLASSES: usize = 16;

/// What a mask marks: the pixels of a defect, or the part of an image that is inspected.
///
/// One reading goes for all masks. Where an image is transparent in part, what isn't transparent is
/// marked, whatever its colour. Otherwise a pixel's value is the largest of its colour channels. Up
/// to 16 different values are classes, of which all but 0 are marked: black and white, red on black, a
/// 0/1 mask, and one whose defects have the numbers of their kinds. More are shades, of soft borders or
/// of lossy compression: pixels above half of the brightest value are marked. A JPEG file, and a WebP file
/// with loss, has shades whatever their number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    /// The size of the mask.
    pub size: Size,
    /// Whether each pixel is marked, row by row.
    pub pixels: Vec<bool>,
}

impl Marked {
    /// What a decoded mask marks.
    ///
    /// ```
    /// use image::{GrayImage, Luma};
    /// use nfbmr_data::Marked;
    ///
    /// let mut mask = GrayImage::new(3, 1);
    /// mask.put_pixel(0, 0, Luma([1]));
    /// mask.put_pixel(2, 0, Luma([200]));
    /// assert_eq!(Marked::of(&mask.into()).pixels, [true, false, true]);
    /// ```
    pub fn of(mask: &DynamicImage) -> Self {
        Self::read(mask, false)
    }

    /// What the mask in a file marks.
    ///
    /// Besides what decoding takes (see [`Limits`]), it needs nine bytes per pixel.
    ///
    /// # Errors
    /// Those of [`load_image`](crate::load_image).
    pub fn load(path: impl AsRef<Path>, limits: &Limits) -> Result<Self, DataError> {
        let path = path.as_ref();
        let encoded = read_file(path, limits)?;
        let mask = decode_image(&encoded, limits)
            .map_err(|source| DataError::Decode { path: path.into(), source })?;
        Ok(Self::read(&mask, is_lossy(&encoded)))
    }

    fn read(mask: &DynamicImage, lossy: bool) -> Self {
        let pixels = opaque(mask).unwrap_or_else(|| bright(mask, lossy));
        Self { size: (mask.width(), mask.height()).into(), pixels }
    }

    /// The share of the pixels that is marked; 0 of no pixels.
    pub fn share(&self) -> f64 {
        let marked = self.pixels.iter().filter(|&&marked| marked).count();
        marked as f64 / self.pixels.len().max(1) as f64
    }
}

fn is_lossy(encoded: &[u8]) -> bool {
    match Kind::of(encoded) {
        Kind::Image(ImageFormat::Jpeg) => true,
        Kind::Image(ImageFormat::WebP) => webp::is_lossy(encoded),
        _ => false,
    }
}

/// The pixels that aren't transparent, of an image some of whose pixels are in part at least.
fn opaque(mask: &DynamicImage) -> Option<Vec<bool>> {
    let alpha = mask.color().has_alpha().then(|| mask.to_rgba16())?;
    let alpha = || alpha.pixels().map(|pixel| pixel.0[3]);
    let transparent = alpha().any(|alpha| alpha < u16::MAX);
    transparent.then(|| alpha().map(|alpha| alpha > 0).collect())
}

/// The pixels that are bright enough.
fn bright(mask: &DynamicImage, lossy: bool) -> Vec<bool> {
    let colours = mask.to_rgb16();
    let values = || colours.pixels().map(|pixel| pixel.0.into_iter().max().unwrap_or(0));
    let shades = lossy || !are_classes(values());
    let dark = if shades { values().max().unwrap_or(0) / 2 } else { 0 };
    values().map(|value| value > dark).collect()
}

/// Whether values are few enough to be classes.
fn are_classes(mut values: impl Iterator<Item = u16>) -> bool {
    let mut different = BTreeSet::new();
    !values.any(|value| {
        different.insert(value);
        different.len() > CLASSES
    })
}

/// Whether an image has no more values than a mask of classes.
pub(crate) fn has_few_values(image: &DynamicImage) -> bool {
    are_classes(image.to_rgb16().pixels().flat_map(|pixel| pixel.0))
}

/// Decodes the masks of an image of `size`: for each pixel, row by row, whether one of them marks it as a
/// defect's, as [`Marked`] reads them. Without masks none is.
///
/// # Errors
/// [`DataError::MaskSize`] where a mask is of another size, and those of [`Marked::load`].
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
    let size = size.into();
    let mut defect = vec![false; size.width as usize * size.height as usize];
    for path in paths {
        let mask = load_mask(path, size, limits)?;
        defect.iter_mut().zip(mask.pixels).for_each(|(defect, marked)| *defect |= marked);
    }
    Ok(defect)
}

/// As [`Marked::load`], of the mask of an image of `size`.
///
/// # Errors
/// [`DataError::MaskSize`] where the mask is of another size, and those of [`Marked::load`].
pub fn load_mask(
    path: impl AsRef<Path>,
    size: impl Into<Size>,
    limits: &Limits,
) -> Result<Marked, DataError> {
    let (path, expected) = (path.as_ref(), size.into());
    let mask = Marked::load(path, limits)?;
    match mask.size == expected {
        true => Ok(mask),
        false => Err(DataError::MaskSize { path: path.into(), expected, found: mask.size }),
    }
}
