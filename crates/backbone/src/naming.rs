//! What three packages call the tensors of a network. Knows the layers, and nothing of files.

use crate::architecture::{Architecture, BlockSpec, STEM_KERNEL};
use crate::network::{BlockLayers, Network, RGB};

/// How a package names the tensors of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// `_blocks.3._depthwise_conv.weight`, of `efficientnet_pytorch` and its Lite sibling.
    EfficientnetPytorch,
    /// `blocks.2.0.conv_dw.weight`
    Timm,
    /// `features.3.0.block.1.0.weight`
    Torchvision,
}

/// The convolutions of a block that have names of their own.
#[derive(Clone, Copy)]
enum Layer {
    Expand,
    Depthwise,
    SqueezeExcite,
    Project,
}

/// What the tensors of a convolution are called, and its shape.
pub(crate) struct LayerNames {
    pub(crate) conv: String,
    /// The batch normalisation after it; `None` where the convolution has a bias instead.
    pub(crate) norm: Option<String>,
    pub(crate) shape: [usize; 4],
}

impl LayerNames {
    /// The name and shape of each tensor.
    fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let channel = |of: &str, part: &str| (format!("{of}.{part}"), vec![self.shape[0]]);
        let mut tensors = vec![(format!("{}.weight", self.conv), self.shape.to_vec())];
        match &self.norm {
            Some(norm) => {
                let parts = ["weight", "bias", "running_mean", "running_var"];
                tensors.extend(parts.map(|part| channel(norm, part)));
            }
            None => tensors.push(channel(&self.conv, "bias")),
        }
        tensors
    }
}

impl Network<LayerNames> {
    /// The name and shape of each tensor, in the order of the computation.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = (String, Vec<usize>)> {
        self.layers().flat_map(LayerNames::tensors)
    }
}

impl Naming {
    /// The naming that backbones are loaded from; import converts the others to it.
    pub(crate) const CANONICAL: Self = Self::EfficientnetPytorch;

    pub(crate) const ALL: [Self; 3] = [Self::EfficientnetPytorch, Self::Timm, Self::Torchvision];

    /// The names of all layers of a network up to its last block.
    pub(crate) fn network(self, architecture: &Architecture) -> Network<LayerNames> {
        let (conv, norm) = match self {
            Self::EfficientnetPytorch => ("_conv_stem", "_bn0"),
            Self::Timm => ("conv_stem", "bn1"),
            Self::Torchvision => ("features.0.0", "features.0.1"),
        };
        let stem = LayerNames {
            conv: conv.to_owned(),
            norm: Some(norm.to_owned()),
            shape: [architecture.stem, RGB, STEM_KERNEL, STEM_KERNEL],
        };
        let blocks = architecture.blocks.iter().enumerate();
        let blocks = blocks.map(|(index, &spec)| self.block(index, spec)).collect();
        Network { stem, blocks }
    }

    /// Whether a tensor belongs to what comes after the last block: the head's convolution and
    /// normalisation, and the classifier.
    pub(crate) fn is_head(self, name: &str) -> bool {
        let heads: [&str; 3] = match self {
            Self::EfficientnetPytorch => ["_conv_head.", "_bn1.", "_fc."],
            Self::Timm => ["conv_head.", "bn2.", "classifier."],
            Self::Torchvision => ["features.8.0.", "features.8.1.", "classifier.1."],
        };
        heads.iter().any(|head| name.starts_with(head))
    }

    fn block(self, index: usize, spec: BlockSpec) -> BlockLayers<LayerNames> {
        let BlockSpec { stage, repeat, kernel, input, expanded, output, .. } = spec;
        let prefix = match self {
            Self::EfficientnetPytorch => format!("_blocks.{index}"),
            Self::Timm => format!("blocks.{stage}.{repeat}"),
            Self::Torchvision => format!("features.{}.{repeat}.block", stage + 1),
        };
        let names =
            |layer| self.layer(layer, spec.expands()).map(|name| format!("{prefix}.{name}"));
        let normalised = |layer, shape| {
            let [conv, norm] = names(layer);
            LayerNames { conv, norm: Some(norm), shape }
        };
        BlockLayers {
            spec,
            expand: spec.expands().then(|| normalised(Layer::Expand, [expanded, input, 1, 1])),
            depthwise: normalised(Layer::Depthwise, [expanded, 1, kernel, kernel]),
            squeeze_excite: spec.squeezed.map(|squeezed| {
                let [reduce, expand] = names(Layer::SqueezeExcite);
                [
                    LayerNames { conv: reduce, norm: None, shape: [squeezed, expanded, 1, 1] },
                    LayerNames { conv: expand, norm: None, shape: [expanded, squeezed, 1, 1] },
                ]
            }),
            project: normalised(Layer::Project, [output, expanded, 1, 1]),
        }
    }

    /// The names within a block: of convolution and normalisation, or of the two convolutions of
    /// squeeze-excite.
    fn layer(self, layer: Layer, expands: bool) -> [String; 2] {
        // timm and torchvision count layers, of which a block without expansion has one less.
        let first = usize::from(expands);
        let counted = |index: usize| [format!("{index}.0"), format!("{index}.1")];
        let named = |conv: &str, other: &str| [conv.to_owned(), other.to_owned()];
        match (self, layer) {
            (Self::EfficientnetPytorch, Layer::Expand) => named("_expand_conv", "_bn0"),
            (Self::EfficientnetPytorch, Layer::Depthwise) => named("_depthwise_conv", "_bn1"),
            (Self::EfficientnetPytorch, Layer::SqueezeExcite) => named("_se_reduce", "_se_expand"),
            (Self::EfficientnetPytorch, Layer::Project) => named("_project_conv", "_bn2"),
            (Self::Timm, Layer::Expand) => named("conv_pw", "bn1"),
            (Self::Timm, Layer::Depthwise) => named("conv_dw", &format!("bn{}", first + 1)),
            (Self::Timm, Layer::SqueezeExcite) => named("se.conv_reduce", "se.conv_expand"),
            (Self::Timm, Layer::Project) => {
                // Without expansion timm calls the projection what otherwise is the expansion.
                let conv = if expands { "conv_pwl" } else { "conv_pw" };
                named(conv, &format!("bn{}", first + 2))
            }
            (Self::Torchvision, Layer::Expand) => counted(0),
            (Self::Torchvision, Layer::Depthwise) => counted(first),
            (Self::Torchvision, Layer::SqueezeExcite) => {
                [format!("{}.fc1", first + 1), format!("{}.fc2", first + 1)]
            }
            (Self::Torchvision, Layer::Project) => counted(first + 2),
        }
    }
}
