//! A coupling block as one node: forwards it makes no copy but the permutation, and backwards the
//! halves, contiguous in the channel-major layout, need no slicing.

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorPrimitive};
use burn_flex::{Flex, FlexTensor};

use super::layer::{Grid, Layer, LayerGradients, has_kernel};
use super::storage::{contiguous, flex, primitive, tensor, values};
use crate::ops::params::{CouplingBlock, SUBNET_ACTIVATION, Subnet};
use nfbmr_kernels::{Activation, Coupling, CouplingTrace, activation_backward};

/// Whether the windows of all convolutions have kernels.
pub(super) fn has_kernels<B: Backend>(block: &CouplingBlock<B>) -> bool {
    let subnets = [&block.first, &block.second];
    subnets.iter().all(|s| has_kernel(&s.conv1.weight) && has_kernel(&s.conv2.weight))
}

/// The subnetwork of one half on slices.
#[derive(Clone, Debug)]
struct Half {
    conv1: Layer,
    conv2: Layer,
    gamma: f32,
    clamp: f32,
}

/// What a half reads.
#[derive(Clone, Copy)]
struct Input<'a> {
    /// The channels that the subnetwork sees.
    condition: &'a [f32],
    /// The channels that are transformed.
    x: &'a [f32],
}

/// What the backward pass of one half needs beside its input.
#[derive(Clone, Debug)]
struct Trace {
    hidden: Vec<f32>,
    raw: Vec<f32>,
    scale: Vec<f32>,
}

/// The gradients of one half's parameters.
struct HalfGradients {
    conv1: LayerGradients,
    conv2: LayerGradients,
    gamma: f32,
}

impl Half {
    fn new(subnet: Subnet<Flex>, clamp: f32) -> Self {
        let gamma = values(&primitive(subnet.gamma))[0];
        Self { conv1: Layer::new(subnet.conv1), conv2: Layer::new(subnet.conv2), gamma, clamp }
    }

    fn affine(&self, grid: Grid) -> Coupling {
        let (channels, columns) = (self.conv2.co / 2, grid.positions());
        Coupling { channels, columns, gamma: self.gamma, clamp: self.clamp }
    }

    /// `out = exp(s(condition)) x + b(condition)`; the sum of s over the channels is added to `log_det`.
    fn forward(
        &self,
        out: &mut [f32],
        log_det: &mut [f32],
        Input { condition, x }: Input<'_>,
        grid: Grid,
    ) -> Trace {
        let hidden = self.conv1.forward(condition, grid, SUBNET_ACTIVATION, None);
        let raw = self.conv2.forward(&hidden, grid, Activation::Identity, None);
        let mut scale = vec![0.0; x.len()];
        self.affine(grid).forward(out, log_det, Some(&mut scale), &raw, x);
        Trace { hidden, raw, scale }
    }

    /// From the gradients of the half's output and of log|det|: those of x and of the parameters.
    /// Those of the condition are added to `dcondition`.
    fn backward(
        &self,
        dcondition: &mut [f32],
        dout: &[f32],
        dlog_det: &[f32],
        Input { condition, x }: Input<'_>,
        trace: &Trace,
        grid: Grid,
    ) -> (Vec<f32>, HalfGradients) {
        let (mut draw, mut dx) = (vec![0.0; trace.raw.len()], vec![0.0; x.len()]);
        let pass = CouplingTrace { raw: &trace.raw, x, scale: &trace.scale };
        let gamma = self.affine(grid).backward(&mut draw, &mut dx, dout, dlog_det, pass);
        let conv2 = self.conv2.grad_params(&trace.hidden, &draw, grid);
        let mut dhidden = self.conv2.grad_input(&draw, grid);
        activation_backward(&mut dhidden, &trace.hidden, SUBNET_ACTIVATION);
        let conv1 = self.conv1.grad_params(condition, &dhidden, grid);
        for (sum, gradient) in dcondition.iter_mut().zip(self.conv1.grad_input(&dhidden, grid)) {
            *sum += gradient;
        }
        (dx, HalfGradients { conv1, conv2, gamma })
    }
}

/// A coupling block on slices.
#[derive(Clone, Debug)]
struct Block {
    order: Vec<usize>,
    first: Half,
    second: Half,
    grid: Grid,
}

/// What the backward pass of a block needs beside its output.
#[derive(Clone, Debug)]
struct Traces {
    permuted: Vec<f32>,
    first: Trace,
    second: Trace,
}

impl Block {
    fn new(block: CouplingBlock<Flex>, grid: Grid) -> Self {
        let CouplingBlock { permutation, first, second, clamp } = block;
        Self {
            order: order(permutation),
            first: Half::new(first, clamp),
            second: Half::new(second, clamp),
            grid,
        }
    }

    /// Where the first half of the channels ends, in values.
    fn half(&self) -> usize {
        self.order.len() / 2 * self.grid.positions()
    }

    /// Where the channels end and log|det| begins, in values.
    fn end(&self) -> usize {
        self.order.len() * self.grid.positions()
    }

    fn forward(&self, state: &[f32]) -> (Vec<f32>, Traces) {
        let positions = self.grid.positions();
        let mut permuted = Vec::with_capacity(self.end());
        for &channel in &self.order {
            permuted.extend_from_slice(&state[channel * positions..][..positions]);
        }
        let (y1, y2) = permuted.split_at(self.half());
        let mut out = vec![0.0; state.len()];
        let (z, log_det) = out.split_at_mut(self.end());
        log_det.copy_from_slice(&state[self.end()..]);
        let (z1, z2) = z.split_at_mut(self.half());
        let first = self.first.forward(z2, log_det, Input { condition: y1, x: y2 }, self.grid);
        let second = self.second.forward(z1, log_det, Input { condition: z2, x: y1 }, self.grid);
        (out, Traces { permuted, first, second })
    }

    fn backward(
        &self,
        dout: &[f32],
        out: &[f32],
        traces: &Traces,
    ) -> (Vec<f32>, [HalfGradients; 2]) {
        let (dz, dlog_det) = dout.split_at(self.end());
        let (dz1, dz2) = dz.split_at(self.half());
        let (y1, y2) = traces.permuted.split_at(self.half());
        let z2 = &out[self.half()..self.end()];
        let mut dz2 = dz2.to_vec();
        let (input, trace) = (Input { condition: z2, x: y1 }, &traces.second);
        let (mut dy1, second) =
            self.second.backward(&mut dz2, dz1, dlog_det, input, trace, self.grid);
        let (input, trace) = (Input { condition: y1, x: y2 }, &traces.first);
        let (dy2, first) = self.first.backward(&mut dy1, &dz2, dlog_det, input, trace, self.grid);

        let positions = self.grid.positions();
        let mut dstate = vec![0.0; dout.len()];
        dstate[self.end()..].copy_from_slice(dlog_det);
        let rows = dy1.chunks_exact(positions).chain(dy2.chunks_exact(positions));
        for (&channel, row) in self.order.iter().zip(rows) {
            dstate[channel * positions..][..positions].copy_from_slice(row);
        }
        (dstate, [first, second])
    }
}

fn order(permutation: Tensor<Flex, 1, Int>) -> Vec<usize> {
    permutation.into_data().iter::<i64>().map(|channel| channel as usize).collect()
}

pub(super) fn forward(state: Tensor<Flex, 4>, block: CouplingBlock<Flex>) -> Tensor<Flex, 4> {
    let shape = state.dims();
    let block = Block::new(block, Grid::of(&state));
    tensor(block.forward(values(&primitive(state))).0, shape)
}

/// The parents are the state and, of each half, weight and bias of both convolutions and gamma.
#[derive(Debug)]
struct CouplingBackward;

#[derive(Clone, Debug)]
struct State {
    block: Block,
    out: FlexTensor,
    traces: Traces,
}

impl Backward<Flex, 11> for CouplingBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 11>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let State { block, out, traces } = ops.state;
        let dout = contiguous(gradients.consume::<Flex>(&ops.node));
        let (dstate, halves) = block.backward(values(&dout), values(&out), &traces);
        let Grid { batch, height, width } = block.grid;
        let state_shape = [block.order.len() + 1, batch, height, width];
        let mut all = vec![flex(dstate, &state_shape)];
        for (half, gradients) in [&block.first, &block.second].into_iter().zip(halves) {
            let HalfGradients { conv1, conv2, gamma } = gradients;
            for (layer, gradients) in [(&half.conv1, conv1), (&half.conv2, conv2)] {
                all.push(flex(gradients.weight, &layer.weight_shape()));
                all.push(flex(gradients.bias, &[layer.co]));
            }
            all.push(flex(vec![gamma], &[1]));
        }
        for (node, gradient) in ops.parents.into_iter().zip(all) {
            if let Some(node) = node {
                gradients.register::<Flex>(node.id, gradient);
            }
        }
    }
}

pub(super) fn tracked(
    state: Tensor<Autodiff<Flex>, 4>,
    block: CouplingBlock<Autodiff<Flex>>,
) -> Tensor<Autodiff<Flex>, 4> {
    let shape = state.dims();
    let inner = Block::new(block.clone().inner(), Grid::of(&state));
    let state = state.into_primitive().tensor();
    let (out, traces) = inner.forward(values(&contiguous(state.primitive)));
    let out = flex(out, &shape);

    let nodes = |Subnet { conv1, conv2, gamma }: Subnet<Autodiff<Flex>>| {
        let weights = [conv1.weight, conv2.weight].map(|w| w.into_primitive().tensor().node);
        let vectors = [conv1.bias, conv2.bias, gamma].map(|v| v.into_primitive().tensor().node);
        (weights, vectors)
    };
    let ([w1, w2], [b1, b2, g1]) = nodes(block.first);
    let ([w3, w4], [b3, b4, g2]) = nodes(block.second);
    let parents = [state.node, w1, b1, w2, b2, g1, w3, b3, w4, b4, g2];
    let prepared = CouplingBackward.prepare::<NoCheckpointing>(parents).compute_bound().stateful();
    let out = match prepared {
        OpsKind::Tracked(prepared) => {
            prepared.finish(State { block: inner, out: out.clone(), traces }, out)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(out),
    };
    Tensor::from_primitive(TensorPrimitive::Float(out))
}
