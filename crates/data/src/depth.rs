//! Values of any depth to 8 bits. Knows decoded pixels, no files.

use std::borrow::Cow;

use image::DynamicImage::{ImageLuma8, ImageLuma16, ImageRgb8, ImageRgb16};
use image::{DynamicImage, ImageBuffer, Pixel, Rgba};

use crate::error::PixelError;

/// The depth that a file declares for its values, where it isn't that of their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Values from 0 to this one.
    White(u16),
    /// Values from 0, which is white: TIFF's other way round.
    Black(u16),
    /// So many bits, fewer than 16: the high ones, as PNG has it, or the low ones.
    Bits(u8),
}

impl Depth {
    /// The largest value that there may be.
    pub(crate) fn white(self) -> u16 {
        match self {
            Self::White(largest) | Self::Black(largest) => largest,
            Self::Bits(_) => u16::MAX,
        }
    }

    /// The image in 8 bits, without alpha; an error is its largest value, beyond the declared.
    pub(crate) fn apply(self, mut image: DynamicImage) -> Result<DynamicImage, u16> {
        match self {
            Self::White(white) => eight_bits(&image, white),
            Self::Black(black) => {
                // The decoder took all 16 bits for the range.
                image.invert();
                let mut image = eight_bits(&image, black)?;
                image.invert();
                Ok(image)
            }
            Self::Bits(bits) => {
                let low = u16::MAX >> 16u8.saturating_sub(bits);
                let image = without_alpha(&image);
                let values = values(&image).unwrap_or_default();
                let high = values.iter().any(|&value| value > low)
                    || values.iter().all(|&value| value.trailing_zeros() >= 16 - u32::from(bits));
                eight_bits(&image, if high { u16::MAX } else { low })
            }
        }
    }
}

/// An image whose values go from 0 to `white` in 8 bits, without alpha; an error is its largest
/// value, beyond that. Images of floats stay as they are.
pub(crate) fn eight_bits(image: &DynamicImage, white: u16) -> Result<DynamicImage, u16> {
    Ok(match &*without_alpha(image) {
        ImageLuma8(grey) => ImageLuma8(scaled(grey, white)?),
        ImageLuma16(grey) => ImageLuma8(scaled(grey, white)?),
        ImageRgb8(colour) => ImageRgb8(scaled(colour, white)?),
        ImageRgb16(colour) => ImageRgb8(scaled(colour, white)?),
        other => other.clone(),
    })
}

/// The largest value of an image of 16 bits, alpha left aside; `None` of any other.
pub fn largest_16_bit(image: &DynamicImage) -> Option<u16> {
    values(&without_alpha(image))?.iter().copied().max()
}

/// That all values but alpha are from 0 to 1, in an image of floats.
pub(crate) fn check_floats(image: &DynamicImage) -> Result<(), PixelError> {
    let from_middle = |value: &f32| (value - 0.5).abs();
    let farther = |a: &&f32, b: &&f32| from_middle(a).total_cmp(&from_middle(b));
    let farthest = match image {
        DynamicImage::ImageRgb32F(colour) => colour.iter().max_by(farther),
        DynamicImage::ImageRgba32F(colour) => {
            colour.pixels().flat_map(|Rgba([colour @ .., _])| colour).max_by(farther)
        }
        _ => None,
    };
    match farthest {
        Some(&found) if !(0.0..=1.0).contains(&found) => Err(PixelError::Float { found }),
        _ => Ok(()),
    }
}

fn without_alpha(image: &DynamicImage) -> Cow<'_, DynamicImage> {
    match image {
        DynamicImage::ImageLumaA16(_) => Cow::Owned(image.to_luma16().into()),
        DynamicImage::ImageRgba16(_) => Cow::Owned(image.to_rgb16().into()),
        _ => Cow::Borrowed(image),
    }
}

/// The values of an image of 16 bits without alpha.
fn values(image: &DynamicImage) -> Option<&[u16]> {
    match image {
        ImageLuma16(grey) => Some(grey.as_raw()),
        ImageRgb16(colour) => Some(colour.as_raw()),
        _ => None,
    }
}

fn scaled<P, Q>(
    image: &ImageBuffer<P, Vec<P::Subpixel>>,
    white: u16,
) -> Result<ImageBuffer<Q, Vec<u8>>, u16>
where
    P: Pixel<Subpixel: Into<u16>>,
    Q: Pixel<Subpixel = u8>,
{
    let values = || image.iter().map(|&value| value.into());
    if let Some(largest) = values().max().filter(|&largest: &u16| largest > white) {
        return Err(largest);
    }
    let white = u32::from(white.max(1));
    let mut narrow = ImageBuffer::new(image.width(), image.height());
    for (narrow, value) in narrow.iter_mut().zip(values()) {
        *narrow = ((u32::from(value) * 255 + white / 2) / white) as u8;
    }
    Ok(narrow)
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, Luma};

    use super::*;

    fn grey(values: &[u16]) -> DynamicImage {
        let width = values.len() as u32;
        ImageBuffer::<Luma<u16>, _>::from_raw(width, 1, values.to_vec()).unwrap().into()
    }

    fn narrow(values: &[u16], depth: Depth) -> Result<Vec<u8>, u16> {
        depth.apply(grey(values)).map(|image| image.into_luma8().into_raw())
    }

    #[test]
    fn every_value_is_rounded_to_the_nearest() {
        for white in [100, 255, 1023, 4095, 16383, 65535] {
            let values: Vec<u16> = (0..=white).collect();
            let nearest = |&value: &u16| (f64::from(value) * 255.0 / f64::from(white)).round();
            let expected: Vec<u8> = values.iter().map(|value| nearest(value) as u8).collect();
            assert_eq!(narrow(&values, Depth::White(white)), Ok(expected), "{white}");
        }
    }

    #[test]
    fn values_beyond_white_are_told() {
        assert_eq!(narrow(&[4095, 4097, 4096], Depth::White(4095)), Err(4097));
        assert_eq!(narrow(&[65535 - 4096], Depth::Black(4095)), Err(4096));
        let dim = DynamicImage::ImageLuma8(GrayImage::from_pixel(1, 1, Luma([101])));
        assert_eq!(Depth::White(100).apply(dim), Err(101));
    }

    #[test]
    fn alpha_has_a_depth_of_its_own() {
        let pixel = Rgba([4095u16, 0, 2048, u16::MAX]);
        let image: DynamicImage = ImageBuffer::from_pixel(1, 1, pixel).into();
        assert_eq!(largest_16_bit(&image), Some(4095));
        let narrow = Depth::Bits(12).apply(image).unwrap();
        assert_eq!(narrow.as_rgb8().unwrap().as_raw(), &[255, 0, 128]);
    }

    #[test]
    fn black_may_be_the_largest() {
        // As the decoder hands them over, which took 65535 for black.
        let values = [65535, 65535 - 4095, 65535 - 1365];
        assert_eq!(narrow(&values, Depth::Black(4095)), Ok(vec![255, 0, 170]));
    }

    #[test]
    fn significant_bits_are_low_or_high() {
        assert_eq!(narrow(&[0, 1365, 4095], Depth::Bits(12)), Ok(vec![0, 85, 255]));
        // Shifted up, and with the bits repeated below.
        assert_eq!(narrow(&[0, 1360], Depth::Bits(12)), Ok(vec![0, 5]));
        assert_eq!(narrow(&[0, 0x5555, 0xFFFF], Depth::Bits(12)), Ok(vec![0, 85, 255]));
        assert_eq!(narrow(&[0, 1], Depth::Bits(1)), Ok(vec![0, 255]));
        assert_eq!(narrow(&[0, 0x8000], Depth::Bits(1)), Ok(vec![0, 128]));
    }
}
