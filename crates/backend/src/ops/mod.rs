//! The operations that the networks are made of, one trait over burn's backends.
//!
//! Tensors are channel-major, `[C, B, H, W]`: a 1 x 1 convolution is one matrix product over all
//! positions of a batch, halves of the channels are contiguous, and a bias is a constant per row.

mod composed;
#[cfg(feature = "flex")]
mod flex;
mod params;

use burn::backend::Autodiff;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

pub use params::{
    ConvParams, CouplingBlock, MbConv, PreparedWeight, SpatialConv, SqueezeExcite, Subnet,
};

use nfbmr_kernels::Activation;

/// What a backend can fuse. Every method has a default made of burn's own operations; a backend with
/// kernels of its own overrides what it has.
///
/// The methods for `Autodiff<Self>` belong to the plain backend, so that its kernels can bring their
/// gradients along. Shapes that don't fit panic as burn's operations do.
pub trait FusedOps: Backend<FloatElem = f32> {
    /// activation(conv(x) + bias) + residual: a convolution `[c_in, B, H, W] -> [c_out, B, H, W]` of
    /// stride 1 with an odd window, padded so that height and width stay.
    fn conv(
        x: Tensor<Self, 4>,
        params: ConvParams<Self>,
        activation: Activation,
        residual: Option<Tensor<Self, 4>>,
    ) -> Tensor<Self, 4> {
        composed::conv(x, params, activation, residual)
    }

    /// [`Self::conv`] with gradients.
    fn conv_autodiff(
        x: Tensor<Autodiff<Self>, 4>,
        params: ConvParams<Autodiff<Self>>,
        activation: Activation,
        residual: Option<Tensor<Autodiff<Self>, 4>>,
    ) -> Tensor<Autodiff<Self>, 4> {
        composed::conv(x, params, activation, residual)
    }

    /// A weight `[c_out, c_in, k, k]` in the form that [`Self::conv`] computes with, where there is
    /// one: worth keeping for a weight that is used many times and doesn't change.
    fn prepare(_weight: &Tensor<Self, 4>) -> Option<PreparedWeight> {
        None
    }

    /// One affine coupling block (equations (3) to (6)) on the state `[C + 1, B, H, W]`: the features,
    /// and in the last row the sum of the log-scales so far, which is log|det| by position.
    fn coupling(state: Tensor<Self, 4>, block: CouplingBlock<Self>) -> Tensor<Self, 4> {
        composed::coupling(state, block)
    }

    /// [`Self::coupling`] with gradients.
    fn coupling_autodiff(
        state: Tensor<Autodiff<Self>, 4>,
        block: CouplingBlock<Autodiff<Self>>,
    ) -> Tensor<Autodiff<Self>, 4> {
        composed::coupling(state, block)
    }

    /// A convolution of any stride and padding, depthwise or over all channels, with bias and
    /// activation.
    fn spatial_conv(x: Tensor<Self, 4>, conv: SpatialConv<Self>) -> Tensor<Self, 4> {
        composed::spatial_conv(x, conv)
    }

    /// A block of EfficientNet (MBConv): expand, depthwise, squeeze-excite, project and skip.
    fn mbconv(x: Tensor<Self, 4>, block: MbConv<Self>) -> Tensor<Self, 4> {
        composed::mbconv(x, block)
    }

    /// Σ_c (x − mapped)² by position, `[1, B, H, W]`: one term of the anomaly map (14).
    fn residual_map(x: Tensor<Self, 4>, mapped: Tensor<Self, 4>) -> Tensor<Self, 4> {
        (x - mapped).square().sum_dim(0)
    }

    /// Features `[N, C, P]` less their mean `[P, 1, C]`, times an upper triangular matrix `[P, C, C]` that
    /// is 0 below its diagonal, position by position.
    fn whiten(
        y: Tensor<Self, 3>,
        mean: Tensor<Self, 3>,
        matrix: Tensor<Self, 3>,
    ) -> Tensor<Self, 3> {
        (y.permute([2, 0, 1]) - mean).matmul(matrix).permute([1, 2, 0])
    }
}

impl<B: FusedOps> FusedOps for Autodiff<B> {
    fn conv(
        x: Tensor<Self, 4>,
        params: ConvParams<Self>,
        activation: Activation,
        residual: Option<Tensor<Self, 4>>,
    ) -> Tensor<Self, 4> {
        B::conv_autodiff(x, params, activation, residual)
    }

    fn coupling(state: Tensor<Self, 4>, block: CouplingBlock<Self>) -> Tensor<Self, 4> {
        B::coupling_autodiff(state, block)
    }
}

#[cfg(feature = "ndarray")]
impl FusedOps for burn::backend::NdArray<f32> {}

#[cfg(feature = "cuda")]
impl FusedOps for burn::backend::Cuda<f32> {}
