use burn::module::{Module, Param};
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, TensorData};
use rand::RngExt;

use crate::Backend;

/// A convolution with bias, stride 1 and an odd kernel, padded so that height and width stay.
///
/// It works on the channel-major layout `[C, B, H, W]`: there a 1 x 1 kernel is one matrix product over
/// all positions of all images, halves of the channels are contiguous and a bias is a constant per
/// row, for which burn's default CPU backend has fast paths that it lacks on `[B, C, H, W]`.
#[derive(Module, Debug)]
pub struct Conv2d<B: Backend> {
    weight: Param<Tensor<B, 4>>,
    bias: Param<Tensor<B, 1>>,
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
        }
    }

    /// `[c_in, B, H, W] -> [c_out, B, H, W]`.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let [c_out, c_in, kernel, _] = self.weight.dims();
        let (weight, bias) = (self.weight.val(), self.bias.val());
        if kernel > 1 {
            let options = ConvOptions::new([1, 1], [kernel / 2; 2], [1, 1], 1);
            let y = conv2d(x.swap_dims(0, 1), weight, Some(bias), options);
            return y.swap_dims(0, 1);
        }
        let [_, batch, height, width] = x.dims();
        let x = x.reshape([c_in, batch * height * width]);
        let y = weight.reshape([c_out, c_in]).matmul(x) + bias.reshape([c_out, 1]);
        y.reshape([c_out, batch, height, width])
    }
}
