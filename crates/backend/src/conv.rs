use burn::module::{Module, Param};
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, TensorData};
use rand::RngExt;

use crate::Backend;

/// A convolution with bias, stride 1 and an odd kernel, padded so that height and width stay.
///
/// A 1 x 1 kernel runs as one matrix product, which is where burn's CPU backends are several times
/// faster backward than through their general convolution.
#[derive(Module, Debug)]
pub struct Conv2d<B: Backend> {
    weight: Param<Tensor<B, 4>>,
    bias: Param<Tensor<B, 1>>,
}

impl<B: Backend> Conv2d<B> {
    /// A layer `[B, c_in, H, W] -> [B, c_out, H, W]` with a `kernel` x `kernel` window, initialised as
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
            (0..len)
                .map(|_| rng.random_range(-bound..=bound))
                .collect()
        };
        let weight = uniform(c_out * c_in * kernel * kernel);
        let bias = uniform(c_out);
        Self {
            weight: Param::from_data(
                TensorData::new(weight, [c_out, c_in, kernel, kernel]),
                device,
            ),
            bias: Param::from_data(TensorData::new(bias, [c_out]), device),
        }
    }

    /// Number of input channels.
    pub fn c_in(&self) -> usize {
        self.weight.dims()[1]
    }

    /// `[B, c_in, H, W] -> [B, c_out, H, W]`.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let [c_out, c_in, kernel, _] = self.weight.dims();
        if kernel > 1 {
            let options = ConvOptions::new([1, 1], [kernel / 2; 2], [1, 1], 1);
            return conv2d(x, self.weight.val(), Some(self.bias.val()), options);
        }
        let [batch, _, height, width] = x.dims();
        let weight = self.weight.val().reshape([1, c_out, c_in]);
        let y = weight
            .expand([batch, c_out, c_in])
            .matmul(x.reshape([batch, c_in, height * width]));
        let y = y + self.bias.val().reshape([1, c_out, 1]);
        y.reshape([batch, c_out, height, width])
    }
}
