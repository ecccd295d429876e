//! Image files to pixels.

use std::io::Cursor;
use std::panic::catch_unwind;
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};

use crate::error::{DataError, DecodeError};
use crate::kind::Kind;
use crate::read::read_file;
use crate::size::Size;
use crate::{jpeg, png, tiff};

/// Bytes of an unknown format that its error shows.
const SHOWN_BYTES: usize = 12;

/// How large an image may be before decoding it is refused.
///
/// The header of a file of a few hundred bytes can declare billions of pixels; both limits are
/// checked against the header, before the pixels are allocated. A header within the limits is
/// believed. Decoding then takes up to four times the bytes of the decoded pixels for a moment:
/// progressive JPEG and lossless WebP need buffers besides, and turning an image needs a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most pixels; 268 million (2^28) by default.
    pub max_pixels: u64,
    /// The most bytes that a file, its decoded pixels or what it holds besides, such as a colour
    /// profile, may take each; 1 GiB by default.
    pub max_alloc: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_pixels: 1 << 28, max_alloc: 1 << 30 }
    }
}

/// Decodes an image file: PNG, JPEG, BMP, TIFF, WebP, or PGM and its kin (PBM, PPM).
///
/// The format is recognised by content, whatever the extension says. The pixels keep the file's
/// depth (8 or 16 bit, or float) and channels (grey or colour, with or without alpha); a palette
/// is resolved to colours. The EXIF or TIFF orientation is applied, so that the image stands as
/// the photographer saw it. Of an animation or a multi-page file, the first image is decoded.
///
/// Folders, FIFOs, sockets and devices are refused without opening them, which could wait for
/// ever. A file that is replaced by one of them in that very moment is not noticed.
///
/// # Errors
/// [`DataError::NotAFile`] and [`DataError::Read`] where the file cannot be read,
/// [`DataError::Decode`] where its content is damaged, truncated, of another kind or beyond
/// `limits`.
pub fn load_image(path: impl AsRef<Path>, limits: &Limits) -> Result<DynamicImage, DataError> {
    let path = path.as_ref();
    let encoded = read_file(path, limits)?;
    decode_image(&encoded, limits).map_err(|source| DataError::Decode { path: path.into(), source })
}

/// Decodes an image from the bytes of its file, as [`load_image`] does.
///
/// The decoders are those of the `image` crate. Some damage makes one of them panic, which is
/// caught and told as an error like any other, after the panic hook has run; a program built with
/// `panic = "abort"` ends there.
///
/// # Errors
/// Where the content is damaged, truncated, of an unknown kind or beyond `limits`.
pub fn decode_image(encoded: &[u8], limits: &Limits) -> Result<DynamicImage, DecodeError> {
    catch_unwind(|| decode(encoded, limits)).unwrap_or_else(|payload| {
        let message = match payload.downcast::<String>() {
            Ok(message) => *message,
            Err(payload) => payload.downcast_ref::<&str>().copied().unwrap_or_default().to_owned(),
        };
        Err(DecodeError::Panic { message })
    })
}

fn decode(encoded: &[u8], limits: &Limits) -> Result<DynamicImage, DecodeError> {
    let format = recognise(encoded)?;
    check_claims(encoded, format, limits)?;

    let mut reader = ImageReader::with_format(Cursor::new(encoded), format);
    let mut image_limits = image::Limits::default();
    image_limits.max_alloc = Some(limits.max_alloc);
    reader.limits(image_limits);
    let mut decoder = reader.into_decoder()?;

    check_pixels(decoder.dimensions().into(), limits)?;
    check_bytes(decoder.total_bytes(), limits)?;

    let orientation = match format {
        // The decoder ignores the tag, but a TIFF file is laid out as an EXIF block is.
        ImageFormat::Tiff => {
            Orientation::from_exif_chunk(encoded).unwrap_or(Orientation::NoTransforms)
        }
        _ => decoder.orientation()?,
    };
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// The format, from the first bytes.
fn recognise(encoded: &[u8]) -> Result<ImageFormat, DecodeError> {
    let found = match Kind::of(encoded) {
        Kind::Image(format) => return Ok(format),
        Kind::Unsupported(name) => name.to_owned(),
        Kind::Other if encoded.is_empty() => "nothing".to_owned(),
        Kind::Other => {
            let start = encoded.get(..SHOWN_BYTES).unwrap_or(encoded);
            format!("\"{}\" at the start", start.escape_ascii())
        }
    };
    Err(DecodeError::UnknownFormat { found })
}

/// What the decoders believe or overlook.
fn check_claims(encoded: &[u8], format: ImageFormat, limits: &Limits) -> Result<(), DecodeError> {
    match format {
        // The decoder would allocate a row of pixels before it tells the size.
        ImageFormat::Png => {
            png::declared_size(encoded).map_or(Ok(()), |size| check_pixels(size, limits))
        }
        // The decoder would fill what is missing with grey, which looks like a defect.
        ImageFormat::Jpeg if !jpeg::is_complete(encoded) => Err(DecodeError::TruncatedJpeg),
        ImageFormat::Tiff if !tiff::values_fit(encoded) => Err(DecodeError::TiffValues),
        _ => Ok(()),
    }
}

fn check_pixels(size: Size, limits: &Limits) -> Result<(), DecodeError> {
    match u64::from(size.width) * u64::from(size.height) {
        0 => Err(DecodeError::Empty { size }),
        pixels if pixels > limits.max_pixels => {
            Err(DecodeError::TooManyPixels { limit: limits.max_pixels, size })
        }
        _ => Ok(()),
    }
}

pub(crate) fn check_bytes(bytes: u64, limits: &Limits) -> Result<(), DecodeError> {
    if bytes > limits.max_alloc {
        return Err(DecodeError::TooLarge { limit: limits.max_alloc, bytes });
    }
    Ok(())
}
