//! How much memory an image may ask for. Knows errors alone.

use crate::error::DecodeError;

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

pub(crate) fn check_bytes(bytes: u64, limits: &Limits) -> Result<(), DecodeError> {
    if bytes > limits.max_alloc {
        return Err(DecodeError::TooLarge { limit: limits.max_alloc, bytes });
    }
    Ok(())
}
