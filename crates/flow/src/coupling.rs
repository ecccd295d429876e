//! One coupling block, forwards and backwards. It knows the shape of a flow, not how many blocks one has.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor, TensorData};
use nfbmr_backend::{Activation, Backend, Conv2d, onnx, ops};
use nfbmr_onnx::{Graph, Value};
use rand::RngExt;

use crate::config::FlowConfig;

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

    /// `[C + 1, B, H, W]` to the same shape: the features, and in the last row log|det| so far.
    pub(crate) fn forward(&self, state: Tensor<B, 4>) -> Tensor<B, 4> {
        let block = ops::CouplingBlock {
            permutation: self.permutation.clone(),
            first: self.first.params(),
            second: self.second.params(),
            clamp: self.clamp as f32,
        };
        B::coupling(state, block)
    }

    /// The inverse of [`Self::forward`] on the features `[C, B, H, W]` alone.
    pub(crate) fn inverse(&self, z: Tensor<B, 4>) -> Tensor<B, 4> {
        let rest = z.dims()[0] - self.half;
        let (z1, z2) = (z.clone().narrow(0, 0, self.half), z.narrow(0, self.half, rest));
        let (s2, b2) = self.second.forward(z2.clone(), self.clamp);
        let y1 = (z1 - b2) * s2.neg().exp();
        let (s1, b1) = self.first.forward(y1.clone(), self.clamp);
        let y2 = (z2 - b1) * s1.neg().exp();
        Tensor::cat(vec![y1, y2], 0).select(0, self.inverse_permutation.clone())
    }

    /// [`Self::forward`] in a graph: of the features `[N, C, H, W]`, with the sum of the log-scales
    /// `[N, H, W]`.
    pub(crate) fn add_to(&self, graph: &mut Graph, y: &Value) -> (Value, Value) {
        let order: Vec<i64> = self.permutation.to_data().iter::<i64>().collect();
        let rest = order.len() - self.half;
        let order = graph.ints(&[order.len()], &order);
        let y = graph.gather(y, &order, 1);
        let [y1, y2] = graph.split(&y, 1, [self.half, rest]);
        let (z2, first) = self.first.transform(graph, &y1, &y2, rest, self.clamp);
        let (z1, second) = self.second.transform(graph, &z2, &y1, self.half, self.clamp);
        (graph.concat(&[z1, z2], 1), graph.add(&first, &second))
    }

    pub(crate) fn prepare(&mut self) {
        for subnet in [&mut self.first, &mut self.second] {
            subnet.conv1.prepare();
            subnet.conv2.prepare();
        }
    }
}

/// conv - LeakyReLU(0.1) - conv - times gamma: the raw log-scale and the shift of one half.
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

    fn params(&self) -> ops::Subnet<B> {
        let (conv1, conv2) = (self.conv1.params(), self.conv2.params());
        ops::Subnet { conv1, conv2, gamma: self.gamma.val() }
    }

    /// exp(s(x)) · half + b(x) in a graph, and the sum of s over the channels of that half.
    fn transform(
        &self,
        graph: &mut Graph,
        x: &Value,
        half: &Value,
        channels: usize,
        clamp: f64,
    ) -> (Value, Value) {
        let clamp = clamp as f32;
        let hidden = self.conv1.add_to(graph, x, ops::SUBNET_ACTIVATION);
        let raw = self.conv2.add_to(graph, &hidden, Activation::Identity);
        let gamma = onnx::constant(graph, self.gamma.val());
        let raw = graph.mul(&raw, &gamma);
        let [scale, shift] = graph.split(&raw, 1, [channels; 2]);
        let scale = graph.scale(&scale, 1.0 / clamp);
        let scale = graph.apply("Atan", &scale);
        let scale = graph.scale(&scale, clamp * ops::ATAN_SCALE);
        let factor = graph.apply("Exp", &scale);
        let scaled = graph.mul(&factor, half);
        (graph.add(&scaled, &shift), graph.sum(&scale, 1))
    }

    /// The clamped log-scale and the shift.
    fn forward(&self, x: Tensor<B, 4>, clamp: f64) -> (Tensor<B, 4>, Tensor<B, 4>) {
        self.params().forward(x, clamp as f32)
    }
}
