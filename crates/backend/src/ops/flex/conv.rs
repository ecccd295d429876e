//! Single convolutions.

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::{Tensor, TensorPrimitive};
use burn_flex::{Flex, FlexTensor};

use super::layer::{Grid, Layer};
use super::storage::{contiguous, flex, primitive, tensor, values, values_mut};
use crate::ops::composed;
use crate::ops::params::{ConvParams, SpatialConv};
use nfbmr_kernels::{
    Activation, ConvLayer, DepthwiseDims, Margins, StemDims, activation_backward, depthwise, stem,
};

pub(super) fn forward(
    x: Tensor<Flex, 4>,
    params: ConvParams<Flex>,
    activation: Activation,
    residual: Option<Tensor<Flex, 4>>,
) -> Tensor<Flex, 4> {
    let grid = Grid::of(&x);
    let layer = Layer::new(params);
    let (x, residual) = (primitive(x), residual.map(primitive));
    let out = layer.forward(values(&x), grid, activation, residual.as_ref().map(values));
    tensor(out, [layer.co, grid.batch, grid.height, grid.width])
}

/// Input, weight and bias are the parents.
#[derive(Debug)]
struct ConvBackward;

#[derive(Clone, Debug)]
struct State {
    x: FlexTensor,
    /// The output, from which the activation's derivative follows.
    out: FlexTensor,
    layer: Layer,
    grid: Grid,
    activation: Activation,
}

impl Backward<Flex, 3> for ConvBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let State { x, out, layer, grid, activation } = ops.state;
        let [x_node, weight_node, bias_node] = ops.parents;
        let mut dz = contiguous(gradients.consume::<Flex>(&ops.node));
        activation_backward(values_mut(&mut dz), values(&out), activation);
        if weight_node.is_some() || bias_node.is_some() {
            let params = layer.grad_params(values(&x), values(&dz), grid);
            if let Some(node) = weight_node {
                gradients.register::<Flex>(node.id, flex(params.weight, &layer.weight_shape()));
            }
            if let Some(node) = bias_node {
                gradients.register::<Flex>(node.id, flex(params.bias, &[layer.co]));
            }
        }
        if let Some(node) = x_node {
            let shape = [layer.ci, grid.batch, grid.height, grid.width];
            let dx = layer.grad_input(values(&dz), grid);
            gradients.register::<Flex>(node.id, flex(dx, &shape));
        }
    }
}

pub(super) fn tracked(
    x: Tensor<Autodiff<Flex>, 4>,
    params: ConvParams<Autodiff<Flex>>,
    activation: Activation,
    residual: Option<Tensor<Autodiff<Flex>, 4>>,
) -> Tensor<Autodiff<Flex>, 4> {
    let grid = Grid::of(&x);
    let layer = Layer::new(params.clone().inner());
    let (x, weight) = (x.into_primitive().tensor(), params.weight.into_primitive().tensor());
    let bias = params.bias.into_primitive().tensor();
    let input = contiguous(x.primitive);
    let out = layer.forward(values(&input), grid, activation, None);
    let out = flex(out, &[layer.co, grid.batch, grid.height, grid.width]);
    let prepared = ConvBackward
        .prepare::<NoCheckpointing>([x.node, weight.node, bias.node])
        .compute_bound()
        .stateful();
    let out = match prepared {
        OpsKind::Tracked(prepared) => {
            let state = State { x: input, out: out.clone(), layer, grid, activation };
            prepared.finish(state, out)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(out),
    };
    let out = Tensor::from_primitive(TensorPrimitive::Float(out));
    // Not fused: the gradient of the activation needs the output without it.
    match residual {
        Some(residual) => out + residual,
        None => out,
    }
}

/// The channels of an image, for which the stem has a kernel.
const RGB: usize = 3;

pub(super) fn spatial(x: Tensor<Flex, 4>, conv: SpatialConv<Flex>) -> Tensor<Flex, 4> {
    let [channels, batch, height, width] = x.dims();
    let [co, ci, kernel, _] = conv.weight.dims();
    let is_stem = (ci, kernel, conv.stride) == (RGB, 3, 2);
    let is_depthwise = ci == 1 && co == channels;
    if !is_stem && !is_depthwise {
        return composed::spatial_conv(x, conv);
    }
    let SpatialConv { weight, bias, stride, padding, activation } = conv;
    let [top, left, bottom, right] = padding;
    let padding = Margins { top, left, bottom, right };
    let (x, weight, bias) = (primitive(x), primitive(weight), primitive(bias));
    let (x, weight, bias) = (values(&x), values(&weight), Some(values(&bias)));
    let layer = ConvLayer { weight, bias, activation };
    let (out_height, out_width) = padding.output_size(height, width, kernel, stride);
    let mut out = vec![0.0; co * batch * out_height * out_width];
    if is_depthwise {
        let dims = DepthwiseDims { channels, batch, height, width, kernel, stride, padding };
        depthwise(&mut out, dims, layer, x, None);
    } else {
        let dims = StemDims { out_channels: co, batch, height, width, padding };
        stem(&mut out, dims, layer, x);
    }
    tensor(out, [co, batch, out_height, out_width])
}
