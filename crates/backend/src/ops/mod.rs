//! The operations that the networks are made of, one trait over burn's backends.
//!
//! Tensors are channel-major, `[C, B, H, W]`: a 1 x 1 convolution is one matrix product over all
//! positions of a batch, halves of the channels are contiguous, and a bias is a constant per row.

mod composed;
#[cfg(feature = "flex")]
mod flex;
mod fused;
mod params;

pub use fused::FusedOps;
pub use params::{
    ATAN_SCALE, ConvParams, CouplingBlock, MbConv, PreparedWeight, SUBNET_ACTIVATION, SpatialConv,
    SqueezeExcite, Subnet,
};
