//! Any pixel type to three 8 bit channels.

use image::{DynamicImage, RgbImage};

/// Converts to three channels of 8 bits.
///
/// Grey is replicated to the three channels. 16 bit values are scaled by 255 / 65535 and rounded
/// to the nearest. Float values are clamped to `[0, 1]` and scaled by 255. An alpha channel is
/// dropped, not blended: transparent pixels keep the colour that the file stores for them.
///
/// ```
/// use image::{DynamicImage, GrayImage, Luma};
///
/// let grey = DynamicImage::ImageLuma8(GrayImage::from_pixel(2, 1, Luma([7])));
/// assert_eq!(nfbmr_data::to_rgb8(&grey).as_raw(), &[7; 6]);
/// ```
pub fn to_rgb8(image: &DynamicImage) -> RgbImage {
    image.to_rgb8()
}

#[cfg(test)]
mod tests {
    use image::{ImageBuffer, Luma, LumaA, Rgb, Rgba};

    use super::*;

    #[test]
    fn every_16_bit_value_is_rounded_to_the_nearest() {
        let values: Vec<u16> = (0..=u16::MAX).collect();
        let expected: Vec<u8> =
            values.iter().map(|&v| (f64::from(v) * 255.0 / 65535.0).round() as u8).collect();
        let grey = ImageBuffer::<Luma<u16>, _>::from_raw(256, 256, values.clone()).unwrap();
        let rgba = ImageBuffer::<Rgba<u16>, _>::from_raw(128, 128, values).unwrap();

        let got = to_rgb8(&DynamicImage::ImageLuma16(grey));
        let replicated: Vec<u8> = expected.iter().flat_map(|&v| [v; 3]).collect();
        assert_eq!(got.as_raw(), &replicated);

        let got = to_rgb8(&DynamicImage::ImageRgba16(rgba));
        let without_alpha: Vec<u8> =
            expected.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect();
        assert_eq!(got.as_raw(), &without_alpha);
    }

    #[test]
    fn alpha_is_dropped_not_blended() {
        let grey = ImageBuffer::<LumaA<u8>, _>::from_raw(2, 1, vec![9, 0, 200, 128]).unwrap();
        let colour = ImageBuffer::<Rgba<u8>, _>::from_raw(1, 1, vec![1, 2, 3, 0]).unwrap();
        let grey = to_rgb8(&DynamicImage::ImageLumaA8(grey));
        assert_eq!(grey.as_raw(), &[9, 9, 9, 200, 200, 200]);
        assert_eq!(to_rgb8(&DynamicImage::ImageRgba8(colour)).as_raw(), &[1, 2, 3]);
    }

    #[test]
    fn floats_are_clamped() {
        let values = vec![-1.0, 0.5, 7.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
        let colour = ImageBuffer::<Rgb<f32>, _>::from_raw(2, 1, values).unwrap();
        let got = to_rgb8(&DynamicImage::ImageRgb32F(colour));
        // Not a number has no place in the range; the `image` crate paints it white.
        assert_eq!(got.as_raw(), &[0, 128, 255, 255, 255, 0]);
    }
}
