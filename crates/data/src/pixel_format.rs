//! The layouts of a camera's pixels by name. Nothing else of the crate is known here.

use std::fmt;

/// How a camera lays out one pixel, as GenICam names it.
///
/// Values of more than 8 bits lie in two bytes each, the low one first; those of fewer than 16 are
/// in the low bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PixelFormat {
    /// One byte of grey.
    Mono8,
    /// Grey from 0 to 1023.
    Mono10,
    /// Grey from 0 to 4095.
    Mono12,
    /// Grey from 0 to 16383.
    Mono14,
    /// Grey from 0 to the model's white level.
    Mono16,
    /// Three bytes: red, green, blue.
    Rgb8,
    /// Three bytes: blue, green, red.
    Bgr8,
    /// Red, green and blue from 0 to the model's white level.
    Rgb16,
}

impl PixelFormat {
    /// Bytes of one pixel.
    pub const fn bytes_per_pixel(self) -> usize {
        match self {
            Self::Mono8 => 1,
            Self::Mono10 | Self::Mono12 | Self::Mono14 | Self::Mono16 => 2,
            Self::Rgb8 | Self::Bgr8 => 3,
            Self::Rgb16 => 6,
        }
    }

    /// The value of white, of a format that says it and whose values are wider than 8 bits.
    pub(crate) const fn white(self) -> Option<u16> {
        match self {
            Self::Mono10 => Some(1023),
            Self::Mono12 => Some(4095),
            Self::Mono14 => Some(16383),
            _ => None,
        }
    }
}

impl fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
