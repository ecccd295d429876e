//! One MBConv block on a device. Knows layers and padding, no names and no configuration.

use burn::tensor::Tensor;
use nfbmr_backend::ops::{ConvParams, MbConv, SqueezeExcite};
use nfbmr_backend::{Activation, Backend};
use nfbmr_onnx::{Graph, Value};

use crate::conv::{Conv, pointwise};
use crate::host::HostConv;
use crate::network::BlockLayers;
use crate::padding::Geometry;

/// An MBConv block.
#[derive(Clone, Debug)]
pub(crate) struct Block<B: Backend> {
    expand: Option<ConvParams<B>>,
    depthwise: Conv<B>,
    squeeze_excite: Option<SqueezeExcite<B>>,
    project: ConvParams<B>,
    skip: bool,
}

impl<B: Backend> Block<B> {
    pub(crate) fn upload(
        host: BlockLayers<HostConv>,
        geometry: Geometry,
        device: &B::Device,
    ) -> Self {
        Self {
            expand: host.expand.map(|conv| pointwise(conv, device)),
            depthwise: Conv::new(host.depthwise, geometry, device),
            squeeze_excite: host.squeeze_excite.map(|[reduce, expand]| SqueezeExcite {
                reduce: pointwise(reduce, device),
                expand: pointwise(expand, device),
            }),
            project: pointwise(host.project, device),
            skip: host.spec.has_skip(),
        }
    }

    /// `[C, B, H, W]` in and out.
    pub(crate) fn forward(&self, input: Tensor<B, 4>, activation: Activation) -> Tensor<B, 4> {
        let block = MbConv {
            expand: self.expand.clone(),
            depthwise: self.depthwise.params(input.dims(), activation),
            squeeze_excite: self.squeeze_excite.clone(),
            project: self.project.clone(),
            skip: self.skip,
        };
        B::mbconv(input, block)
    }

    /// [`Self::forward`] in a graph, of `[N, C, H, W]` with so many rows and columns; with those
    /// that come out.
    pub(crate) fn add_to(
        &self,
        graph: &mut Graph,
        (input, [height, width]): (Value, [usize; 2]),
        activation: Activation,
    ) -> (Value, [usize; 2]) {
        let mut x = match &self.expand {
            Some(expand) => expand.add_to(graph, &input, activation),
            None => input.clone(),
        };
        x = self.depthwise.params([0, 0, height, width], activation).add_to(graph, &x);
        if let Some(SqueezeExcite { reduce, expand }) = &self.squeeze_excite {
            let mean = graph.apply("GlobalAveragePool", &x);
            let gate = reduce.add_to(graph, &mean, Activation::Silu);
            let gate = expand.add_to(graph, &gate, Activation::Identity);
            let gate = graph.apply("Sigmoid", &gate);
            x = graph.mul(&x, &gate);
        }
        x = self.project.add_to(graph, &x, Activation::Identity);
        if self.skip {
            x = graph.add(&x, &input);
        }
        (x, self.depthwise.output([height, width]))
    }
}
