use burn::tensor::Tensor;
use burn::tensor::activation::silu;
use burn::tensor::module::conv2d;
use burn::tensor::ops::PaddedConvOptions;
use nfbmr_backend::Backend;

use crate::loader::HostConv;
use crate::padding::Geometry;

/// The nonlinearity of a network.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Activation {
    Swish,
    Relu6,
}

impl Activation {
    pub(crate) fn apply<B: Backend, const D: usize>(self, x: Tensor<B, D>) -> Tensor<B, D> {
        match self {
            Self::Swish => silu(x),
            Self::Relu6 => x.clamp(0.0, 6.0),
        }
    }
}

/// A convolution with bias; batch normalisation is already folded in.
#[derive(Clone, Debug)]
pub(crate) struct Conv<B: Backend> {
    weight: Tensor<B, 4>,
    bias: Tensor<B, 1>,
    geometry: Geometry,
    groups: usize,
}

impl<B: Backend> Conv<B> {
    pub(crate) fn new(
        host: HostConv,
        geometry: Geometry,
        groups: usize,
        device: &B::Device,
    ) -> Self {
        let (weight, bias) = host.upload(device);
        Self { weight, bias, geometry, groups }
    }

    pub(crate) fn pointwise(host: HostConv, device: &B::Device) -> Self {
        Self::new(host, Geometry::POINTWISE, 1, device)
    }

    pub(crate) fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let [_, _, height, width] = x.dims();
        let (rows, columns) = (self.geometry.border(height), self.geometry.border(width));
        let options = PaddedConvOptions::asymmetric(
            [self.geometry.stride; 2],
            [rows.before, columns.before],
            [rows.after, columns.after],
            [1, 1],
            self.groups,
        );
        conv2d(x, self.weight.clone(), Some(self.bias.clone()), options)
    }
}
