use burn::module::{Module, Param};
use burn::tensor::activation::leaky_relu;
use burn::tensor::{Int, Tensor, TensorData};
use nfbmr_backend::{Backend, Conv2d};
use rand::RngExt;

use crate::FlowConfig;

/// One affine coupling block: a fixed channel permutation, then both halves transformed in turn,
/// each conditioned on the other as it stands (equations (3) to (6)).
#[derive(Module, Debug)]
pub(crate) struct Coupling<B: Backend> {
    first: Subnet<B>,
    second: Subnet<B>,
    permutation: Tensor<B, 1, Int>,
    inverse_permutation: Tensor<B, 1, Int>,
    half: usize,
    clamp: f64,
}

impl<B: Backend> Coupling<B> {
    /// `permutation` is a permutation of the channels 0..C.
    pub(crate) fn new(
        permutation: &[usize],
        config: &FlowConfig,
        rng: &mut impl RngExt,
        device: &B::Device,
    ) -> Self {
        let half = permutation.len() / 2;
        let rest = permutation.len() - half;
        let mut inverse = vec![0; permutation.len()];
        for (to, &from) in permutation.iter().enumerate() {
            inverse[from] = to;
        }
        let indices = |order: &[usize]| {
            let order: Vec<i32> = order.iter().map(|&i| i as i32).collect();
            Tensor::from_ints(order.as_slice(), device)
        };
        Self {
            first: Subnet::new(half, rest, config, rng, device),
            second: Subnet::new(rest, half, config, rng, device),
            permutation: indices(permutation),
            inverse_permutation: indices(&inverse),
            half,
            clamp: config.clamp,
        }
    }

    /// `[C, B, H, W]` to z of that shape, and log|det| per position `[1, B, H, W]`.
    pub(crate) fn forward(&self, y: Tensor<B, 4>) -> (Tensor<B, 4>, Tensor<B, 4>) {
        let [y1, y2] = self.split(y.select(0, self.permutation.clone()));
        let (s1, b1) = self.first.forward(y1.clone(), self.clamp);
        let z2 = s1.clone().exp() * y2 + b1;
        let (s2, b2) = self.second.forward(z2.clone(), self.clamp);
        let z1 = s2.clone().exp() * y1 + b2;
        let log_det = s1.sum_dim(0) + s2.sum_dim(0);
        (Tensor::cat(vec![z1, z2], 0), log_det)
    }

    /// The inverse of [`Self::forward`].
    pub(crate) fn inverse(&self, z: Tensor<B, 4>) -> Tensor<B, 4> {
        let [z1, z2] = self.split(z);
        let (s2, b2) = self.second.forward(z2.clone(), self.clamp);
        let y1 = (z1 - b2) * s2.neg().exp();
        let (s1, b1) = self.first.forward(y1.clone(), self.clamp);
        let y2 = (z2 - b1) * s1.neg().exp();
        Tensor::cat(vec![y1, y2], 0).select(0, self.inverse_permutation.clone())
    }

    fn split(&self, y: Tensor<B, 4>) -> [Tensor<B, 4>; 2] {
        let channels = y.dims()[0];
        [y.clone().narrow(0, 0, self.half), y.narrow(0, self.half, channels - self.half)]
    }
}

/// conv - LeakyReLU(0.1) - conv - times gamma: the clamped log-scale and the shift of one half.
#[derive(Module, Debug)]
struct Subnet<B: Backend> {
    conv1: Conv2d<B>,
    conv2: Conv2d<B>,
    gamma: Param<Tensor<B, 1>>,
}

impl<B: Backend> Subnet<B> {
    fn new(
        c_in: usize,
        c_out: usize,
        config: &FlowConfig,
        rng: &mut impl RngExt,
        device: &B::Device,
    ) -> Self {
        Self {
            conv1: Conv2d::new(c_in, config.hidden, config.kernel, rng, device),
            conv2: Conv2d::new(config.hidden, 2 * c_out, config.kernel, rng, device),
            // gamma = 0: the flow starts as the identity up to permutation.
            gamma: Param::from_data(TensorData::new(vec![0f32], [1]), device),
        }
    }

    fn forward(&self, x: Tensor<B, 4>, clamp: f64) -> (Tensor<B, 4>, Tensor<B, 4>) {
        let x = self.conv2.forward(leaky_relu(self.conv1.forward(x), 0.1));
        let x = x * self.gamma.val().reshape([1, 1, 1, 1]);
        let channels = x.dims()[0] / 2;
        let raw = x.clone().narrow(0, 0, channels);
        let shift = x.narrow(0, channels, channels);
        let log_scale = (raw / clamp).atan() * (clamp * 0.636);
        (log_scale, shift)
    }
}
