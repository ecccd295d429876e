//! Image files to pixels.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};

use crate::error::{DataError, DecodeError};
use crate::jpeg;
use crate::size::Size;

/// How large an image may be before decoding it is refused.
///
/// The header of a file of a few hundred bytes can declare billions of pixels; both limits are
/// checked against the header, before the pixels are allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most pixels; 268 million (2^28) by default.
    pub max_pixels: u64,
    /// The most bytes that a file, its decoded pixels or the decoder's own buffers may take;
    /// 1 GiB by default.
    pub max_alloc: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_pixels: 1 << 28, max_alloc: 1 << 30 }
    }
}

/// Decodes an image file: PNG, JPEG, BMP, TIFF or WebP.
///
/// The format is recognised by content, whatever the extension says. The pixels keep the file's
/// depth (8 or 16 bit, or float) and channels (grey or colour, with or without alpha); a palette
/// is resolved to colours. The EXIF or TIFF orientation is applied, so that the image stands as
/// the photographer saw it. Of an animation or a multi-page file, the first image is decoded.
///
/// # Errors
/// [`DataError::Read`] where the file cannot be read, [`DataError::Decode`] where its content is
/// damaged, truncated, of another kind or beyond `limits`.
pub fn load_image(path: impl AsRef<Path>, limits: &Limits) -> Result<DynamicImage, DataError> {
    let path = path.as_ref();
    let read_error = |source| DataError::Read { path: path.into(), source };
    let decode_error = |source| DataError::Decode { path: path.into(), source };
    let bytes = fs::metadata(path).map_err(read_error)?.len();
    check_bytes(bytes, limits).map_err(decode_error)?;
    let encoded = fs::read(path).map_err(read_error)?;
    decode_image(&encoded, limits).map_err(decode_error)
}

/// Decodes an image from the bytes of its file, as [`load_image`] does.
///
/// # Errors
/// Where the content is damaged, truncated, of an unknown kind or beyond `limits`.
pub fn decode_image(encoded: &[u8], limits: &Limits) -> Result<DynamicImage, DecodeError> {
    let format = image::guess_format(encoded).map_err(|_| DecodeError::UnknownFormat)?;
    let supported = [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::Bmp,
        ImageFormat::Tiff,
        ImageFormat::WebP,
    ];
    if !supported.contains(&format) {
        return Err(DecodeError::UnknownFormat);
    }
    if format == ImageFormat::Jpeg && !jpeg::is_complete(encoded) {
        // The decoder would fill what is missing with grey, which looks like a defect.
        return Err(DecodeError::TruncatedJpeg);
    }

    let mut reader = ImageReader::with_format(Cursor::new(encoded), format);
    let mut image_limits = image::Limits::default();
    image_limits.max_alloc = Some(limits.max_alloc);
    reader.limits(image_limits);
    let mut decoder = reader.into_decoder()?;

    let size = Size::from(decoder.dimensions());
    let pixels = u64::from(size.width) * u64::from(size.height);
    if pixels == 0 {
        return Err(DecodeError::Empty { size });
    }
    if pixels > limits.max_pixels {
        return Err(DecodeError::TooManyPixels { limit: limits.max_pixels, size });
    }
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

fn check_bytes(bytes: u64, limits: &Limits) -> Result<(), DecodeError> {
    if bytes > limits.max_alloc {
        return Err(DecodeError::TooLarge { limit: limits.max_alloc, bytes });
    }
    Ok(())
}
