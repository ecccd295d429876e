//! Padding, and the sizes that follow from it, layer by layer. Nothing else of the crate is known here.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How convolutions pad their input; the three ways disagree at strided layers.
///
/// A network gives its published features only with the padding that its weights were trained or
/// published with, so it follows from their [`WeightsSource`](crate::WeightsSource). Of the two kinds
/// of `SAME`, which agree at the native resolution, a configuration may choose either for weights of
/// the other: the one of the actual input keeps features where they are in the image, while the one of
/// a native resolution that isn't a multiple of their stride displaces them at other sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Padding {
    /// TensorFlow's `SAME`, worked out from the size of the actual input: outputs have `ceil(size /
    /// stride)` positions; where the padding is odd, the extra row and column lie at the bottom and
    /// right.
    SameDynamic,
    /// TensorFlow's `SAME` worked out once for square images of `native` pixels and then used for
    /// any size, as `efficientnet_pytorch` does.
    SameStatic {
        /// Side of the image, in pixels, that the padding is worked out for.
        native: usize,
    },
    /// Half the kernel on every side, as torchvision and timm do.
    Symmetric,
}

/// `same_dynamic`, `same_static` with the native resolution, or `symmetric`, as in the metadata of
/// weight files.
impl fmt::Display for Padding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameDynamic => f.write_str("same_dynamic"),
            Self::SameStatic { native } => write!(f, "same_static {native}"),
            Self::Symmetric => f.write_str("symmetric"),
        }
    }
}

impl Padding {
    /// Whether it is TensorFlow's, of either kind.
    pub(crate) fn is_same(self) -> bool {
        matches!(self, Self::SameDynamic | Self::SameStatic { .. })
    }

    /// Reads what [`Display`](fmt::Display) writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "same_dynamic" => Some(Self::SameDynamic),
            "symmetric" => Some(Self::Symmetric),
            _ => {
                let native = text.strip_prefix("same_static ")?.parse().ok()?;
                Some(Self::SameStatic { native })
            }
        }
    }
}

/// Rows (or columns) of zeros before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Border {
    pub(crate) before: usize,
    pub(crate) after: usize,
}

/// `SAME` for one axis.
fn same(size: usize, kernel: usize, stride: usize) -> Border {
    let span = (size.div_ceil(stride).max(1) - 1) * stride + kernel;
    let total = span.saturating_sub(size);
    Border { before: total / 2, after: total - total / 2 }
}

/// Kernel, stride and padding of one square convolution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    kernel: usize,
    pub(crate) stride: usize,
    /// `None` where the border follows the size of the input.
    fixed: Option<Border>,
}

impl Geometry {
    /// The border for an input of `size` positions.
    pub(crate) fn border(&self, size: usize) -> Border {
        self.fixed.unwrap_or_else(|| same(size, self.kernel, self.stride))
    }

    /// Positions of the output for an input of `size`; `None` where the kernel does not fit.
    pub(crate) fn output(&self, size: usize) -> Option<usize> {
        let Border { before, after } = self.border(size);
        Some((size + before + after).checked_sub(self.kernel)? / self.stride + 1)
    }
}

/// Gives the layers of a network their geometry, first to last.
pub(crate) struct Planner {
    padding: Padding,
    /// Size of the feature map for an image of the native resolution.
    native: usize,
}

impl Planner {
    pub(crate) fn new(padding: Padding) -> Self {
        let native = if let Padding::SameStatic { native } = padding { native } else { 0 };
        Self { padding, native }
    }

    pub(crate) fn layer(&mut self, kernel: usize, stride: usize) -> Geometry {
        let fixed = match self.padding {
            Padding::SameDynamic => None,
            Padding::SameStatic { .. } => Some(same(self.native, kernel, stride)),
            Padding::Symmetric => Some(Border { before: kernel / 2, after: kernel / 2 }),
        };
        self.native = self.native.div_ceil(stride);
        Geometry { kernel, stride, fixed }
    }
}
