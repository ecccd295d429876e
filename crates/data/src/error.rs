//! What can go wrong, with the file it went wrong in. Knows sizes and pixel formats by name.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::pixel_format::PixelFormat;
use crate::size::Size;

/// A file or folder that could not be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file or folder could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A path names something that is not a file.
    #[error("expected a file at {}, found {found}", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What is there instead.
        found: &'static str,
    },
    /// A file could not be decoded as an image.
    #[error("cannot decode {}: {source}", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// What is wrong with its content.
        source: DecodeError,
    },
    /// The values of a decoded image have no brightness.
    #[error("cannot use {}: {source}", path.display())]
    Pixels {
        /// The file.
        path: PathBuf,
        /// What is wrong with its values.
        source: PixelError,
    },
    /// An image could not be encoded into a file.
    #[error("cannot encode {}: {source}", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// The encoder's answer.
        source: image::ImageError,
    },
    /// A folder or list does not hold what a data set needs.
    #[error("expected {expected} in {}, found {found}", path.display())]
    Layout {
        /// The folder or list.
        path: PathBuf,
        /// What should be there.
        expected: &'static str,
        /// What is there instead.
        found: &'static str,
    },
    /// No image of a good part is among what was named.
    #[error("expected images of good parts in {}, found {found}", path.display())]
    NoGoodImages {
        /// The folder or file.
        path: PathBuf,
        /// What is there instead, and why it isn't taken.
        found: String,
    },
    /// A folder holds several data sets where one is wanted.
    #[error("expected images of one part, found those of {} in {}", names.join(", "), path.display())]
    Categories {
        /// The folder.
        path: PathBuf,
        /// The names of the data sets.
        names: Vec<String>,
    },
    /// A folder has no labelled images.
    #[error("expected labelled images to test on in {}, found none", path.display())]
    NoTest {
        /// The folder.
        path: PathBuf,
    },
    /// A line of a list names something that is not a file.
    #[error("expected a file at line {line} of {}, found none at {}", list.display(), path.display())]
    ListEntry {
        /// The list.
        list: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// Where the file should be.
        path: PathBuf,
    },
    /// A line of a list does not say what its format wants.
    #[error("expected {expected} at line {line} of {}, found {found}", list.display())]
    ListLine {
        /// The list.
        list: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What should be there.
        expected: &'static str,
        /// What is there instead.
        found: String,
    },
    /// A line of a list names a file that may lie outside the data set.
    #[error(
        "expected a path without `..` below {} at line {line} of {}, found {}",
        root.display(), list.display(), path.display()
    )]
    OutsideRoot {
        /// The list.
        list: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The folder that the path should stay in.
        root: PathBuf,
        /// The path as it is written.
        path: PathBuf,
    },
    /// A data set has too few normal images to train on and to test on.
    #[error("expected more than {train} normal images in {}, found {found}", path.display())]
    TooFewNormal {
        /// The folder of the data set.
        path: PathBuf,
        /// How many were to be taken for training.
        train: usize,
        /// How many there are.
        found: usize,
    },
    /// A mask is not of the size of its image.
    #[error("expected a mask of {expected} pixels at {}, found {found}", path.display())]
    MaskSize {
        /// The mask.
        path: PathBuf,
        /// The size of the image.
        expected: Size,
        /// The size of the mask.
        found: Size,
    },
}

/// A name that is none of those known.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("expected one of {known}, found {found:?}")]
pub struct NameError {
    /// The names that there are.
    pub known: String,
    /// The name given.
    pub found: String,
}

impl NameError {
    pub(crate) fn new(known: &[impl ToString], found: &str) -> Self {
        let known: Vec<_> = known.iter().map(ToString::to_string).collect();
        Self { known: known.join(", "), found: found.to_owned() }
    }
}

/// Images of which none can be held out of training.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum HoldOutError {
    /// The share is out of range.
    #[error("expected a share above 0 and below 1 to hold out of training, found {found}")]
    Share {
        /// The share.
        found: f64,
    },
    /// Too few images would be left to train on.
    #[error(
        "expected 2 images or more to train on besides {held_out} held out, found {found} in all"
    )]
    TooFewImages {
        /// How many images there are.
        found: usize,
        /// How many of them were to be held out.
        held_out: usize,
    },
    /// All images are held out together, or nearly all.
    #[error(
        "expected 3 groups of images or more, held out by `{by}`, found {found}: some of each have to stay"
    )]
    TooFewGroups {
        /// What they are grouped by.
        by: String,
        /// How many groups there are.
        found: usize,
    },
    /// A pattern that is no regular expression.
    #[error("expected `image`, `folder` or a regular expression, found {found:?}: {problem}")]
    Pattern {
        /// The pattern.
        found: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Encoded bytes that are not an image this crate can decode.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The first bytes are those of no supported format.
    #[error("expected PNG, JPEG, BMP, TIFF, WebP, PGM or PPM content, found {found}")]
    UnknownFormat {
        /// The kind of content, or how it starts.
        found: String,
    },
    /// The image has more pixels than allowed.
    #[error("expected at most {limit} pixels, found {size}")]
    TooManyPixels {
        /// The most pixels allowed.
        limit: u64,
        /// The size that the header declares.
        size: Size,
    },
    /// The file or the decoded image takes more memory than allowed.
    #[error("expected at most {limit} bytes, found {bytes}")]
    TooLarge {
        /// The most bytes allowed.
        limit: u64,
        /// The bytes of the file, or those that the header declares.
        bytes: u64,
    },
    /// The image has no pixels.
    #[error("expected at least one pixel, found {size}")]
    Empty {
        /// The size that the header declares.
        size: Size,
    },
    /// The JPEG data stops before its end-of-image marker.
    #[error("incomplete JPEG: expected an end-of-image marker, found the end of the file")]
    TruncatedJpeg,
    /// A TIFF directory claims more values than the file can hold.
    #[error("damaged TIFF: expected values inside the file, found an entry that claims more")]
    TiffValues,
    /// The file holds several images, and each may show a part.
    #[error("expected one image, found {found}")]
    NotSingle {
        /// What it holds instead.
        found: String,
    },
    /// A value is beyond the largest that the file declares.
    #[error("expected values up to {white}, as the file declares, found {found}")]
    AboveWhite {
        /// The value that the file declares.
        white: u16,
        /// The largest value found.
        found: u16,
    },
    /// Values are whole numbers of 32 bits.
    #[error("expected values of 8 or 16 bits or floats, found whole numbers of 32 bits")]
    Integers,
    /// The values are not those of an image.
    #[error(transparent)]
    Pixels(#[from] PixelError),
    /// The decoder panicked over damaged content.
    #[error("damaged image, over which the decoder gave up: {message}")]
    Panic {
        /// What the decoder said.
        message: String,
    },
    /// The content is damaged or of a variant that the decoder does not know.
    #[error(transparent)]
    Image(#[from] image::ImageError),
}

/// Values of an image that have no brightness.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum PixelError {
    /// A value of 16 bits is brighter than white.
    #[error("expected 16-bit values up to {white} (the model's white level), found {found}")]
    AboveWhite {
        /// The value of white.
        white: u16,
        /// The largest value found.
        found: u16,
    },
    /// Values of 16 bits may be those of 10, 12 or 14, and nothing says which.
    #[error(
        "expected a white level for 16-bit values up to {found}, found none: train with images of \
         this kind or set `white_level`"
    )]
    NoWhite {
        /// The largest value.
        found: u16,
    },
    /// A float is none from black to white.
    #[error("expected float values from 0 to 1, found {found}")]
    Float {
        /// The value that is farthest from there.
        found: f32,
    },
}

/// A camera buffer that does not hold the image its description promises.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Width or height is zero.
    #[error("expected a frame of at least one pixel, found {size}")]
    Empty {
        /// The size given.
        size: Size,
    },
    /// The rows are shorter than their pixels need.
    #[error("expected a stride of at least {expected} bytes per row, found {found}")]
    Stride {
        /// Bytes that the pixels of one row take.
        expected: usize,
        /// The stride given.
        found: usize,
    },
    /// The buffer ends before the last row does.
    #[error("expected a buffer of at least {expected} bytes, found {found}")]
    Buffer {
        /// Bytes up to the end of the last row.
        expected: usize,
        /// The length of the buffer given.
        found: usize,
    },
    /// A value is beyond the largest that the format has.
    #[error("expected values up to {white} in a frame of {format}, found {found}")]
    AboveWhite {
        /// The format given.
        format: PixelFormat,
        /// Its largest value.
        white: u16,
        /// The largest value found.
        found: u16,
    },
    /// The size times the stride does not fit in memory's address range.
    #[error("expected a frame that fits in memory, found {size} with a stride of {stride} bytes")]
    Overflow {
        /// The size given.
        size: Size,
        /// The stride given, in bytes per row.
        stride: usize,
    },
}

/// A resize from or to an image that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SizeError {
    /// The source has no pixels.
    #[error("expected a source of at least one pixel, found {size}")]
    EmptySource {
        /// The size of the source.
        size: Size,
    },
    /// The target has no pixels.
    #[error("expected a target of at least one pixel, found {size}")]
    EmptyTarget {
        /// The size of the target.
        size: Size,
    },
    /// The target has more pixels than allowed.
    #[error("expected a target of at most {limit} pixels, found {size}")]
    TargetTooLarge {
        /// The most pixels allowed.
        limit: u64,
        /// The size of the target.
        size: Size,
    },
}
