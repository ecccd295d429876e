//! Images as a camera delivers them.

use nfbmr::{Frame, PipelineError, PixelFormat};

use crate::status::Failure;

/// One byte of grey.
pub const NFBMR_MONO8: i32 = 0;
/// Grey from 0 to 1023.
pub const NFBMR_MONO10: i32 = 1;
/// Grey from 0 to 4095.
pub const NFBMR_MONO12: i32 = 2;
/// Grey from 0 to 16383.
pub const NFBMR_MONO14: i32 = 3;
/// Grey from 0 to the model's white level.
pub const NFBMR_MONO16: i32 = 4;
/// Three bytes: red, green, blue.
pub const NFBMR_RGB8: i32 = 5;
/// Three bytes: blue, green, red.
pub const NFBMR_BGR8: i32 = 6;
/// Red, green and blue from 0 to the model's white level.
pub const NFBMR_RGB16: i32 = 7;

/// An image in a buffer of the caller, which no call keeps.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct NfbmrFrame {
    /// The first byte of the top row. There are `(height - 1) * stride` bytes and those of the pixels of one more row.
    pub pixels: *const u8,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Bytes from the start of a row to the start of the next.
    pub stride: usize,
    /// The layout of one pixel, as GenICam names it: `NFBMR_MONO8`, `NFBMR_RGB8` and so on. Values of more than 8 bits
    /// lie in two bytes each, the low one first; those of fewer than 16 are in the low bits.
    pub format: i32,
}

const FORMATS: [(i32, PixelFormat); 8] = [
    (NFBMR_MONO8, PixelFormat::Mono8),
    (NFBMR_MONO10, PixelFormat::Mono10),
    (NFBMR_MONO12, PixelFormat::Mono12),
    (NFBMR_MONO14, PixelFormat::Mono14),
    (NFBMR_MONO16, PixelFormat::Mono16),
    (NFBMR_RGB8, PixelFormat::Rgb8),
    (NFBMR_BGR8, PixelFormat::Bgr8),
    (NFBMR_RGB16, PixelFormat::Rgb16),
];

impl NfbmrFrame {
    /// The frame, once its description makes sense.
    ///
    /// # Safety
    /// The pixels are null, or as many bytes as the description takes are valid for `'a`.
    pub(crate) unsafe fn borrow<'a>(&self) -> Result<Frame<'a>, Failure> {
        let Self { pixels, width, height, stride, format } = *self;
        let Some(&(_, format)) = FORMATS.iter().find(|(known, _)| *known == format) else {
            let last = FORMATS.len() - 1;
            let text = format!("frame.format: expected one of 0 to {last}, found {format}");
            return Err(Failure::argument(text));
        };
        if pixels.is_null() {
            return Err(Failure::argument("frame.pixels: expected a pointer, found null"));
        }
        let refused = |error| Failure::from(PipelineError::Frame(error));
        let bytes = Frame::bytes_of(width, height, stride, format).map_err(refused)?;
        // SAFETY: promised by the caller; `bytes_of` refuses more than `isize::MAX`.
        let bytes = unsafe { std::slice::from_raw_parts(pixels, bytes) };
        Frame::new(bytes, width, height, stride, format).map_err(refused)
    }
}
