//! Images that cannot be drawn, and data sets that cannot be written. Of the crate only the names of
//! kinds and defects are known.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::kind::{DefectKind, Kind};

/// A request for a synthetic image or defect that cannot be met.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SyntheticError {
    /// The side is out of range.
    #[error("expected a side of {min} to {max} pixels, found {found}")]
    Size {
        /// The smallest side.
        min: u32,
        /// The largest side.
        max: u32,
        /// The side asked for.
        found: u32,
    },
    /// The kind cannot have the defect.
    #[error("expected a defect of {}, found {}", kind.name(), defect.name())]
    Defect {
        /// The kind of image.
        kind: Kind,
        /// The defect asked for.
        defect: DefectKind,
    },
    /// The size of parts is out of range.
    #[error("expected a part scale of {min} to 1, found {found}")]
    PartScale {
        /// The smallest size.
        min: f32,
        /// The size asked for.
        found: f32,
    },
    /// The image to paste on is too small to carry a defect.
    #[error("expected an image of at least {min} x {min} pixels, found {width} x {height}")]
    TooSmall {
        /// The smallest side.
        min: u32,
        /// Columns of the image.
        width: u32,
        /// Rows of the image.
        height: u32,
    },
}

/// A data set of synthetic images that cannot be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// An image cannot be drawn.
    #[error(transparent)]
    Draw(#[from] SyntheticError),
    /// A file or folder could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// An image could not be encoded into a file.
    #[error("cannot encode {}: {source}", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// The encoder's answer.
        source: image::ImageError,
    },
}
