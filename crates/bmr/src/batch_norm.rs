//! The layer of B-PFM: convolution, batch normalisation and ReLU as PyTorch has them. BMR has no
//! normalisation.

use burn::module::{Module, Param, RunningState};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use nfbmr_backend::ops::ConvParams;
use nfbmr_backend::{Activation, Backend, Conv2d};
use rand::RngExt;

/// PyTorch's defaults.
const MOMENTUM: f64 = 0.1;
const EPSILON: f64 = 1e-5;

/// relu(batch_norm(conv1x1(x))) on the channel-major layout `[C, B, H, W]`, see [`Conv2d`].
///
/// On an autodiff backend the layer is in training: it normalises by the mean and variance of the batch and
/// moves the running ones towards them. On a plain backend it normalises by the running ones.
#[derive(Module, Debug)]
pub(crate) struct ConvNorm<B: Backend> {
    conv: Conv2d<B>,
    norm: BatchNorm<B>,
}

impl<B: Backend> ConvNorm<B> {
    pub(crate) fn new(
        c_in: usize,
        c_out: usize,
        rng: &mut impl RngExt,
        device: &B::Device,
    ) -> Self {
        Self { conv: Conv2d::new(c_in, c_out, 1, rng, device), norm: BatchNorm::new(c_out, device) }
    }

    pub(crate) fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        if B::ad_enabled(&x.device()) {
            let x = self.conv.forward(x, Activation::Identity, None);
            relu(self.norm.normalize_batch(x))
        } else {
            // One pass over the features instead of three; folding costs one over the weights.
            B::conv(x, self.norm.fold(self.conv.params()), Activation::Relu, None)
        }
    }
}

/// Parameters and statistics as PyTorch's `BatchNorm2d` names and updates them: burn's own layer feeds
/// the biased variance into the running one, PyTorch the unbiased.
#[derive(Module, Debug)]
struct BatchNorm<B: Backend> {
    weight: Param<Tensor<B, 1>>,
    bias: Param<Tensor<B, 1>>,
    running_mean: RunningState<Tensor<B, 1>>,
    running_var: RunningState<Tensor<B, 1>>,
}

impl<B: Backend> BatchNorm<B> {
    fn new(channels: usize, device: &B::Device) -> Self {
        let zeros = || Tensor::zeros([channels], device);
        let ones = || Tensor::ones([channels], device);
        Self {
            weight: Param::from_tensor(ones()),
            bias: Param::from_tensor(zeros()),
            running_mean: RunningState::new(zeros()),
            running_var: RunningState::new(ones()),
        }
    }

    /// Normalises by the statistics of `x`, of two positions at least, and updates the running ones.
    fn normalize_batch(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let shape = x.dims();
        let [channels, batch, height, width] = shape;
        let count = batch * height * width;
        let x = x.reshape([channels, count]);
        let mean = x.clone().mean_dim(1);
        let centred = x - mean.clone();
        let var = centred.clone().square().mean_dim(1);

        let unbiased = count as f64 / (count as f64 - 1.0);
        update(&self.running_mean, mean.squeeze_dim(1));
        update(&self.running_var, var.clone().squeeze_dim(1) * unbiased);

        let scale = self.weight.val().unsqueeze_dim(1) / (var + EPSILON).sqrt();
        (centred * scale + self.bias.val().unsqueeze_dim(1)).reshape(shape)
    }

    /// A convolution followed by the normalisation, by the running statistics, as one convolution.
    fn fold(&self, conv: ConvParams<B>) -> ConvParams<B> {
        let (mean, var) = (self.running_mean.value(), self.running_var.value());
        let scale = self.weight.val() / (var + EPSILON).sqrt();
        let channels = scale.dims()[0];
        ConvParams {
            bias: (conv.bias - mean) * scale.clone() + self.bias.val(),
            weight: conv.weight * scale.reshape([channels, 1, 1, 1]),
            prepared: None,
        }
    }
}

fn update<B: Backend>(running: &RunningState<Tensor<B, 1>>, batch: Tensor<B, 1>) {
    let old = running.value_sync();
    running.update(old * (1.0 - MOMENTUM) + batch.detach() * MOMENTUM);
    // Otherwise the update would wait for the next one, and a state dictionary would miss it.
    running.value_sync();
}
