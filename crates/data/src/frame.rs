//! Borrowed camera buffers.

use image::{DynamicImage, GrayImage, RgbImage};

use crate::error::FrameError;
use crate::size::Size;

/// How a camera lays out one pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PixelFormat {
    /// One byte of grey.
    Mono8,
    /// Three bytes: red, green, blue.
    Rgb8,
}

impl PixelFormat {
    /// Bytes of one pixel.
    pub const fn bytes_per_pixel(self) -> usize {
        match self {
            Self::Mono8 => 1,
            Self::Rgb8 => 3,
        }
    }
}

/// An image in a buffer that someone else owns, such as a camera driver.
///
/// Rows lie `stride` bytes apart, top row first; the bytes between the end of a row's pixels and
/// the next row are ignored, and may be missing after the last row.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    bytes: &'a [u8],
    size: Size,
    stride: usize,
    format: PixelFormat,
}

impl<'a> Frame<'a> {
    /// Describes `bytes` as an image of `width` x `height` pixels, `stride` bytes per row.
    ///
    /// # Errors
    /// [`FrameError`] where the image has no pixels, the stride is shorter than a row, the buffer
    /// is shorter than the image, or the sizes overflow.
    pub fn new(
        bytes: &'a [u8],
        width: u32,
        height: u32,
        stride: usize,
        format: PixelFormat,
    ) -> Result<Self, FrameError> {
        let size = Size { width, height };
        if width == 0 || height == 0 {
            return Err(FrameError::Empty { size });
        }
        let overflow = || FrameError::Overflow { size, stride };
        let row = usize::try_from(width)
            .ok()
            .and_then(|width| width.checked_mul(format.bytes_per_pixel()))
            .ok_or_else(overflow)?;
        if stride < row {
            return Err(FrameError::Stride { expected: row, found: stride });
        }
        let expected = usize::try_from(height - 1)
            .ok()
            .and_then(|rows| rows.checked_mul(stride))
            .and_then(|start| start.checked_add(row))
            .ok_or_else(overflow)?;
        if bytes.len() < expected {
            return Err(FrameError::Buffer { expected, found: bytes.len() });
        }
        Ok(Self { bytes, size, stride, format })
    }

    /// Width and height in pixels.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Bytes from the start of a row to the start of the next.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// The layout of one pixel.
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// The rows from top to bottom, each cut to the bytes of its pixels.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        // `new` made sure that a row fits, and the cast.
        let row = self.size.width as usize * self.format.bytes_per_pixel();
        self.bytes
            .chunks(self.stride)
            .take(self.size.height as usize)
            .map(move |r| r.get(..row).unwrap_or(r))
    }

    /// Copies the pixels into an image, once and without the padding.
    pub fn to_image(&self) -> DynamicImage {
        let Size { width, height } = self.size;
        let pixels = self.rows().collect::<Vec<_>>().concat();
        let image = match self.format {
            PixelFormat::Mono8 => GrayImage::from_raw(width, height, pixels).map(Into::into),
            PixelFormat::Rgb8 => RgbImage::from_raw(width, height, pixels).map(Into::into),
        };
        #[expect(clippy::expect_used, reason = "`new` made sure of height rows of width pixels")]
        image.expect("as many bytes as pixels")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_left_out() {
        // The last row may end with its pixels.
        let bytes = [1, 2, 3, 4, 5, 6, 99, 7, 8, 9, 10, 11, 12];
        let frame = Frame::new(&bytes, 2, 2, 7, PixelFormat::Rgb8).unwrap();
        let image = frame.to_image();
        assert_eq!(image.as_rgb8().unwrap().as_raw(), &(1..=12).collect::<Vec<u8>>());

        let frame = Frame::new(&bytes, 2, 3, 4, PixelFormat::Mono8).unwrap();
        let image = frame.to_image();
        assert_eq!(image.as_luma8().unwrap().as_raw(), &[1, 2, 5, 6, 8, 9]);
    }

    #[test]
    fn bad_descriptions_are_refused() {
        let bytes = [0; 24];
        let frame = |w, h, stride, format| Frame::new(&bytes, w, h, stride, format).unwrap_err();
        let size = Size { width: 0, height: 4 };
        assert_eq!(frame(0, 4, 8, PixelFormat::Mono8), FrameError::Empty { size });
        let size = Size { width: 4, height: 0 };
        assert_eq!(frame(4, 0, 8, PixelFormat::Mono8), FrameError::Empty { size });
        assert_eq!(frame(3, 2, 8, PixelFormat::Rgb8), FrameError::Stride { expected: 9, found: 8 });
        assert_eq!(
            frame(4, 4, 7, PixelFormat::Mono8),
            FrameError::Buffer { expected: 25, found: 24 }
        );
        assert!(matches!(frame(4, 4, usize::MAX, PixelFormat::Mono8), FrameError::Overflow { .. }));
        assert!(matches!(
            frame(u32::MAX, u32::MAX, usize::MAX, PixelFormat::Rgb8),
            FrameError::Overflow { .. }
        ));
    }
}
