//! The parameters of a convolution. Nothing of shapes or of how it is computed is known here.

use crate::activation::Activation;

/// A convolution and what follows it in the same pass: `activation(weight * x + bias)`.
///
/// `weight` is row-major values, whose shape each convolution states, or for
/// [`conv3x3`](crate::conv3x3) those values transformed,
/// [`WinogradWeights`](crate::WinogradWeights).
#[derive(Clone, Copy, Debug)]
pub struct ConvLayer<'a, W = &'a [f32]> {
    /// The filters.
    pub weight: W,
    /// A value for each output channel, zeros where there is none.
    pub bias: Option<&'a [f32]>,
    /// What becomes of each sum.
    pub activation: Activation,
}

impl<W> ConvLayer<'_, W> {
    /// The filters alone, without a bias or an activation.
    pub fn linear(weight: W) -> Self {
        Self { weight, bias: None, activation: Activation::Identity }
    }
}
