use burn::tensor::Tensor;
use burn::tensor::activation::{sigmoid, silu};
use nfbmr_backend::Backend;

use crate::conv::{Activation, Conv};
use crate::network::HostBlock;
use crate::padding::Geometry;

/// Weighs the channels by what the whole feature map shows.
#[derive(Clone, Debug)]
struct SqueezeExcite<B: Backend> {
    reduce: Conv<B>,
    expand: Conv<B>,
}

impl<B: Backend> SqueezeExcite<B> {
    fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let mean = x.clone().mean_dim(3).mean_dim(2);
        let gate = sigmoid(self.expand.forward(silu(self.reduce.forward(mean))));
        x * gate
    }
}

/// An MBConv block.
#[derive(Clone, Debug)]
pub(crate) struct Block<B: Backend> {
    expand: Option<Conv<B>>,
    depthwise: Conv<B>,
    squeeze_excite: Option<SqueezeExcite<B>>,
    project: Conv<B>,
    skip: bool,
}

impl<B: Backend> Block<B> {
    pub(crate) fn upload(host: HostBlock, geometry: Geometry, device: &B::Device) -> Self {
        Self {
            expand: host.expand.map(|conv| Conv::pointwise(conv, device)),
            depthwise: Conv::new(host.depthwise, geometry, host.spec.expanded, device),
            squeeze_excite: host.squeeze_excite.map(|(reduce, expand)| SqueezeExcite {
                reduce: Conv::pointwise(reduce, device),
                expand: Conv::pointwise(expand, device),
            }),
            project: Conv::pointwise(host.project, device),
            skip: host.spec.has_skip(),
        }
    }

    pub(crate) fn forward(&self, input: Tensor<B, 4>, activation: Activation) -> Tensor<B, 4> {
        let mut x = match &self.expand {
            Some(expand) => activation.apply(expand.forward(input.clone())),
            None => input.clone(),
        };
        x = activation.apply(self.depthwise.forward(x));
        if let Some(squeeze_excite) = &self.squeeze_excite {
            x = squeeze_excite.forward(x);
        }
        x = self.project.forward(x);
        if self.skip { x + input } else { x }
    }
}
