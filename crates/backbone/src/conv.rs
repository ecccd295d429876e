//! Convolutions on a device, with the padding that an input of their size needs. Knows no network.

use burn::tensor::Tensor;
use nfbmr_backend::ops::{ConvParams, SpatialConv};
use nfbmr_backend::{Activation, Backend};

use crate::host::HostConv;
use crate::padding::Geometry;

/// A convolution over neighbouring positions, depthwise or over all channels.
///
/// Like all layers of the network it works on the channel-major layout `[C, B, H, W]`.
#[derive(Clone, Debug)]
pub(crate) struct Conv<B: Backend> {
    weight: Tensor<B, 4>,
    bias: Tensor<B, 1>,
    geometry: Geometry,
}

impl<B: Backend> Conv<B> {
    pub(crate) fn new(host: HostConv, geometry: Geometry, device: &B::Device) -> Self {
        let (weight, bias) = host.upload(device);
        Self { weight, bias, geometry }
    }

    pub(crate) fn forward(&self, x: Tensor<B, 4>, activation: Activation) -> Tensor<B, 4> {
        let params = self.params(x.dims(), activation);
        B::spatial_conv(x, params)
    }

    /// Rows and columns of what comes out of so many.
    pub(crate) fn output(&self, sides: [usize; 2]) -> [usize; 2] {
        sides.map(|side| self.geometry.output(side).unwrap_or_default())
    }

    /// The convolution of an input of these dimensions.
    pub(crate) fn params(
        &self,
        [_, _, height, width]: [usize; 4],
        activation: Activation,
    ) -> SpatialConv<B> {
        let (rows, columns) = (self.geometry.border(height), self.geometry.border(width));
        SpatialConv {
            weight: self.weight.clone(),
            bias: self.bias.clone(),
            stride: self.geometry.stride,
            padding: [rows.before, columns.before, rows.after, columns.after],
            activation,
        }
    }
}

/// The parameters of a 1 x 1 convolution.
pub(crate) fn pointwise<B: Backend>(host: HostConv, device: &B::Device) -> ConvParams<B> {
    let (weight, bias) = host.upload(device);
    ConvParams { weight, bias, prepared: None }
}
