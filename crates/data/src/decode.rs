//! Image files to pixels. Knows all formats, and no data set.

use std::borrow::Cow;
use std::io::Cursor;
use std::panic::{UnwindSafe, catch_unwind};
use std::path::Path;

use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader};

use crate::depth::{self, Depth};
use crate::error::{DataError, DecodeError};
use crate::kind::Kind;
use crate::limits::{Limits, check_bytes};
use crate::read::read_file;
use crate::size::Size;
use crate::tiff::Tiff;
use crate::{jpeg, png, pnm, webp};

/// Bytes of an unknown format that its error shows.
const SHOWN_BYTES: usize = 12;

/// Decodes an image file: PNG, JPEG, BMP, TIFF, WebP, or PGM and its kin (PBM, PPM).
///
/// The format is recognised by content, whatever the extension says. The pixels keep the file's
/// depth (8 or 16 bit, or float) and channels (grey or colour, with or without alpha); a palette
/// is resolved to colours. The EXIF or TIFF orientation is applied, so that the image stands as
/// the photographer saw it.
///
/// Values of 16 bits that the file says are fewer, as those of a camera with 10 or 12, are brought
/// to 8 bits, without alpha: `value * 255 / white`, rounded to the nearest. What says so is the
/// chunk `sBIT` of a PNG file, whose bits may be the high or the low ones, the tag `MaxSampleValue`
/// of a TIFF file, if it is 2^N - 1 with N from 9 to 15, and the largest value in the header of a
/// PGM or PPM file. All other values of 16 bits are kept, and [`to_rgb8`](crate::to_rgb8) is told
/// their white. Floats must be from 0 to 1.
///
/// A file of several images is refused: pages of a TIFF file that aren't smaller copies or masks of
/// the first, animations, and PGM or PPM images one after the other.
///
/// Folders, FIFOs, sockets and devices are refused without opening them, which could wait for
/// ever. A file that is replaced by one of them in that very moment is not noticed.
///
/// # Errors
/// [`DataError::NotAFile`] and [`DataError::Read`] where the file cannot be read,
/// [`DataError::Decode`] where its content is damaged, truncated, of another kind, beyond `limits`
/// or several images.
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
/// Where the content is damaged, truncated, of an unknown kind, beyond `limits` or several images.
pub fn decode_image(encoded: &[u8], limits: &Limits) -> Result<DynamicImage, DecodeError> {
    caught(|| Source::new(encoded, limits)?.decode())
}

/// The largest value of an image of 16 bits in a file that doesn't say how many of them it uses;
/// `None` of any other image, which isn't decoded and may be damaged.
///
/// # Errors
/// As [`load_image`].
pub fn largest_value(path: impl AsRef<Path>, limits: &Limits) -> Result<Option<u16>, DataError> {
    let path = path.as_ref();
    let encoded = read_file(path, limits)?;
    let largest = caught(|| {
        let source = Source::new(&encoded, limits)?;
        Ok(if source.is_deep()? { depth::largest_16_bit(&source.decode()?) } else { None })
    });
    largest.map_err(|source| DataError::Decode { path: path.into(), source })
}

/// What `decode` returns, or says as it panics.
fn caught<T>(
    decode: impl FnOnce() -> Result<T, DecodeError> + UnwindSafe,
) -> Result<T, DecodeError> {
    catch_unwind(decode).unwrap_or_else(|payload| {
        let message = match payload.downcast::<String>() {
            Ok(message) => *message,
            Err(payload) => payload.downcast_ref::<&str>().copied().unwrap_or_default().to_owned(),
        };
        Err(DecodeError::Panic { message })
    })
}

/// An encoded image that is whole as far as can be told before it is decoded.
struct Source<'a> {
    format: ImageFormat,
    /// As the decoder takes it.
    encoded: Cow<'a, [u8]>,
    /// What the file says of its values.
    depth: Option<Depth>,
    limits: &'a Limits,
}

impl<'a> Source<'a> {
    fn new(encoded: &'a [u8], limits: &'a Limits) -> Result<Self, DecodeError> {
        let format = recognise(encoded)?;
        check_claims(encoded, format, limits)?;
        check_single(encoded, format)?;
        let depth = match format {
            ImageFormat::Png => png::significant_bits(encoded).map(Depth::Bits),
            ImageFormat::Tiff => Tiff::new(encoded).depth(),
            _ => None,
        };
        let source = Self { format, encoded: Cow::Borrowed(encoded), depth, limits };
        let declared = (format == ImageFormat::Pnm).then(|| pnm::declared_white(encoded)).flatten();
        Ok(match declared {
            Some((white, full)) => {
                Self { encoded: Cow::Owned(full), depth: Some(Depth::White(white)), ..source }
            }
            None => source,
        })
    }

    /// Whether the values have 16 bits, and the file doesn't say how many it uses.
    fn is_deep(&self) -> Result<bool, DecodeError> {
        let may_be = matches!(self.format, ImageFormat::Png | ImageFormat::Tiff | ImageFormat::Pnm);
        Ok(may_be && self.depth.is_none() && is_deep(self.decoder()?.color_type()))
    }

    fn decoder(&self) -> Result<impl ImageDecoder, DecodeError> {
        let mut reader = ImageReader::with_format(Cursor::new(&*self.encoded), self.format);
        let mut limits = image::Limits::default();
        limits.max_alloc = Some(self.limits.max_alloc);
        reader.limits(limits);
        let decoder = reader.into_decoder()?;
        check_pixels(decoder.dimensions().into(), self.limits)?;
        check_bytes(decoder.total_bytes(), self.limits)?;
        Ok(decoder)
    }

    fn decode(&self) -> Result<DynamicImage, DecodeError> {
        let mut decoder = self.decoder()?;
        let color = decoder.color_type();
        let orientation = match self.format {
            // The decoder ignores the tag, but a TIFF file is laid out as an EXIF block is.
            ImageFormat::Tiff => {
                Orientation::from_exif_chunk(&self.encoded).unwrap_or(Orientation::NoTransforms)
            }
            _ => decoder.orientation()?,
        };
        // The decoder takes the bits of whole numbers for those of floats.
        if is_float(color) && !Tiff::new(&self.encoded).has_floats() {
            return Err(DecodeError::Integers);
        }
        let mut image = DynamicImage::from_decoder(decoder)?;
        depth::check_floats(&image)?;
        if let Some(depth) = self.depth
            && (is_deep(color) || self.format == ImageFormat::Pnm)
        {
            let white = depth.white();
            image = depth.apply(image).map_err(|found| DecodeError::AboveWhite { white, found })?;
        }
        image.apply_orientation(orientation);
        Ok(image)
    }
}

fn is_deep(color: ColorType) -> bool {
    matches!(color, ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16)
}

fn is_float(color: ColorType) -> bool {
    matches!(color, ColorType::Rgb32F | ColorType::Rgba32F)
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
        ImageFormat::Tiff if !Tiff::new(encoded).values_fit() => Err(DecodeError::TiffValues),
        _ => Ok(()),
    }
}

/// That the file has one image, which all decoders would take the first for.
fn check_single(encoded: &[u8], format: ImageFormat) -> Result<(), DecodeError> {
    let found = match format {
        ImageFormat::Png => {
            let frames = png::frames(encoded).filter(|&frames| frames > 1);
            frames.map(|frames| format!("an animation of {frames}"))
        }
        ImageFormat::WebP => webp::is_animated(encoded).then(|| "an animation".to_owned()),
        ImageFormat::Pnm => pnm::goes_on(encoded).then(|| "another after it".to_owned()),
        ImageFormat::Tiff => {
            let tiff = Tiff::new(encoded);
            let pages = Some(tiff.pages()).filter(|&pages| pages > 1);
            let pages = pages.map(|pages| format!("{pages} pages"));
            pages.or_else(|| {
                tiff.starts_with_preview().then(|| "a preview or a mask of another".to_owned())
            })
        }
        _ => None,
    };
    found.map_or(Ok(()), |found| Err(DecodeError::NotSingle { found }))
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
