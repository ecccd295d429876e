//! 3 x 3 convolution by Winograd's minimal filtering, F(4 x 4, 3 x 3).
//!
//! With `g` a filter, `d` a 6 x 6 tile of the input and `*` the element-wise product, a 4 x 4 tile
//! of the output is
//!
//! `A^T ((G g G^T) * (B^T d B)) A`,
//!
//! and summed over input channels, the products at each of the 36 positions of the transformed tile
//! are one matrix product, in all 2.25 multiplications per output instead of 9 (Lavin & Gray, *Fast
//! Algorithms for Convolutional Neural Networks*, CVPR 2016).
//!
//! Tiles are cut into blocks whose transformed inputs stay in the last-level cache. For each block,
//! all inputs are transformed, and then a thread takes a few panels of output channels through the
//! 36 products and the output transform, so that the products never leave its own cache, and the
//! filters are read once per block.

mod block;
mod dims;
mod grad;
mod input;
mod output;
mod tiling;
mod transform;
mod weights;

pub use dims::Conv3x3Dims;
pub use weights::{Precision, WinogradWeights};

use crate::conv_layer::ConvLayer;
use crate::conv1x1::grad_bias;
use tiling::Tiling;

/// 3 x 3 convolution, stride 1, zero padding 1, with a fused epilogue.
///
/// `out = activation(weight * x + bias) + residual`, where `x` is `[ci, batch, height, width]`,
/// `out` and `residual` are `[co, batch, height, width]`, and the bias has `co` values.
///
/// With 1024 input channels and standard normal values, the largest error is 5e-6 of the largest
/// output in [`Precision::F32`] and 1.5e-3 in [`Precision::F16`].
///
/// # Panics
///
/// If a slice or the weights don't have the size that `dims` says.
pub fn conv3x3(
    out: &mut [f32],
    dims: Conv3x3Dims,
    layer: ConvLayer<'_, &WinogradWeights>,
    x: &[f32],
    residual: Option<&[f32]>,
) {
    let ConvLayer { weight, bias, activation } = layer;
    assert_eq!((weight.co(), weight.ci()), (dims.co, dims.ci), "channels of the weights");
    dims.check_output(out);
    dims.check_input(x);
    if let Some(bias) = bias {
        assert_eq!(bias.len(), dims.co, "bias must be [co]");
    }
    if let Some(residual) = residual {
        dims.check_output(residual);
    }
    if out.is_empty() {
        return;
    }
    let epilogue = output::Epilogue { bias, activation, residual };
    block::convolve(out, weight, x, &Tiling::new(dims), epilogue);
}

/// Gradient of a 3 x 3 convolution with respect to its input.
///
/// `dz`, `[co, batch, height, width]`, is the gradient before the activation, such as
/// [`activation_backward`](crate::activation_backward) computes; `dx` is
/// `[ci, batch, height, width]`. The weights are those of
/// [`WinogradWeights::transposed_from`], and `dims` those of the convolution.
///
/// # Panics
///
/// If a slice or the weights don't have the size that `dims` says.
pub fn conv3x3_grad_input(
    dx: &mut [f32],
    dims: Conv3x3Dims,
    transposed: &WinogradWeights,
    dz: &[f32],
) {
    let adjoint = Conv3x3Dims { co: dims.ci, ci: dims.co, ..dims };
    conv3x3(dx, adjoint, ConvLayer::linear(transposed), dz, None);
}

/// Gradients of a 3 x 3 convolution with respect to its weight and bias.
///
/// `dw` is `[co, ci, 3, 3]`, and `db`, `[co]`, are the sums of the channels of `dz`,
/// `[co, batch, height, width]`, which is the gradient before the activation; `x` is
/// `[ci, batch, height, width]`. With `accumulate`, the gradients are added to what is there. The
/// result doesn't depend on the number of threads.
///
/// # Panics
///
/// If a slice doesn't have the length that `dims` says.
pub fn conv3x3_grad_weight(
    dw: &mut [f32],
    db: Option<&mut [f32]>,
    dims: Conv3x3Dims,
    dz: &[f32],
    x: &[f32],
    accumulate: bool,
) {
    assert_eq!(dw.len(), dims.co * dims.ci * 9, "dw must be [co, ci, 3, 3]");
    dims.check_output(dz);
    dims.check_input(x);
    if let Some(db) = db {
        assert_eq!(db.len(), dims.co, "db must be [co]");
        grad_bias(db, dz, dims.channel(), accumulate);
    }
    if !dw.is_empty() {
        grad::grad_weight(dw, dz, x, &Tiling::new(dims), accumulate);
    }
}
