//! The single operations made of burn's own, on any backend of burn.

use burn::tensor::Tensor;
use burn::tensor::activation::{leaky_relu, relu, sigmoid, silu};
use burn::tensor::backend::Backend;
use burn::tensor::module::conv2d;
use burn::tensor::ops::{ConvOptions, PaddedConvOptions};

use super::params::{ConvParams, SpatialConv, SqueezeExcite};
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

pub(super) fn spatial_conv<B: Backend>(x: Tensor<B, 4>, conv: SpatialConv<B>) -> Tensor<B, 4> {
    let SpatialConv { weight, bias, stride, padding, activation } = conv;
    let [top, left, bottom, right] = padding;
    let groups = x.dims()[0] / weight.dims()[1];
    let options =
        PaddedConvOptions::asymmetric([stride; 2], [top, left], [bottom, right], [1, 1], groups);
    let y = conv2d(x.swap_dims(0, 1), weight, Some(bias), options);
    activate(y.swap_dims(0, 1), activation)
}

/// x · sigmoid(expand(silu(reduce(mean of x over H and W)))).
pub(super) fn squeeze_excite<B: Backend>(
    x: Tensor<B, 4>,
    layers: SqueezeExcite<B>,
) -> Tensor<B, 4> {
    let mean = x.clone().mean_dim(3).mean_dim(2);
    let gate = conv(mean, layers.reduce, Activation::Silu, None);
    x * sigmoid(conv(gate, layers.expand, Activation::Identity, None))
}
