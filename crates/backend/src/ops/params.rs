//! What the operations are given: weights, and layers put together of them.

use std::sync::Arc;

#[cfg(feature = "flex")]
use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor};

use nfbmr_kernels::{Activation, WinogradWeights};

/// Weight and bias of a convolution.
#[derive(Clone, Debug)]
pub struct ConvParams<B: Backend> {
    /// `[c_out, c_in, k, k]`, k odd.
    pub weight: Tensor<B, 4>,
    /// `[c_out]`.
    pub bias: Tensor<B, 1>,
    /// What [`FusedOps::prepare`](super::FusedOps::prepare) made of this weight.
    pub prepared: Option<PreparedWeight>,
}

#[cfg(feature = "flex")]
impl<B: Backend> ConvParams<Autodiff<B>> {
    /// Without the graph.
    pub(super) fn inner(self) -> ConvParams<B> {
        ConvParams { weight: self.weight.inner(), bias: self.bias.inner(), prepared: self.prepared }
    }
}

/// A weight in the form that a backend's kernels compute with. Cheap to clone.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "flex"), expect(dead_code, reason = "only kernels read it"))]
pub struct PreparedWeight(pub(super) Arc<WinogradWeights>);

/// The parameters of a coupling block: subnetworks s1, b1 of the first half and s2, b2 of the second.
#[derive(Clone, Debug)]
pub struct CouplingBlock<B: Backend> {
    /// Channel i of the block is channel `permutation[i]` of the features, `[C]`.
    pub permutation: Tensor<B, 1, Int>,
    /// From the first half of the channels to the second, which has one more where C is odd.
    pub first: Subnet<B>,
    /// From the second half to the first.
    pub second: Subnet<B>,
    /// Bound of the log-scale, see equation (4).
    pub clamp: f32,
}

/// gamma · conv2(LeakyReLU(conv1(x), 0.1)): the raw log-scale and the shift of one half of the channels.
#[derive(Clone, Debug)]
pub struct Subnet<B: Backend> {
    /// `c_in` to hidden channels.
    pub conv1: ConvParams<B>,
    /// Hidden to `2 · c_out` channels.
    pub conv2: ConvParams<B>,
    /// `[1]`.
    pub gamma: Tensor<B, 1>,
}

#[cfg(feature = "flex")]
impl<B: Backend> Subnet<Autodiff<B>> {
    fn inner(self) -> Subnet<B> {
        Subnet { conv1: self.conv1.inner(), conv2: self.conv2.inner(), gamma: self.gamma.inner() }
    }
}

#[cfg(feature = "flex")]
impl<B: Backend> CouplingBlock<Autodiff<B>> {
    /// Without the graph.
    pub(super) fn inner(self) -> CouplingBlock<B> {
        CouplingBlock {
            permutation: self.permutation.inner(),
            first: self.first.inner(),
            second: self.second.inner(),
            clamp: self.clamp,
        }
    }
}

/// The log-scale of a [`CouplingBlock`] is this times the clamp times an arctangent.
pub const ATAN_SCALE: f32 = 0.636;

/// Between the convolutions of a [`Subnet`].
pub const SUBNET_ACTIVATION: Activation = Activation::LeakyRelu(0.1);

/// A convolution of any stride and padding.
#[derive(Clone, Debug)]
pub struct SpatialConv<B: Backend> {
    /// `[c_out, c_in, k, k]`, or `[C, 1, k, k]` where each channel is convolved by itself.
    pub weight: Tensor<B, 4>,
    /// `[c_out]`.
    pub bias: Tensor<B, 1>,
    /// Step between outputs, down and across.
    pub stride: usize,
    /// Zeros above, left, below and right.
    pub padding: [usize; 4],
    /// Applied last.
    pub activation: Activation,
}

/// The two layers of a squeeze-and-excitation, 1 x 1 convolutions.
#[derive(Clone, Debug)]
pub struct SqueezeExcite<B: Backend> {
    /// C to fewer channels.
    pub reduce: ConvParams<B>,
    /// Back to C channels.
    pub expand: ConvParams<B>,
}

/// The layers of an MBConv block.
#[derive(Clone, Debug)]
pub struct MbConv<B: Backend> {
    /// 1 x 1 to the channels of the depthwise convolution, with its activation; not in every block.
    pub expand: Option<ConvParams<B>>,
    /// A convolution of each channel by itself.
    pub depthwise: SpatialConv<B>,
    /// Gates of the channels; not in every network.
    pub squeeze_excite: Option<SqueezeExcite<B>>,
    /// 1 x 1 to the output channels, without an activation.
    pub project: ConvParams<B>,
    /// Whether the input is added to the output.
    pub skip: bool,
}
