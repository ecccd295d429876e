//! The networks by name. Nothing else of the crate is known here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One of the EfficientNet networks: B0 to B7 (swish and squeeze-excite) or Lite0 to Lite4 (ReLU6,
/// no squeeze-excite).
///
/// The names in configuration files, in [`Display`](fmt::Display) and in [`FromStr`] are `b0` to
/// `b7` and `lite0` to `lite4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// EfficientNet-B0, 224 pixels.
    B0,
    /// EfficientNet-B1, 240 pixels.
    B1,
    /// EfficientNet-B2, 260 pixels.
    B2,
    /// EfficientNet-B3, 300 pixels.
    B3,
    /// EfficientNet-B4, 380 pixels.
    B4,
    /// EfficientNet-B5, 456 pixels.
    B5,
    /// EfficientNet-B6, 528 pixels.
    B6,
    /// EfficientNet-B7, 600 pixels.
    B7,
    /// EfficientNet-Lite0, 224 pixels.
    Lite0,
    /// EfficientNet-Lite1, 240 pixels.
    Lite1,
    /// EfficientNet-Lite2, 260 pixels.
    Lite2,
    /// EfficientNet-Lite3, 280 pixels.
    Lite3,
    /// EfficientNet-Lite4, 300 pixels.
    Lite4,
}

impl Variant {
    /// Every variant, in the order of the enum.
    pub const ALL: [Self; 13] = [
        Self::B0,
        Self::B1,
        Self::B2,
        Self::B3,
        Self::B4,
        Self::B5,
        Self::B6,
        Self::B7,
        Self::Lite0,
        Self::Lite1,
        Self::Lite2,
        Self::Lite3,
        Self::Lite4,
    ];

    /// The name in configuration files, such as `b5` or `lite0`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::B0 => "b0",
            Self::B1 => "b1",
            Self::B2 => "b2",
            Self::B3 => "b3",
            Self::B4 => "b4",
            Self::B5 => "b5",
            Self::B6 => "b6",
            Self::B7 => "b7",
            Self::Lite0 => "lite0",
            Self::Lite1 => "lite1",
            Self::Lite2 => "lite2",
            Self::Lite3 => "lite3",
            Self::Lite4 => "lite4",
        }
    }

    /// Whether this is one of the Lite networks.
    pub const fn is_lite(self) -> bool {
        matches!(self, Self::Lite0 | Self::Lite1 | Self::Lite2 | Self::Lite3 | Self::Lite4)
    }

    /// Side of the square image, in pixels, that the published weights were trained on.
    pub const fn native_resolution(self) -> usize {
        self.scaling().2
    }

    /// Width multiplier, depth multiplier and native resolution.
    pub(crate) const fn scaling(self) -> (f64, f64, usize) {
        match self {
            Self::B0 => (1.0, 1.0, 224),
            Self::B1 => (1.0, 1.1, 240),
            Self::B2 => (1.1, 1.2, 260),
            Self::B3 => (1.2, 1.4, 300),
            Self::B4 => (1.4, 1.8, 380),
            Self::B5 => (1.6, 2.2, 456),
            Self::B6 => (1.8, 2.6, 528),
            Self::B7 => (2.0, 3.1, 600),
            Self::Lite0 => (1.0, 1.0, 224),
            Self::Lite1 => (1.0, 1.1, 240),
            Self::Lite2 => (1.1, 1.2, 260),
            Self::Lite3 => (1.2, 1.4, 280),
            Self::Lite4 => (1.4, 1.8, 300),
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Variant {
    type Err = UnknownVariant;

    fn from_str(name: &str) -> Result<Self, UnknownVariant> {
        Self::ALL
            .into_iter()
            .find(|variant| variant.name() == name)
            .ok_or_else(|| UnknownVariant { found: name.to_owned() })
    }
}

/// A name that is not one of a [`Variant`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected one of {}, found `{found}`", Variant::ALL.map(Variant::name).join(", "))]
pub struct UnknownVariant {
    /// The name given.
    pub found: String,
}
