//! Sizes and rectangles in whole pixels. Nothing else of the crate is known here.

use serde::{Deserialize, Serialize};

/// Width and height of an image in pixels.
///
/// Where a function takes `impl Into<Size>`, a single number means a square.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl From<u32> for Size {
    fn from(side: u32) -> Self {
        Self { width: side, height: side }
    }
}

impl From<(u32, u32)> for Size {
    /// From `(width, height)`, the order of [`image::RgbImage::dimensions`].
    fn from((width, height): (u32, u32)) -> Self {
        Self { width, height }
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} x {}", self.width, self.height)
    }
}

/// A rectangle of pixels; `x` and `y` are its left-most column and top-most row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rect {
    /// Left-most column.
    pub x: u32,
    /// Top-most row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}
