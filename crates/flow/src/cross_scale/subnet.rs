//! The subnetwork of a cross-scale coupling. It knows nothing of what is coupled by it.

use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData};
use nfbmr_backend::ops::SpatialConv;
use nfbmr_backend::{Activation, Backend, Conv2d};
use rand::RngExt;

/// Between the convolutions.
const ACTIVATION: Activation = Activation::LeakyRelu(0.1);

/// From half of the channels of all scales to log-scales and shifts of the other half.
///
/// With h the hidden features of a scale, conv then LeakyReLU(0.1), its output is γ times the sum of three
/// convolutions: of its own h, of that of the next coarser scale brought to its grid (bilinear, `align_corners =
/// false`), and of that of the next finer one with stride 2, brought to its grid where that isn't half.
#[derive(Module, Debug)]
pub(super) struct CrossSubnet<B: Backend> {
    /// By scale, the largest first.
    input: Vec<Conv2d<B>>,
    output: Vec<Conv2d<B>>,
    /// The i-th from scale i + 1 to scale i.
    up: Vec<Conv2d<B>>,
    /// The i-th from scale i to scale i + 1.
    down: Vec<Conv2d<B>>,
    /// `[scales]`.
    gamma: Param<Tensor<B, 1>>,
    padding: usize,
}

impl<B: Backend> CrossSubnet<B> {
    /// From `c_in` to `2 · c_out` channels of so many scales.
    pub(super) fn new(
        [c_in, hidden, c_out]: [usize; 3],
        kernel: usize,
        scales: usize,
        rng: &mut impl RngExt,
        device: &B::Device,
    ) -> Self {
        let mut convs = |count: usize, c_in, c_out| -> Vec<_> {
            (0..count).map(|_| Conv2d::new(c_in, c_out, kernel, rng, device)).collect()
        };
        Self {
            input: convs(scales, c_in, hidden),
            output: convs(scales, hidden, 2 * c_out),
            up: convs(scales - 1, hidden, 2 * c_out),
            down: convs(scales - 1, hidden, 2 * c_out),
            // gamma = 0: the flow starts as the identity up to permutation.
            gamma: Param::from_data(TensorData::new(vec![0f32; scales], [scales]), device),
            padding: kernel / 2,
        }
    }

    /// Features `[c_in, B, H, W]` of each scale to log-scale and shift of each, `[c_out, B, H, W]`.
    pub(super) fn forward(
        &self,
        x: &[Tensor<B, 4>],
        clamp: f64,
    ) -> Vec<(Tensor<B, 4>, Tensor<B, 4>)> {
        let hidden = self.input.iter().zip(x);
        let hidden: Vec<_> =
            hidden.map(|(conv, x)| conv.forward(x.clone(), ACTIVATION, None)).collect();
        let own = self.output.iter().zip(&hidden);
        let mut raw: Vec<_> =
            own.map(|(conv, h)| conv.forward(h.clone(), Activation::Identity, None)).collect();
        let coarser = self.up.iter().zip(hidden.iter().skip(1));
        for ((conv, h), raw) in coarser.zip(&mut raw) {
            let [.., height, width] = raw.dims();
            let h = resized(h.clone(), [height, width]);
            *raw = conv.forward(h, Activation::Identity, Some(raw.clone()));
        }
        let finer = self.down.iter().zip(&hidden);
        for ((conv, h), raw) in finer.zip(raw.iter_mut().skip(1)) {
            let [.., height, width] = raw.dims();
            *raw = raw.clone() + resized(self.halved(conv, h.clone()), [height, width]);
        }
        let gammas = self.gamma.val().split(1, 0).into_iter();
        let scale = |(raw, gamma): (Tensor<B, 4>, Tensor<B, 1>)| {
            let raw = raw * gamma.reshape([1, 1, 1, 1]);
            let channels = raw.dims()[0] / 2;
            let scale = raw.clone().narrow(0, 0, channels);
            let shift = raw.narrow(0, channels, channels);
            ((scale / clamp).atan() * (clamp * 0.636), shift)
        };
        raw.into_iter().zip(gammas).map(scale).collect()
    }

    /// The convolution at every second position.
    fn halved(&self, conv: &Conv2d<B>, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let (params, padding) = (conv.params(), [self.padding; 4]);
        let (weight, bias, activation) = (params.weight, params.bias, Activation::Identity);
        B::spatial_conv(x, SpatialConv { weight, bias, stride: 2, padding, activation })
    }

    pub(super) fn prepare(&mut self) {
        // Those of `down` have a stride, which prepared weights haven't.
        let convs = [&mut self.input, &mut self.output, &mut self.up];
        convs.into_iter().flatten().for_each(Conv2d::prepare);
    }
}

/// Features `[C, B, h, w]` at `[C, B, H, W]`, bilinear between the centres of positions.
fn resized<B: Backend>(x: Tensor<B, 4>, [height, width]: [usize; 2]) -> Tensor<B, 4> {
    let [channels, batch, rows, columns] = x.dims();
    if [rows, columns] == [height, width] {
        return x;
    }
    let device = x.device();
    // Two products in place of burn's interpolation, which has no gradient on every backend.
    let x = x.reshape([channels * batch * rows, columns]);
    let x = x.matmul(bilinear(columns, width, &device).swap_dims(0, 1));
    let x = x.reshape([channels * batch, rows, width]);
    let x = bilinear(rows, height, &device).unsqueeze_dim::<3>(0).matmul(x);
    x.reshape([channels, batch, height, width])
}

/// Bilinear interpolation along one side as a matrix `[to, from]`.
fn bilinear<B: Backend>(from: usize, to: usize, device: &B::Device) -> Tensor<B, 2> {
    let mut matrix = vec![0f32; to * from];
    for (position, row) in matrix.chunks_exact_mut(from).enumerate() {
        let center = (position as f32 + 0.5) * from as f32 / to as f32 - 0.5;
        let center = center.clamp(0.0, (from - 1) as f32);
        let (cell, share) = (center as usize, center.fract());
        row[cell] += 1.0 - share;
        row[(cell + 1).min(from - 1)] += share;
    }
    Tensor::from_data(TensorData::new(matrix, [to, from]), device)
}
