//! A convolution of the networks on slices, forwards and backwards.

use std::borrow::Cow;
use std::sync::Arc;

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn_flex::{Flex, FlexTensor};

use super::storage::{primitive, values};
use crate::ops::params::{ConvParams, PreparedWeight};
use nfbmr_kernels::{
    Activation, Conv1x1Dims, Conv3x3Dims, ConvLayer, WinogradWeights, conv1x1, conv1x1_grad_input,
    conv1x1_grad_weight, conv3x3, conv3x3_grad_input, conv3x3_grad_weight,
};

/// Whether there is a kernel for windows of this size.
pub(super) fn has_kernel<B: Backend>(weight: &Tensor<B, 4>) -> bool {
    let [_, _, height, width] = weight.dims();
    height == width && [1, 3].contains(&height)
}

pub(super) fn prepare(weight: &Tensor<Flex, 4>) -> Option<PreparedWeight> {
    let [co, ci, kernel, _] = weight.dims();
    let transform = || {
        let weight = primitive(weight.clone());
        WinogradWeights::new(values(&weight), co, ci)
    };
    (kernel == 3).then(|| PreparedWeight(Arc::new(transform())))
}

/// Batch, height and width of a layer's input and output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    pub(super) batch: usize,
    pub(super) height: usize,
    pub(super) width: usize,
}

impl Grid {
    pub(super) fn of<B: Backend>(x: &Tensor<B, 4>) -> Self {
        let [_, batch, height, width] = x.dims();
        Self { batch, height, width }
    }

    /// Number of positions.
    pub(super) fn positions(self) -> usize {
        self.batch * self.height * self.width
    }
}

/// A convolution of stride 1 with a window of 1 or 3.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) co: usize,
    pub(super) ci: usize,
    kernel: usize,
    weight: FlexTensor,
    bias: FlexTensor,
    prepared: Option<PreparedWeight>,
}

/// The gradients of a layer's parameters.
pub(super) struct LayerGradients {
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

impl Layer {
    pub(super) fn new(params: ConvParams<Flex>) -> Self {
        let [co, ci, kernel, _] = params.weight.dims();
        let (weight, bias) = (primitive(params.weight), primitive(params.bias));
        Self { co, ci, kernel, weight, bias, prepared: params.prepared }
    }

    pub(super) fn weight_shape(&self) -> [usize; 4] {
        [self.co, self.ci, self.kernel, self.kernel]
    }

    /// activation(conv(x) + bias) + residual.
    pub(super) fn forward(
        &self,
        x: &[f32],
        grid: Grid,
        activation: Activation,
        residual: Option<&[f32]>,
    ) -> Vec<f32> {
        let mut out = vec![0.0; self.co * grid.positions()];
        let bias = Some(values(&self.bias));
        if self.kernel == 1 {
            let layer = ConvLayer { weight: values(&self.weight), bias, activation };
            conv1x1(&mut out, self.dims1(grid), layer, x, residual);
        } else {
            let weights = match &self.prepared {
                Some(PreparedWeight(weights)) => Cow::Borrowed(&**weights),
                None => {
                    let weight = values(&self.weight);
                    Cow::Owned(WinogradWeights::new(weight, self.co, self.ci))
                }
            };
            let layer = ConvLayer { weight: &*weights, bias, activation };
            conv3x3(&mut out, self.dims3(grid), layer, x, residual);
        }
        out
    }

    /// The gradient of the input from dz, that before the activation.
    pub(super) fn grad_input(&self, dz: &[f32], grid: Grid) -> Vec<f32> {
        let mut dx = vec![0.0; self.ci * grid.positions()];
        let weight = values(&self.weight);
        if self.kernel == 1 {
            conv1x1_grad_input(&mut dx, self.dims1(grid), weight, dz);
        } else {
            let weights = WinogradWeights::transposed_from(weight, self.co, self.ci);
            conv3x3_grad_input(&mut dx, self.dims3(grid), &weights, dz);
        }
        dx
    }

    /// The gradients of the parameters from dz, that before the activation.
    pub(super) fn grad_params(&self, x: &[f32], dz: &[f32], grid: Grid) -> LayerGradients {
        let mut weight = vec![0.0; self.weight_shape().iter().product()];
        let mut bias = vec![0.0; self.co];
        if self.kernel == 1 {
            conv1x1_grad_weight(&mut weight, Some(&mut bias), self.dims1(grid), dz, x, false);
        } else {
            conv3x3_grad_weight(&mut weight, Some(&mut bias), self.dims3(grid), dz, x, false);
        }
        LayerGradients { weight, bias }
    }

    fn dims1(&self, grid: Grid) -> Conv1x1Dims {
        Conv1x1Dims { co: self.co, ci: self.ci, n: grid.positions() }
    }

    fn dims3(&self, grid: Grid) -> Conv3x3Dims {
        let Grid { batch, height, width } = grid;
        Conv3x3Dims { co: self.co, ci: self.ci, batch, height, width }
    }
}
