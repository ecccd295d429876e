//! The trait of the operations, and those of its defaults that are made of others of its methods, so that
//! a backend's own take part in them.

use burn::backend::Autodiff;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use nfbmr_kernels::Activation;

use super::composed;
use super::params::{
    ATAN_SCALE, ConvParams, CouplingBlock, MbConv, PreparedWeight, SUBNET_ACTIVATION, SpatialConv,
    Subnet,
};

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
        coupling(state, block)
    }

    /// [`Self::coupling`] with gradients.
    fn coupling_autodiff(
        state: Tensor<Autodiff<Self>, 4>,
        block: CouplingBlock<Autodiff<Self>>,
    ) -> Tensor<Autodiff<Self>, 4> {
        coupling(state, block)
    }

    /// A convolution of any stride and padding, depthwise or over all channels, with bias and
    /// activation.
    fn spatial_conv(x: Tensor<Self, 4>, conv: SpatialConv<Self>) -> Tensor<Self, 4> {
        composed::spatial_conv(x, conv)
    }

    /// A block of EfficientNet (MBConv): expand, depthwise, squeeze-excite, project and skip.
    fn mbconv(x: Tensor<Self, 4>, block: MbConv<Self>) -> Tensor<Self, 4> {
        mbconv(x, block)
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

pub(super) fn coupling<B: FusedOps>(state: Tensor<B, 4>, block: CouplingBlock<B>) -> Tensor<B, 4> {
    let CouplingBlock { permutation, first, second, clamp } = block;
    let channels = state.dims()[0] - 1;
    let half = channels / 2;
    let y = state.clone().narrow(0, 0, channels).select(0, permutation);
    let (y1, y2) = (y.clone().narrow(0, 0, half), y.narrow(0, half, channels - half));
    let (s1, b1) = first.forward(y1.clone(), clamp);
    let z2 = s1.clone().exp() * y2 + b1;
    let (s2, b2) = second.forward(z2.clone(), clamp);
    let z1 = s2.clone().exp() * y1 + b2;
    let log_det = state.narrow(0, channels, 1) + s1.sum_dim(0) + s2.sum_dim(0);
    Tensor::cat(vec![z1, z2, log_det], 0)
}

impl<B: FusedOps> Subnet<B> {
    /// The clamped log-scale s = clamp · 0.636 · atan(raw / clamp) and the shift, each
    /// `[c_out, B, H, W]`.
    pub fn forward(self, x: Tensor<B, 4>, clamp: f32) -> (Tensor<B, 4>, Tensor<B, 4>) {
        let hidden = B::conv(x, self.conv1, SUBNET_ACTIVATION, None);
        let raw = B::conv(hidden, self.conv2, Activation::Identity, None);
        let raw = raw * self.gamma.reshape([1, 1, 1, 1]);
        let channels = raw.dims()[0] / 2;
        let scale = raw.clone().narrow(0, 0, channels);
        let shift = raw.narrow(0, channels, channels);
        ((scale / clamp).atan() * (clamp * ATAN_SCALE), shift)
    }
}

fn mbconv<B: FusedOps>(input: Tensor<B, 4>, block: MbConv<B>) -> Tensor<B, 4> {
    let MbConv { expand, depthwise, squeeze_excite: gate, project, skip } = block;
    let residual = skip.then(|| input.clone());
    let x = match expand {
        Some(expand) => B::conv(input, expand, depthwise.activation, None),
        None => input,
    };
    let x = B::spatial_conv(x, depthwise);
    let x = match gate {
        Some(layers) => composed::squeeze_excite(x, layers),
        None => x,
    };
    B::conv(x, project, Activation::Identity, residual)
}
