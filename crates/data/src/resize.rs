//! Resampling. Knows sizes and pixels, no files.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

use crate::error::SizeError;
use crate::size::Size;

/// The most pixels of a resized image: a model's input is far smaller, and a wrong size must not
/// take the machine's memory.
const MAX_TARGET_PIXELS: u64 = 1 << 28;

/// Resizes to `width` x `height` pixels with an antialiased bilinear filter.
///
/// Within one grey level this is Pillow's `image.resize((width, height), Image.BILINEAR)`: when
/// shrinking, the filter widens with the scale, so that every source pixel has a say.
///
/// # Errors
/// [`SizeError`] where source or target has no pixels, or the target more than 2^28.
///
/// ```
/// use image::{Rgb, RgbImage};
///
/// let image = RgbImage::from_pixel(5, 3, Rgb([10, 20, 30]));
/// let small = nfbmr_data::resize_rgb(&image, 2, 2)?;
/// assert_eq!(small, RgbImage::from_pixel(2, 2, Rgb([10, 20, 30])));
/// # Ok::<(), nfbmr_data::SizeError>(())
/// ```
#[expect(clippy::expect_used, reason = "images of three 8 bit channels that have their sizes")]
pub fn resize_rgb(image: &RgbImage, width: u32, height: u32) -> Result<RgbImage, SizeError> {
    let source = Size::from(image.dimensions());
    let target = Size { width, height };
    check_sizes(source, target)?;
    if source == target {
        return Ok(image.clone());
    }
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    let from = ImageRef::new(source.width, source.height, image.as_raw(), PixelType::U8x3)
        .expect("an image's buffer fits its size");
    let mut into = Image::new(width, height, PixelType::U8x3);
    Resizer::new()
        .resize(&from, &mut into, &options)
        .expect("both images have three 8 bit channels");
    Ok(RgbImage::from_raw(width, height, into.into_vec())
        .expect("the target was made of this size"))
}

/// Refuses empty sources and empty or huge targets.
pub(crate) fn check_sizes(source: Size, target: Size) -> Result<(), SizeError> {
    let pixels = |size: Size| u64::from(size.width) * u64::from(size.height);
    if pixels(source) == 0 {
        return Err(SizeError::EmptySource { size: source });
    }
    if pixels(target) == 0 {
        return Err(SizeError::EmptyTarget { size: target });
    }
    if pixels(target) > MAX_TARGET_PIXELS {
        return Err(SizeError::TargetTooLarge { limit: MAX_TARGET_PIXELS, size: target });
    }
    Ok(())
}
