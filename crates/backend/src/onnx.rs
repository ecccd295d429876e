//! Layers as nodes of an ONNX graph. What the networks are made of, and no network.
//!
//! In graphs features are `[N, C, H, W]`, as runtimes have them.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend as BurnBackend;
use nfbmr_kernels::Activation;
use nfbmr_onnx::{Attribute, Convolution, Graph, Value};

use crate::Backend;
use crate::conv::Conv2d;
use crate::ops::{ConvParams, SpatialConv};

/// A tensor as a constant.
pub fn constant<B: BurnBackend, const D: usize>(graph: &mut Graph, tensor: Tensor<B, D>) -> Value {
    let shape = tensor.dims();
    let values: Vec<f32> = tensor.into_data().iter::<f32>().collect();
    graph.floats(&shape, &values)
}

/// An activation after a layer.
pub fn activate(graph: &mut Graph, x: Value, activation: Activation) -> Value {
    match activation {
        Activation::Identity => x,
        Activation::Relu => graph.apply("Relu", &x),
        Activation::Relu6 => graph.clip(&x, 0.0, 6.0),
        Activation::LeakyRelu(slope) => {
            graph.node("LeakyRelu", &[&x], &[("alpha", Attribute::Float(slope))])
        }
        Activation::Silu => {
            let gate = graph.apply("Sigmoid", &x);
            graph.mul(&x, &gate)
        }
    }
}

impl<B: Backend> Conv2d<B> {
    /// activation(conv(x) + bias) of x `[N, c_in, H, W]`.
    pub fn add_to(&self, graph: &mut Graph, x: &Value, activation: Activation) -> Value {
        self.params().add_to(graph, x, activation)
    }
}

impl<B: BurnBackend> ConvParams<B> {
    /// activation(conv(x) + bias) of x `[N, c_in, H, W]`, padded so that height and width stay.
    pub fn add_to(&self, graph: &mut Graph, x: &Value, activation: Activation) -> Value {
        let [_, _, kernel, _] = self.weight.dims();
        let conv = Convolution { stride: 1, padding: [kernel / 2; 4], groups: 1 };
        convolved(graph, x, (&self.weight, &self.bias), conv, activation)
    }
}

impl<B: BurnBackend> SpatialConv<B> {
    /// The convolution of x `[N, c_in, H, W]`, whose size its padding is for.
    pub fn add_to(&self, graph: &mut Graph, x: &Value) -> Value {
        let Self { weight, bias, stride, padding, activation } = self;
        let groups = if weight.dims()[1] == 1 { weight.dims()[0] } else { 1 };
        let conv = Convolution { stride: *stride, padding: *padding, groups };
        convolved(graph, x, (weight, bias), conv, *activation)
    }
}

fn convolved<B: BurnBackend>(
    graph: &mut Graph,
    x: &Value,
    (weight, bias): (&Tensor<B, 4>, &Tensor<B, 1>),
    conv: Convolution,
    activation: Activation,
) -> Value {
    let (weight, bias) = (constant(graph, weight.clone()), constant(graph, bias.clone()));
    let y = graph.conv(x, &weight, &bias, conv);
    activate(graph, y, activation)
}
