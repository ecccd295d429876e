//! Any pixel type to three 8 bit channels. Knows depths, no files.

use image::{DynamicImage, RgbImage};

use crate::depth::{check_floats, eight_bits, largest_16_bit};
use crate::error::PixelError;

/// The largest value of cameras with fewer than 16 bits.
const FOURTEEN_BITS: u16 = 16383;

/// Converts to three channels of 8 bits.
///
/// Grey is replicated to the three channels. 16 bit values are scaled by 255 / `white_level` and
/// rounded to the nearest; values of 8 bits are as they are. Without a white level it is 65535, of an
/// image with a value above 16383: a darker one may be of a camera with fewer bits, and is refused.
/// Float values are scaled by 255. An alpha channel is dropped, not blended: transparent pixels keep
/// the colour that the file stores for them.
///
/// # Errors
/// [`PixelError`] for a 16 bit value above white, for an image whose white isn't known, and for a
/// float that isn't from 0 to 1.
///
/// ```
/// use image::{DynamicImage, ImageBuffer, Luma};
/// use nfbmr_data::to_rgb8;
///
/// # fn main() -> Result<(), nfbmr_data::PixelError> {
/// // Of a camera with 12 bits.
/// let grey: DynamicImage = ImageBuffer::from_pixel(2, 1, Luma([1365u16])).into();
/// assert_eq!(to_rgb8(&grey, Some(4095))?.as_raw(), &[85; 6]);
/// assert!(to_rgb8(&grey, Some(1023)).is_err());
/// # Ok(())
/// # }
/// ```
pub fn to_rgb8(image: &DynamicImage, white_level: Option<u16>) -> Result<RgbImage, PixelError> {
    check_floats(image)?;
    let Some(largest) = largest_16_bit(image) else { return Ok(image.to_rgb8()) };
    let white = match white_level {
        Some(white) => white,
        None if largest > FOURTEEN_BITS => u16::MAX,
        None => return Err(PixelError::NoWhite { found: largest }),
    };
    let narrow = eight_bits(image, white);
    Ok(narrow.map_err(|found| PixelError::AboveWhite { white, found })?.into_rgb8())
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, ImageBuffer, Luma, LumaA, Rgb, Rgba};

    use super::*;

    #[test]
    fn every_16_bit_value_is_rounded_to_the_nearest() {
        let values: Vec<u16> = (0..=u16::MAX).collect();
        let expected: Vec<u8> =
            values.iter().map(|&v| (f64::from(v) * 255.0 / 65535.0).round() as u8).collect();
        let grey = ImageBuffer::<Luma<u16>, _>::from_raw(256, 256, values.clone()).unwrap();
        let rgba = ImageBuffer::<Rgba<u16>, _>::from_raw(128, 128, values).unwrap();

        let got = to_rgb8(&DynamicImage::ImageLuma16(grey), None).unwrap();
        let replicated: Vec<u8> = expected.iter().flat_map(|&v| [v; 3]).collect();
        assert_eq!(got.as_raw(), &replicated);

        let got = to_rgb8(&DynamicImage::ImageRgba16(rgba), None).unwrap();
        let without_alpha: Vec<u8> =
            expected.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect();
        assert_eq!(got.as_raw(), &without_alpha);
    }

    #[test]
    fn alpha_is_dropped_not_blended() {
        let grey = ImageBuffer::<LumaA<u8>, _>::from_raw(2, 1, vec![9, 0, 200, 128]).unwrap();
        let colour = ImageBuffer::<Rgba<u8>, _>::from_raw(1, 1, vec![1, 2, 3, 0]).unwrap();
        let grey = to_rgb8(&DynamicImage::ImageLumaA8(grey), None).unwrap();
        assert_eq!(grey.as_raw(), &[9, 9, 9, 200, 200, 200]);
        let colour = to_rgb8(&DynamicImage::ImageRgba8(colour), None).unwrap();
        assert_eq!(colour.as_raw(), &[1, 2, 3]);
    }

    #[test]
    fn a_value_above_white_is_refused() {
        let deep = ImageBuffer::<Luma<u16>, _>::from_raw(3, 1, vec![0, 9000, 4095]).unwrap();
        let error = to_rgb8(&deep.into(), Some(4095)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected 16-bit values up to 4095 (the model's white level), found 9000"
        );
        let shallow = GrayImage::from_pixel(1, 1, Luma([77]));
        assert_eq!(to_rgb8(&shallow.into(), Some(4095)).unwrap().as_raw(), &[77; 3]);
    }

    #[test]
    fn without_a_white_level_full_range_is_told_from_fewer_bits() {
        let convert =
            |value: u16| to_rgb8(&ImageBuffer::from_pixel(1, 1, Luma([value])).into(), None);
        assert_eq!(convert(0x8080).unwrap().as_raw(), &[128; 3]);
        assert_eq!(convert(16384).unwrap().as_raw(), &[64; 3]);
        for found in [0, 1023, 4095, 16383] {
            assert_eq!(convert(found), Err(PixelError::NoWhite { found }));
        }
    }

    #[test]
    fn floats_are_from_0_to_1() {
        let colour = |values: [f32; 3]| {
            let colour = ImageBuffer::<Rgb<f32>, _>::from_raw(1, 1, values.to_vec()).unwrap();
            to_rgb8(&DynamicImage::ImageRgb32F(colour), None)
        };
        assert_eq!(colour([0.0, 0.5, 1.0]).unwrap().as_raw(), &[0, 128, 255]);
        for found in [-0.1, 1.01, 255.0, f32::INFINITY] {
            assert_eq!(colour([0.5, found, 0.5]), Err(PixelError::Float { found }));
        }
        assert!(colour([0.5, 0.5, f32::NAN]).is_err());
        let alpha = ImageBuffer::from_pixel(1, 1, Rgba([0.0, 0.5, 1.0, 255.0f32]));
        let alpha = to_rgb8(&DynamicImage::ImageRgba32F(alpha), None).unwrap();
        assert_eq!(alpha.as_raw(), &[0, 128, 255]);
    }
}
