//! Borrowed camera buffers. Knows pixel formats and depths, no files.

use image::{DynamicImage, GrayImage, ImageBuffer, RgbImage};

use crate::depth::eight_bits;
use crate::error::FrameError;
use crate::pixel_format::PixelFormat;
use crate::size::Size;

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
        let expected = Self::bytes_of(width, height, stride, format)?;
        if bytes.len() < expected {
            return Err(FrameError::Buffer { expected, found: bytes.len() });
        }
        let size = Size { width, height };
        Ok(Self { bytes, size, stride, format })
    }

    /// The bytes that an image of `width` x `height` pixels takes, `stride` bytes per row: whoever is handed a pointer
    /// borrows as many.
    ///
    /// # Errors
    /// As [`Self::new`], but for the buffer.
    pub fn bytes_of(
        width: u32,
        height: u32,
        stride: usize,
        format: PixelFormat,
    ) -> Result<usize, FrameError> {
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
        usize::try_from(height - 1)
            .ok()
            .and_then(|rows| rows.checked_mul(stride))
            .and_then(|start| start.checked_add(row))
            // No buffer is longer.
            .filter(|&bytes| isize::try_from(bytes).is_ok())
            .ok_or_else(overflow)
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

    /// Copies the pixels into an image without the padding: of 8 bits, or of 16 where the format
    /// doesn't say what white is.
    ///
    /// # Errors
    /// [`FrameError::AboveWhite`] where a value is beyond those of the format.
    pub fn to_image(&self) -> Result<DynamicImage, FrameError> {
        let Size { width, height } = self.size;
        let mut pixels = self.rows().collect::<Vec<_>>().concat();
        let image =
            match self.format {
                PixelFormat::Mono8 => GrayImage::from_raw(width, height, pixels).map(Into::into),
                PixelFormat::Rgb8 => RgbImage::from_raw(width, height, pixels).map(Into::into),
                PixelFormat::Bgr8 => {
                    pixels.chunks_exact_mut(3).for_each(<[u8]>::reverse);
                    RgbImage::from_raw(width, height, pixels).map(Into::into)
                }
                PixelFormat::Rgb16 => ImageBuffer::from_raw(width, height, wide(&pixels))
                    .map(DynamicImage::ImageRgb16),
                PixelFormat::Mono10
                | PixelFormat::Mono12
                | PixelFormat::Mono14
                | PixelFormat::Mono16 => ImageBuffer::from_raw(width, height, wide(&pixels))
                    .map(DynamicImage::ImageLuma16),
            };
        #[expect(clippy::expect_used, reason = "`new` made sure of height rows of width pixels")]
        let image = image.expect("as many bytes as pixels");
        let Some(white) = self.format.white() else { return Ok(image) };
        let format = self.format;
        eight_bits(&image, white).map_err(|found| FrameError::AboveWhite { format, white, found })
    }
}

/// Values of two bytes, the low one first.
fn wide(bytes: &[u8]) -> Vec<u16> {
    bytes.as_chunks().0.iter().copied().map(u16::from_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_left_out() {
        // The last row may end with its pixels.
        let bytes = [1, 2, 3, 4, 5, 6, 99, 7, 8, 9, 10, 11, 12];
        let frame = Frame::new(&bytes, 2, 2, 7, PixelFormat::Rgb8).unwrap();
        let image = frame.to_image().unwrap();
        assert_eq!(image.as_rgb8().unwrap().as_raw(), &(1..=12).collect::<Vec<u8>>());

        let frame = Frame::new(&bytes, 2, 3, 4, PixelFormat::Mono8).unwrap();
        let image = frame.to_image().unwrap();
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

    #[test]
    fn two_bytes_make_a_value() {
        let image = |bytes: &[u8], stride, format| {
            Frame::new(bytes, 2, 1, stride, format).unwrap().to_image()
        };
        // 1365 and 4095, or 341 and 1023.
        let twelve = [0x55, 0x05, 0xFF, 0x0F, 99];
        let got = image(&twelve, 5, PixelFormat::Mono12).unwrap();
        assert_eq!(got.as_luma8().unwrap().as_raw(), &[85, 255]);
        let got = image(&[0x55, 0x01, 0xFF, 0x03], 4, PixelFormat::Mono10).unwrap();
        assert_eq!(got.as_luma8().unwrap().as_raw(), &[85, 255]);
        let got = image(&[0x55, 0x15, 0xFF, 0x3F], 4, PixelFormat::Mono14).unwrap();
        assert_eq!(got.as_luma8().unwrap().as_raw(), &[85, 255]);
        let got = image(&twelve, 5, PixelFormat::Mono16).unwrap();
        assert_eq!(got.as_luma16().unwrap().as_raw(), &[1365, 4095]);
        let got = image(&[1, 0, 2, 0, 3, 0, 0, 1, 0, 2, 0, 3], 12, PixelFormat::Rgb16).unwrap();
        assert_eq!(got.as_rgb16().unwrap().as_raw(), &[1, 2, 3, 256, 512, 768]);
        let got = image(&[1, 2, 3, 4, 5, 6], 6, PixelFormat::Bgr8).unwrap();
        assert_eq!(got.as_rgb8().unwrap().as_raw(), &[3, 2, 1, 6, 5, 4]);
    }

    #[test]
    fn a_value_beyond_the_format_is_refused() {
        let bytes = [0xFF, 0x0F, 0x00, 0x10];
        let frame = Frame::new(&bytes, 2, 1, 4, PixelFormat::Mono12).unwrap();
        let error = frame.to_image().unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected values up to 4095 in a frame of Mono12, found 4096"
        );
        let short = |format| Frame::new(&bytes, 2, 1, 3, format).unwrap_err();
        for format in [PixelFormat::Mono10, PixelFormat::Mono12, PixelFormat::Mono16] {
            assert_eq!(short(format), FrameError::Stride { expected: 4, found: 3 });
        }
        assert_eq!(short(PixelFormat::Rgb16), FrameError::Stride { expected: 12, found: 3 });
        assert_eq!(short(PixelFormat::Bgr8), FrameError::Stride { expected: 6, found: 3 });
    }
}
