//! The convolution layer of the networks: parameters and their first values. What it computes is in `ops`.

use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData};
use nfbmr_kernels::Activation;
use rand::RngExt;

use crate::Backend;
use crate::ops::{ConvParams, PreparedWeight};

/// A convolution with bias, stride 1 and an odd window, padded so that height and width stay.
///
/// It works on the channel-major layout `[C, B, H, W]`, see [`ops`](crate::ops).
#[derive(Module, Debug)]
pub struct Conv2d<B: Backend> {
    weight: Param<Tensor<B, 4>>,
    bias: Param<Tensor<B, 1>>,
    #[module(skip)]
    prepared: Option<PreparedWeight>,
}

impl<B: Backend> Conv2d<B> {
    /// A layer `[c_in, B, H, W] -> [c_out, B, H, W]` with a `kernel` x `kernel` window, initialised as
    /// PyTorch does: weight and bias uniform in ±1/sqrt(c_in · kernel²).
    ///
    /// The values are drawn on the host, so a seed gives the same layer on every backend.
    pub fn new(
        c_in: usize,
        c_out: usize,
        kernel: usize,
        rng: &mut impl RngExt,
        device: &B::Device,
    ) -> Self {
        let bound = 1.0 / ((c_in * kernel * kernel) as f32).sqrt();
        let mut uniform = |len: usize| -> Vec<f32> {
            (0..len).map(|_| rng.random_range(-bound..=bound)).collect()
        };
        let weight = uniform(c_out * c_in * kernel * kernel);
        let bias = uniform(c_out);
        Self {
            weight: Param::from_data(
                TensorData::new(weight, [c_out, c_in, kernel, kernel]),
                device,
            ),
            bias: Param::from_data(TensorData::new(bias, [c_out]), device),
            prepared: None,
        }
    }

    /// activation(conv(x) + bias) + residual.
    pub fn forward(
        &self,
        x: Tensor<B, 4>,
        activation: Activation,
        residual: Option<Tensor<B, 4>>,
    ) -> Tensor<B, 4> {
        B::conv(x, self.params(), activation, residual)
    }

    /// Weight and bias, for an operation that several layers are fused into.
    pub fn params(&self) -> ConvParams<B> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        ConvParams { weight, bias, prepared: self.prepared.clone() }
    }

    /// Brings the weight into the form that the backend computes with. For a layer that is trained no
    /// further: a weight changed later is not looked at.
    pub fn prepare(&mut self) {
        self.prepared = B::prepare(&self.weight.val());
    }
}
