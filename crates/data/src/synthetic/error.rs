//! Images that cannot be drawn.

use thiserror::Error;

use super::kind::{DefectKind, Kind};
use crate::size::Size;

/// A request for a synthetic image or defect that cannot be met.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
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
    /// The image to paste on is too small to carry a defect.
    #[error("expected an image of at least {min} x {min} pixels, found {found}")]
    TooSmall {
        /// The smallest side.
        min: u32,
        /// The size of the image.
        found: Size,
    },
}
