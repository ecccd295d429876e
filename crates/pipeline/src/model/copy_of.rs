//! Images of the same content.

use crate::error::ImageName;

/// An image that is left out as its content is that of another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyOf {
    /// The image.
    pub image: ImageName,
    /// The one that stays.
    pub original: ImageName,
}
