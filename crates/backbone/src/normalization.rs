//! What is done to images before the network. Nothing else of the crate is known here.

use serde::{Deserialize, Serialize};

/// The per-channel normalisation (RGB) that a network expects: `(v - mean) / std` with `v` from 0
/// to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalization {
    /// Mean of red, green and blue, on the scale from 0 to 1.
    pub mean: [f32; 3],
    /// Standard deviation of red, green and blue, on the scale from 0 to 1.
    pub std: [f32; 3],
}

impl Normalization {
    /// The statistics of ImageNet, which most B weights were trained with.
    pub const IMAGENET: Self = Self { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

    /// `(v - 0.5) / 0.5`, from -1 to 1: Lite and AdvProp-trained weights.
    pub const HALF: Self = Self { mean: [0.5; 3], std: [0.5; 3] };
}
