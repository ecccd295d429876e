//! The sizes of a network's features, by block: strides, channels, shapes and the work they take.
//! Knows layers and padding, no tensors.

use std::ops::Range;

use crate::architecture::{Architecture, STEM_KERNEL, STEM_STRIDE};
use crate::config::{BackboneConfig, MAX_SIDE, check_side};
use crate::error::BackboneError;
use crate::padding::{Geometry, Planner};

/// Blocks one after the other whose outputs have the same stride and channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Indices of its blocks.
    pub blocks: Range<usize>,
    /// Pixels of the image per position of the outputs, on each axis.
    pub stride: usize,
    /// Channels of the outputs.
    pub channels: usize,
}

impl BackboneConfig {
    /// The stages up to the last block in use, which may cut the last of them short.
    ///
    /// # Errors
    /// As [`validate`](Self::validate).
    pub fn stages(&self) -> Result<Vec<Stage>, BackboneError> {
        self.validate()?;
        let blocks = self.architecture().blocks;
        let mut stride = STEM_STRIDE;
        let mut first = 0;
        let stages = blocks.chunk_by(|a, b| a.stage == b.stage).map(|stage| {
            stride *= stage.iter().map(|spec| spec.stride).product::<usize>();
            let blocks = first..first + stage.len();
            first = blocks.end;
            Stage { blocks, stride, channels: stage.last().map_or(0, |spec| spec.output) }
        });
        Ok(stages.collect())
    }

    /// Channels of the output.
    ///
    /// # Errors
    /// As [`validate`](Self::validate).
    pub fn channels(&self) -> Result<usize, BackboneError> {
        self.validate()?;
        #[expect(clippy::indexing_slicing, reason = "a valid configuration names a block there is")]
        Ok(self.architecture().blocks[self.block].output)
    }

    /// Pixels of the image per position of a block's output, on each axis.
    ///
    /// # Errors
    /// [`BackboneError::Block`] if the variant has no such block.
    pub fn stride(&self, block: usize) -> Result<usize, BackboneError> {
        let variant = self.variant;
        let blocks = variant.block_count();
        let stride = variant.stride(block);
        stride.ok_or(BackboneError::Block { variant, blocks, found: block })
    }

    /// Whether the network takes an image of these pixels.
    ///
    /// # Errors
    /// As [`output_shape`](Self::output_shape).
    pub fn check(&self, height: usize, width: usize) -> Result<(), BackboneError> {
        self.output_shape(height, width).map(|_| ())
    }

    /// Shape `[channels, height, width]` of the output for an image of these pixels.
    ///
    /// # Errors
    /// As [`validate`](Self::validate); [`BackboneError::Side`] for an empty or huge image,
    /// [`BackboneError::TooSmall`] where a kernel does not fit in its padded input.
    pub fn output_shape(&self, height: usize, width: usize) -> Result<[usize; 3], BackboneError> {
        let channels = self.channels()?;
        check_side("height of the image", height)?;
        check_side("width of the image", width)?;
        let geometries = self.geometries();
        let through = |side| geometries.iter().try_fold(side, |size, layer| layer.output(size));
        match (through(height), through(width)) {
            (Some(h), Some(w)) => Ok([channels, h, w]),
            _ => {
                let min = (1..MAX_SIDE).find(|&side| through(side).is_some()).unwrap_or(MAX_SIDE);
                Err(BackboneError::TooSmall { min, height, width })
            }
        }
    }

    /// Shape `[channels, height, width]` of the output of any block of the variant, whichever is
    /// the last in use, for an image of these pixels.
    ///
    /// # Errors
    /// As [`output_shape`](Self::output_shape), of a network that ends with this block.
    pub fn shape(
        &self,
        block: usize,
        height: usize,
        width: usize,
    ) -> Result<[usize; 3], BackboneError> {
        Self { block, ..*self }.output_shape(height, width)
    }

    /// Multiplications, each with its addition, of all convolutions for an image of these pixels.
    ///
    /// # Errors
    /// As [`output_shape`](Self::output_shape).
    pub fn multiply_adds(&self, height: usize, width: usize) -> Result<f64, BackboneError> {
        self.output_shape(height, width)?;
        let Architecture { stem, blocks } = self.architecture();
        let mut size = [height, width];
        let mut positions = self.geometries().into_iter().map(|layer| {
            size = size.map(|side| layer.output(side).unwrap_or(0));
            (size[0] * size[1]) as f64
        });
        let mut before = positions.next().unwrap_or(0.0);
        let mut total = (3 * STEM_KERNEL * STEM_KERNEL * stem) as f64 * before;
        for (block, after) in blocks.iter().zip(positions) {
            let expand = if block.expands() { block.input * block.expanded } else { 0 };
            let depthwise = block.kernel * block.kernel * block.expanded;
            let squeeze_excite = 2 * block.expanded * block.squeezed.unwrap_or(0);
            let project = block.expanded * block.output;
            total += expand as f64 * before
                + (depthwise + project) as f64 * after
                + squeeze_excite as f64;
            before = after;
        }
        Ok(total)
    }

    /// The layers up to the last block in use.
    pub(crate) fn architecture(&self) -> Architecture {
        let mut architecture = Architecture::new(self.variant);
        architecture.blocks.truncate(self.block + 1);
        architecture
    }

    /// The stem, then the depthwise convolution of each block: the only layers that padding
    /// concerns.
    pub(crate) fn geometries(&self) -> Vec<Geometry> {
        let mut planner = Planner::new(self.padding);
        let mut layers = vec![planner.layer(STEM_KERNEL, STEM_STRIDE)];
        for spec in self.architecture().blocks {
            layers.push(planner.layer(spec.kernel, spec.stride));
        }
        layers
    }
}
