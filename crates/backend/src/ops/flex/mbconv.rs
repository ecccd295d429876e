//! A block of EfficientNet.

use burn::tensor::Tensor;
use burn_flex::{Flex, FlexTensor};

use super::storage::{primitive, tensor, values};
use crate::ops::params::{ConvParams, MbConv};
use nfbmr_kernels::{LayerWeights, Margins, MbConvDims, SqueezeExcite, mbconv};

pub(super) fn forward(x: Tensor<Flex, 4>, block: MbConv<Flex>) -> Tensor<Flex, 4> {
    let [input, batch, height, width] = x.dims();
    let [expanded, _, kernel, _] = block.depthwise.weight.dims();
    let [output, _, _, _] = block.project.weight.dims();
    let stride = block.depthwise.stride;
    let [top, left, bottom, right] = block.depthwise.padding;
    let padding = Margins { top, left, bottom, right };
    let dims =
        MbConvDims { input, expanded, output, batch, height, width, kernel, stride, padding };

    let expand = block.expand.map(Layer::new);
    let depthwise =
        Layer { weight: primitive(block.depthwise.weight), bias: primitive(block.depthwise.bias) };
    let gate = block.squeeze_excite.map(|layers| [layers.reduce, layers.expand].map(Layer::new));
    let project = Layer::new(block.project);
    let layers = nfbmr_kernels::MbConv {
        expand: expand.as_ref().map(Layer::values),
        depthwise: depthwise.values(),
        squeeze_excite: gate.as_ref().map(|[reduce, expand]| SqueezeExcite {
            reduce_weight: values(&reduce.weight),
            reduce_bias: values(&reduce.bias),
            expand_weight: values(&expand.weight),
            expand_bias: values(&expand.bias),
        }),
        project: project.values(),
        activation: block.depthwise.activation,
        skip: block.skip,
    };
    let x = primitive(x);
    let (out_height, out_width) = dims.output_size();
    let mut out = vec![0.0; output * batch * out_height * out_width];
    mbconv(&mut out, dims, &layers, values(&x));
    tensor(out, [output, batch, out_height, out_width])
}

/// The parameters of a layer, contiguous.
struct Layer {
    weight: FlexTensor,
    bias: FlexTensor,
}

impl Layer {
    fn new(params: ConvParams<Flex>) -> Self {
        Self { weight: primitive(params.weight), bias: primitive(params.bias) }
    }

    fn values(&self) -> LayerWeights<'_> {
        LayerWeights { weight: values(&self.weight), bias: values(&self.bias) }
    }
}
