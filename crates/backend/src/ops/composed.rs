//! The operations made of burn's own.

use burn::tensor::Tensor;
use burn::tensor::activation::{leaky_relu, relu, sigmoid, silu};
use burn::tensor::backend::Backend;
use burn::tensor::module::conv2d;
use burn::tensor::ops::{ConvOptions, PaddedConvOptions};

use super::FusedOps;
use super::params::{ConvParams, CouplingBlock, MbConv, SpatialConv, SqueezeExcite};
use nfbmr_kernels::Activation;

fn activate<B: Backend>(x: Tensor<B, 4>, activation: Activation) -> Tensor<B, 4> {
    match activation {
        Activation::Identity => x,
        Activation::Relu => relu(x),
        Activation::Relu6 => x.clamp(0.0, 6.0),
        Activation::LeakyRelu(slope) => leaky_relu(x, slope.into()),
        Activation::Silu => silu(x),
    }
}

pub(super) fn conv<B: Backend>(
    x: Tensor<B, 4>,
    params: ConvParams<B>,
    activation: Activation,
    residual: Option<Tensor<B, 4>>,
) -> Tensor<B, 4> {
    let ConvParams { weight, bias, .. } = params;
    let [c_out, c_in, kernel, _] = weight.dims();
    let y = if kernel == 1 {
        let [_, batch, height, width] = x.dims();
        let x = x.reshape([c_in, batch * height * width]);
        let y = weight.reshape([c_out, c_in]).matmul(x) + bias.reshape([c_out, 1]);
        y.reshape([c_out, batch, height, width])
    } else {
        let options = ConvOptions::new([1, 1], [kernel / 2; 2], [1, 1], 1);
        conv2d(x.swap_dims(0, 1), weight, Some(bias), options).swap_dims(0, 1)
    };
    let y = activate(y, activation);
    match residual {
        Some(residual) => y + residual,
        None => y,
    }
}

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

pub(super) fn spatial_conv<B: Backend>(x: Tensor<B, 4>, conv: SpatialConv<B>) -> Tensor<B, 4> {
    let SpatialConv { weight, bias, stride, padding, activation } = conv;
    let [top, left, bottom, right] = padding;
    let groups = x.dims()[0] / weight.dims()[1];
    let options =
        PaddedConvOptions::asymmetric([stride; 2], [top, left], [bottom, right], [1, 1], groups);
    let y = conv2d(x.swap_dims(0, 1), weight, Some(bias), options);
    activate(y.swap_dims(0, 1), activation)
}

pub(super) fn mbconv<B: FusedOps>(input: Tensor<B, 4>, block: MbConv<B>) -> Tensor<B, 4> {
    let MbConv { expand, depthwise, squeeze_excite: gate, project, skip } = block;
    let residual = skip.then(|| input.clone());
    let x = match expand {
        Some(expand) => B::conv(input, expand, depthwise.activation, None),
        None => input,
    };
    let x = B::spatial_conv(x, depthwise);
    let x = match gate {
        Some(layers) => squeeze_excite(x, layers),
        None => x,
    };
    B::conv(x, project, Activation::Identity, residual)
}

/// x · sigmoid(expand(silu(reduce(mean of x over H and W)))).
fn squeeze_excite<B: Backend>(x: Tensor<B, 4>, layers: SqueezeExcite<B>) -> Tensor<B, 4> {
    let mean = x.clone().mean_dim(3).mean_dim(2);
    let gate = conv(mean, layers.reduce, Activation::Silu, None);
    x * sigmoid(conv(gate, layers.expand, Activation::Identity, None))
}
