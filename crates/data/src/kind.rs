//! What a file is, by its first bytes. Nothing else of the crate is known here.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use image::ImageFormat;

/// As many bytes as tell every format known here.
pub(crate) const HEAD: usize = 132;

/// What a file is, by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An image that is decoded.
    Image(ImageFormat),
    /// An image of a format that isn't decoded, by its name.
    Unsupported(&'static str),
    /// No image.
    Other,
}

impl Kind {
    /// By the first [`HEAD`] bytes of a file, or all of a shorter one.
    pub(crate) fn of(head: &[u8]) -> Self {
        use ImageFormat::{Bmp, Jpeg, Png, Pnm, Tiff, WebP};
        let at = |start: usize, magic: &[u8]| {
            head.get(start..).is_some_and(|rest| rest.starts_with(magic))
        };
        match head {
            [b'P', b'1'..=b'6', space, ..] if space.is_ascii_whitespace() => Self::Image(Pnm),
            _ if at(0, b"\x89PNG\r\n\x1a\n") => Self::Image(Png),
            // JPEG-LS has the same first marker.
            _ if at(0, b"\xff\xd8\xff\xf7") => Self::Unsupported("JPEG-LS"),
            _ if at(0, b"\xff\xd8\xff") => Self::Image(Jpeg),
            _ if at(0, b"II\x2a\0") || at(0, b"MM\0\x2a") => Self::Image(Tiff),
            _ if at(0, b"RIFF") && at(8, b"WEBP") => Self::Image(WebP),
            // Two letters alone would be many a text: the reserved fields are zeros.
            _ if at(0, b"BM") && at(6, &[0; 4]) => Self::Image(Bmp),
            _ => UNSUPPORTED
                .iter()
                .find(|(_, start, magic)| at(*start, magic))
                .map_or(Self::Other, |(name, ..)| Self::Unsupported(name)),
        }
    }

    /// Of a regular file.
    ///
    /// # Errors
    /// Where it can't be read.
    pub(crate) fn of_file(path: &Path) -> io::Result<Self> {
        let mut head = Vec::with_capacity(HEAD);
        File::open(path)?.take(HEAD as u64).read_to_end(&mut head)?;
        Ok(Self::of(&head))
    }
}

/// Image formats that aren't decoded: name, and the bytes that they have at a place.
const UNSUPPORTED: [(&str, usize, &[u8]); 28] = [
    ("BigTIFF", 0, b"II\x2b\0"),
    ("BigTIFF", 0, b"MM\0\x2b"),
    ("HEIC", 4, b"ftyphei"),
    ("HEIC", 4, b"ftyphev"),
    ("HEIF", 4, b"ftypmif1"),
    ("HEIF", 4, b"ftypmsf1"),
    ("AVIF", 4, b"ftypavi"),
    ("Canon raw", 4, b"ftypcrx"),
    ("JPEG 2000", 4, b"jP  \r\n\x87\n"),
    ("JPEG 2000", 0, b"\xff\x4f\xff\x51"),
    ("JPEG XL", 4, b"JXL \r\n\x87\n"),
    ("JPEG XL", 0, b"\xff\x0a"),
    ("JPEG XR", 0, b"II\xbc"),
    ("GIF", 0, b"GIF87a"),
    ("GIF", 0, b"GIF89a"),
    ("PAM", 0, b"P7\n"),
    ("PFM", 0, b"PF\n"),
    ("PFM", 0, b"Pf\n"),
    ("Photoshop", 0, b"8BPS"),
    ("OpenEXR", 0, b"\x76\x2f\x31\x01"),
    ("Radiance HDR", 0, b"#?RADIANCE"),
    ("QOI", 0, b"qoif"),
    ("DDS", 0, b"DDS "),
    ("FITS", 0, b"SIMPLE  ="),
    ("DICOM", 128, b"DICM"),
    ("icon", 0, b"\0\0\x01\0"),
    ("Olympus raw", 0, b"IIRO"),
    ("Fujifilm raw", 0, b"FUJIFILM"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_no_image() {
        for text in ["", "P", "P5", "P6x", "BMW", "BM is short for benchmark", "RIFF....AVI ", "II"]
        {
            assert_eq!(Kind::of(text.as_bytes()), Kind::Other, "{text}");
        }
    }

    #[test]
    fn formats_have_names() {
        assert_eq!(Kind::of(b"II\x2b\0\x08\0\0\0"), Kind::Unsupported("BigTIFF"));
        assert_eq!(Kind::of(b"\0\0\0\x18ftypheic"), Kind::Unsupported("HEIC"));
        assert_eq!(Kind::of(b"\0\0\0\x0cjP  \r\n\x87\n"), Kind::Unsupported("JPEG 2000"));
        assert_eq!(Kind::of(b"P5\n4 4\n255\n"), Kind::Image(ImageFormat::Pnm));
        assert_eq!(Kind::of(b"II\x2a\0\x08\0\0\0"), Kind::Image(ImageFormat::Tiff));
        assert_eq!(Kind::of(b"\0\0\0\x18ftypisom"), Kind::Other);
    }
}
