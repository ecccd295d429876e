//! Who published weights, and the details that follow: naming, padding, epsilon and normalisation.
//! Knows networks by name, and no configuration.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::naming::Naming;
use crate::normalization::Normalization;
use crate::padding::Padding;
use crate::variant::Variant;

/// Where weights come from, which decides padding, epsilon and input normalisation.
///
/// The names on command lines, in files, in [`Display`](fmt::Display) and in [`FromStr`] are
/// `efficientnet-pytorch`, `efficientnet-pytorch-advprop`, `efficientnet-lite-pytorch`, `timm-tf`,
/// `timm-tf-advprop`, `timm`, `timm-ra4` and `torchvision`.
///
/// | source | padding | epsilon | input |
/// |---|---|---|---|
/// | `efficientnet-pytorch` | fixed for the native resolution | 1e-3 | ImageNet |
/// | `efficientnet-pytorch-advprop` | fixed for the native resolution | 1e-3 | -1 to 1 |
/// | `efficientnet-lite-pytorch` | fixed for the native resolution | 1e-3 | -1 to 1 |
/// | `timm-tf` | from the real size | 1e-3 | ImageNet; Lite -1 to 1 |
/// | `timm-tf-advprop` | from the real size | 1e-3 | -1 to 1 |
/// | `timm` | symmetric | 1e-5 | ImageNet |
/// | `timm-ra4` | symmetric | 1e-5 | -1 to 1 |
/// | `torchvision` | symmetric | 1e-5; B5 to B7 1e-3 | ImageNet |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WeightsSource {
    /// The package `efficientnet_pytorch` (0.7.1), B0 to B7.
    EfficientnetPytorch,
    /// The same package's weights trained with adversarial examples (`advprop=True`), B0 to B7.
    EfficientnetPytorchAdvprop,
    /// The package `efficientnet_lite_pytorch`, Lite0 to Lite4.
    EfficientnetLitePytorch,
    /// timm's conversions from TensorFlow (`tf_efficientnet_*`) except the AdvProp ones.
    TimmTf,
    /// timm's conversions of AdvProp weights (`tf_efficientnet_*.ap_in1k`), B0 to B7.
    TimmTfAdvprop,
    /// timm's own training (`efficientnet_*`) except the recipe `ra4`.
    Timm,
    /// timm's own training by the recipe `ra4` (`efficientnet_*.ra4_e3600_*`), B0 to B7.
    TimmRa4,
    /// torchvision, B0 to B7.
    Torchvision,
}

impl WeightsSource {
    /// Every source, in the order of the enum.
    pub const ALL: [Self; 8] = [
        Self::EfficientnetPytorch,
        Self::EfficientnetPytorchAdvprop,
        Self::EfficientnetLitePytorch,
        Self::TimmTf,
        Self::TimmTfAdvprop,
        Self::Timm,
        Self::TimmRa4,
        Self::Torchvision,
    ];

    /// The name that users type, such as `timm-tf`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EfficientnetPytorch => "efficientnet-pytorch",
            Self::EfficientnetPytorchAdvprop => "efficientnet-pytorch-advprop",
            Self::EfficientnetLitePytorch => "efficientnet-lite-pytorch",
            Self::TimmTf => "timm-tf",
            Self::TimmTfAdvprop => "timm-tf-advprop",
            Self::Timm => "timm",
            Self::TimmRa4 => "timm-ra4",
            Self::Torchvision => "torchvision",
        }
    }

    /// Whether it has this network.
    pub const fn has(self, variant: Variant) -> bool {
        match self {
            Self::EfficientnetLitePytorch => variant.is_lite(),
            Self::TimmTf | Self::Timm => true,
            _ => !variant.is_lite(),
        }
    }

    pub(crate) fn naming(self) -> Naming {
        match self {
            Self::EfficientnetPytorch
            | Self::EfficientnetPytorchAdvprop
            | Self::EfficientnetLitePytorch => Naming::EfficientnetPytorch,
            Self::TimmTf | Self::TimmTfAdvprop | Self::Timm | Self::TimmRa4 => Naming::Timm,
            Self::Torchvision => Naming::Torchvision,
        }
    }

    pub(crate) fn padding(self, variant: Variant) -> Padding {
        match self {
            Self::EfficientnetPytorch
            | Self::EfficientnetPytorchAdvprop
            | Self::EfficientnetLitePytorch => {
                Padding::SameStatic { native: variant.native_resolution() }
            }
            Self::TimmTf | Self::TimmTfAdvprop => Padding::SameDynamic,
            Self::Timm | Self::TimmRa4 | Self::Torchvision => Padding::Symmetric,
        }
    }

    pub(crate) fn batch_norm_eps(self, variant: Variant) -> f64 {
        // torchvision took its largest networks from TensorFlow, and trained the others.
        let from_tensorflow = match self {
            Self::Torchvision => matches!(variant, Variant::B5 | Variant::B6 | Variant::B7),
            Self::Timm | Self::TimmRa4 => false,
            _ => true,
        };
        if from_tensorflow { 1e-3 } else { 1e-5 }
    }

    pub(crate) fn normalization(self, variant: Variant) -> Normalization {
        match self {
            Self::EfficientnetPytorch | Self::Timm | Self::Torchvision => Normalization::IMAGENET,
            Self::TimmTf if !variant.is_lite() => Normalization::IMAGENET,
            _ => Normalization::HALF,
        }
    }
}

impl fmt::Display for WeightsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for WeightsSource {
    type Err = UnknownWeightsSource;

    fn from_str(name: &str) -> Result<Self, UnknownWeightsSource> {
        Self::ALL
            .into_iter()
            .find(|source| source.name() == name)
            .ok_or_else(|| UnknownWeightsSource { found: name.to_owned() })
    }
}

/// A name that is not one of a [`WeightsSource`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "expected a source, one of {}, found `{found}`",
    WeightsSource::ALL.map(WeightsSource::name).join(", ")
)]
pub struct UnknownWeightsSource {
    /// The name given.
    pub found: String,
}
