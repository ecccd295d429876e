//! How images are cut into tiles. Of the convolution only its sizes are known.

use std::ops::Range;

use super::dims::Conv3x3Dims;
use super::transform::{IN, OUT};
use crate::microkernel::PANEL;

/// Strips and tiles of a batch.
///
/// A strip is a row of tiles of one image; strips and tiles are numbered over the whole batch.
pub(super) struct Tiling {
    pub(super) dims: Conv3x3Dims,
    /// Strips of an image.
    pub(super) strips: usize,
    /// Tiles of a strip.
    pub(super) tiles: usize,
}

impl Tiling {
    pub(super) fn new(dims: Conv3x3Dims) -> Self {
        Self { dims, strips: dims.height.div_ceil(OUT), tiles: dims.width.div_ceil(OUT) }
    }

    /// Values of a channel, its images one after the other, before the given strip.
    pub(super) fn offset(&self, strip: usize) -> usize {
        let row = strip / self.strips * self.dims.height + strip % self.strips * OUT;
        row * self.dims.width
    }

    /// Length of a tile's transformed input at one position: all channels, in an odd number of
    /// cache lines, so that positions and tiles don't compete for the same cache sets.
    pub(super) fn stride(&self) -> usize {
        (self.dims.ci.div_ceil(PANEL) | 1) * PANEL
    }

    /// Values in the scratch memory of a strip's input: 6 rows of 16 channels with padding.
    pub(super) fn gathered(&self) -> usize {
        IN * (self.tiles * OUT + IN - OUT) * PANEL
    }

    /// Values in the scratch memory of a strip's output: 4 rows of 16 channels.
    pub(super) fn scattered(&self) -> usize {
        OUT * self.tiles * OUT * PANEL
    }

    /// Cuts all strips into at most `blocks` ranges.
    pub(super) fn split(&self, blocks: usize) -> Vec<Range<usize>> {
        let strips = self.dims.batch * self.strips;
        let blocks = blocks.clamp(1, strips);
        (0..blocks).map(|i| i * strips / blocks..(i + 1) * strips / blocks).collect()
    }
}
