use serde::{Deserialize, Serialize};

use crate::architecture::{Architecture, STEM_KERNEL, STEM_STRIDE};
use crate::error::BackboneError;
use crate::normalization::Normalization;
use crate::padding::{Geometry, Padding, Planner};
use crate::source::Source;
use crate::variant::Variant;

/// The longest side, in pixels, that sizes are worked out for.
const MAX_SIDE: usize = 1 << 16;

/// Which network, how much of it, and the details its weights were trained with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackboneConfig {
    /// The network.
    pub variant: Variant,
    /// Index of the last block (from 0); nothing after it is loaded or computed.
    pub block: usize,
    /// Padding of the strided and depthwise convolutions.
    pub padding: Padding,
    /// Epsilon added to the variances of batch normalisation.
    pub batch_norm_eps: f64,
    /// Normalisation that the caller applies to the image.
    pub normalization: Normalization,
}

impl BackboneConfig {
    /// The network with the details that weights of this source need.
    ///
    /// # Errors
    /// [`BackboneError::NoSuchSource`] if the source does not have the variant,
    /// [`BackboneError::Block`] if the variant has no such block.
    pub fn new(source: Source, variant: Variant, block: usize) -> Result<Self, BackboneError> {
        if !source.has(variant) {
            return Err(BackboneError::NoSuchSource { from: source, found: variant });
        }
        let config = Self {
            variant,
            block,
            padding: source.padding(variant),
            batch_norm_eps: source.batch_norm_eps(variant),
            normalization: source.normalization(variant),
        };
        config.validate()?;
        Ok(config)
    }

    /// Checks the values that the types leave open.
    ///
    /// # Errors
    /// [`BackboneError::Block`] if the variant has no such block, [`BackboneError::BatchNormEps`]
    /// if epsilon is negative or not finite, [`BackboneError::Side`] if the native resolution of
    /// the padding is out of range, [`BackboneError::Normalization`] if a mean is not finite or a
    /// standard deviation not positive.
    pub fn validate(&self) -> Result<(), BackboneError> {
        let blocks = self.variant.block_count();
        if self.block >= blocks {
            let (variant, found) = (self.variant, self.block);
            return Err(BackboneError::Block { variant, blocks, found });
        }
        if !(self.batch_norm_eps.is_finite() && self.batch_norm_eps >= 0.0) {
            return Err(BackboneError::BatchNormEps { found: self.batch_norm_eps });
        }
        if let Padding::SameStatic { native } = self.padding {
            check_side("native resolution of the padding", native)?;
        }
        let Normalization { mean, std } = self.normalization;
        let usable =
            mean.iter().all(|m| m.is_finite()) && std.iter().all(|s| s.is_finite() && *s > 0.0);
        if usable { Ok(()) } else { Err(BackboneError::Normalization { mean, std }) }
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

    /// Shape `[channels, height, width]` of the output for an image of these pixels.
    ///
    /// # Errors
    /// As [`validate`](Self::validate); [`BackboneError::Side`] for an empty or huge image,
    /// [`BackboneError::TooSmall`] where a kernel does not fit in its padded input.
    pub fn output_shape(&self, height: usize, width: usize) -> Result<[usize; 3], BackboneError> {
        let channels = self.channels()?;
        check_side("height of the image", height)?;
        check_side("width of the image", width)?;
        let through =
            |side| self.geometries().iter().try_fold(side, |size, layer| layer.output(size));
        match (through(height), through(width)) {
            (Some(h), Some(w)) => Ok([channels, h, w]),
            _ => Err(BackboneError::TooSmall { height, width }),
        }
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

fn check_side(what: &'static str, found: usize) -> Result<(), BackboneError> {
    if (1..=MAX_SIDE).contains(&found) {
        Ok(())
    } else {
        Err(BackboneError::Side { what, max: MAX_SIDE, found })
    }
}
