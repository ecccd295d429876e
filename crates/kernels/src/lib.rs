//! Fused, vectorised CPU kernels of the nfbmr networks.
//!
//! Everything here works on plain slices of `f32`, row-major, and is dispatched at run time to the
//! widest vectors the CPU has: AVX-512, AVX2 with FMA, NEON or plain scalars.
//!
//! A kernel takes what it writes first, then sizes and tensors. Tensors that belong together are one
//! struct with named fields: the parameters of a layer ([`ConvLayer`], [`MbConv`],
//! [`SqueezeExcite`]), or what a backward pass needs of the forward one ([`CouplingTrace`]).

#![deny(
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod activation;
mod columns;
mod conv1x1;
mod conv_layer;
mod coupling;
mod depthwise;
mod elementary;
mod interleave;
mod margins;
mod matmul;
mod mbconv;
mod microkernel;
mod padded_rows;
mod parallel;
mod residual;
mod scratch;
pub mod simd;
mod squeeze_excite;
mod stem;
mod whiten;
mod winograd;

pub use activation::{Activation, activate, activation_backward};
pub use conv_layer::ConvLayer;
pub use conv1x1::{Conv1x1Dims, conv1x1, conv1x1_grad_input, conv1x1_grad_weight};
pub use coupling::{Coupling, CouplingTrace};
pub use depthwise::{DepthwiseDims, depthwise};
pub use elementary::{atan_in_place, exp_in_place, sigmoid_in_place, silu_in_place};
pub use margins::Margins;
pub use mbconv::{LayerWeights, MbConv, MbConvDims, mbconv};
pub use residual::squared_residual;
pub use squeeze_excite::{SqueezeExcite, squeeze_excite_gate};
pub use stem::{StemDims, stem};
pub use whiten::whiten;
pub use winograd::{
    Conv3x3Dims, Precision, WinogradWeights, conv3x3, conv3x3_grad_input, conv3x3_grad_weight,
};
