//! The operations on burn's CPU backend, by the kernels of `nfbmr-kernels` where they have one for the
//! shape, and composed otherwise.

mod conv;
mod coupling;
mod layer;
mod mbconv;
mod storage;

use burn::backend::Autodiff;
use burn::tensor::Tensor;
use burn_flex::Flex;

use super::composed;
use super::fused::{self, FusedOps};
use super::params::{ConvParams, CouplingBlock, MbConv, PreparedWeight, SpatialConv};
use nfbmr_kernels::Activation;

impl FusedOps for Flex {
    fn conv(
        x: Tensor<Self, 4>,
        params: ConvParams<Self>,
        activation: Activation,
        residual: Option<Tensor<Self, 4>>,
    ) -> Tensor<Self, 4> {
        match layer::has_kernel(&params.weight) {
            true => conv::forward(x, params, activation, residual),
            false => composed::conv(x, params, activation, residual),
        }
    }

    fn conv_autodiff(
        x: Tensor<Autodiff<Self>, 4>,
        params: ConvParams<Autodiff<Self>>,
        activation: Activation,
        residual: Option<Tensor<Autodiff<Self>, 4>>,
    ) -> Tensor<Autodiff<Self>, 4> {
        match layer::has_kernel(&params.weight) && activation != Activation::Silu {
            true => conv::tracked(x, params, activation, residual),
            false => composed::conv(x, params, activation, residual),
        }
    }

    fn prepare(weight: &Tensor<Self, 4>) -> Option<PreparedWeight> {
        layer::prepare(weight)
    }

    fn coupling(state: Tensor<Self, 4>, block: CouplingBlock<Self>) -> Tensor<Self, 4> {
        match coupling::has_kernels(&block) {
            true => coupling::forward(state, block),
            false => fused::coupling(state, block),
        }
    }

    fn coupling_autodiff(
        state: Tensor<Autodiff<Self>, 4>,
        block: CouplingBlock<Autodiff<Self>>,
    ) -> Tensor<Autodiff<Self>, 4> {
        match coupling::has_kernels(&block) {
            true => coupling::tracked(state, block),
            false => fused::coupling(state, block),
        }
    }

    fn spatial_conv(x: Tensor<Self, 4>, conv: SpatialConv<Self>) -> Tensor<Self, 4> {
        conv::spatial(x, conv)
    }

    fn mbconv(x: Tensor<Self, 4>, block: MbConv<Self>) -> Tensor<Self, 4> {
        mbconv::forward(x, block)
    }

    fn residual_map(x: Tensor<Self, 4>, mapped: Tensor<Self, 4>) -> Tensor<Self, 4> {
        let [_, batch, height, width] = x.dims();
        let (x, mapped) = (storage::primitive(x), storage::primitive(mapped));
        let mut map = vec![0.0; batch * height * width];
        nfbmr_kernels::squared_residual(&mut map, storage::values(&x), storage::values(&mapped));
        storage::tensor(map, [1, batch, height, width])
    }

    fn whiten(
        y: Tensor<Self, 3>,
        mean: Tensor<Self, 3>,
        matrix: Tensor<Self, 3>,
    ) -> Tensor<Self, 3> {
        let shape @ [_, channels, positions] = y.dims();
        let [y, mean, matrix] = [y, mean, matrix].map(storage::primitive);
        let (y, mean, matrix) =
            (storage::values(&y), storage::values(&mean), storage::values(&matrix));
        let mut white = vec![0.0; y.len()];
        let image = (channels * positions).max(1);
        for (white, y) in white.chunks_exact_mut(image).zip(y.chunks_exact(image)) {
            nfbmr_kernels::whiten(white, y, mean, matrix, channels);
        }
        storage::tensor(white, shape)
    }
}
