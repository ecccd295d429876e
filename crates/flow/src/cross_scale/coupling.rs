//! One coupling block over all scales. It knows its subnetworks, not how many blocks a flow has.

use burn::module::Module;
use burn::tensor::{Int, Tensor};
use nfbmr_backend::Backend;
use rand::RngExt;

use super::subnet::CrossSubnet;

/// One affine coupling block: a fixed channel permutation, the same for all scales, then both halves of the
/// channels transformed in turn, each conditioned on the other half of all scales as it stands.
#[derive(Module, Debug)]
pub(super) struct CrossCoupling<B: Backend> {
    first: CrossSubnet<B>,
    second: CrossSubnet<B>,
    permutation: Tensor<B, 1, Int>,
    half: usize,
    clamp: f64,
}

impl<B: Backend> CrossCoupling<B> {
    /// `permutation` is a permutation of the channels 0..C; of so many scales.
    pub(super) fn new(
        permutation: &[usize],
        scales: usize,
        [kernel, hidden]: [usize; 2],
        clamp: f64,
        rng: &mut impl RngExt,
        device: &B::Device,
    ) -> Self {
        let half = permutation.len() / 2;
        let rest = permutation.len() - half;
        let order: Vec<i32> = permutation.iter().map(|&channel| channel as i32).collect();
        Self {
            first: CrossSubnet::new([half, hidden, rest], kernel, scales, rng, device),
            second: CrossSubnet::new([rest, hidden, half], kernel, scales, rng, device),
            permutation: Tensor::from_ints(order.as_slice(), device),
            half,
            clamp,
        }
    }

    /// Features `[C, B, H, W]` of each scale to the same shapes, and the sum of all log-scales of each image `[B]`.
    pub(super) fn forward(&self, y: Vec<Tensor<B, 4>>) -> (Vec<Tensor<B, 4>>, Tensor<B, 1>) {
        let halves = |y: Tensor<B, 4>| {
            let y = y.select(0, self.permutation.clone());
            let rest = y.dims()[0] - self.half;
            (y.clone().narrow(0, 0, self.half), y.narrow(0, self.half, rest))
        };
        let (y1, y2): (Vec<_>, Vec<_>) = y.into_iter().map(halves).unzip();
        let (z1, log_det1) = transform(y1, self.second.forward(&y2, self.clamp));
        let (z2, log_det2) = transform(y2, self.first.forward(&z1, self.clamp));
        let z = z1.into_iter().zip(z2).map(|(z1, z2)| Tensor::cat(vec![z1, z2], 0));
        (z.collect(), log_det1 + log_det2)
    }

    pub(super) fn prepare(&mut self) {
        self.first.prepare();
        self.second.prepare();
    }
}

/// exp(s)·y + b of each scale, and the sum of all s of each image.
fn transform<B: Backend>(
    y: Vec<Tensor<B, 4>>,
    by: Vec<(Tensor<B, 4>, Tensor<B, 4>)>,
) -> (Vec<Tensor<B, 4>>, Tensor<B, 1>) {
    let (mut z, mut sums) = (Vec::with_capacity(y.len()), Vec::with_capacity(y.len()));
    for (y, (s, b)) in y.into_iter().zip(by) {
        z.push(s.clone().exp() * y + b);
        sums.push(per_image(s));
    }
    let sum = Tensor::stack::<2>(sums, 0).sum_dim(0).squeeze_dim(0);
    (z, sum)
}

/// The sum over all of an image, `[C, B, H, W]` to `[B]`.
pub(super) fn per_image<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 1> {
    let [_, batch, ..] = x.dims();
    x.sum_dim(0).reshape([batch as i32, -1]).sum_dim(1).squeeze_dim::<1>(1)
}
