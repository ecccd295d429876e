//! Which network, up to which block and with which details; whether such a network can be. Knows no
//! tensors.

use serde::{Deserialize, Serialize};

use crate::error::BackboneError;
use crate::normalization::Normalization;
use crate::padding::Padding;
use crate::variant::Variant;
use crate::weights_source::WeightsSource;

/// The longest side, in pixels, that sizes are worked out for.
pub(crate) const MAX_SIDE: usize = 1 << 16;

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
    pub fn new(
        source: WeightsSource,
        variant: Variant,
        block: usize,
    ) -> Result<Self, BackboneError> {
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
}

pub(crate) fn check_side(what: &'static str, found: usize) -> Result<(), BackboneError> {
    if (1..=MAX_SIDE).contains(&found) {
        Ok(())
    } else {
        Err(BackboneError::Side { what, max: MAX_SIDE, found })
    }
}
