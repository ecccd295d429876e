//! The loss and the likelihoods, from what a flow puts out; how it came to that isn't known here.

use burn::tensor::Tensor;
use nfbmr_backend::Backend;

use crate::FlowOutput;

/// The loss (8): 0.5·‖z‖² − log|det dz/dy| of an image divided by its C·H·W dimensions, averaged over
/// the batch; `[1]`, in nats per dimension and without the constant 0.5·ln 2π.
pub fn nll<B: Backend>(output: &FlowOutput<B>) -> Tensor<B, 1> {
    let dims = output.z.shape().num_elements() as f64;
    nll_map(output).sum() / dims
}

/// Negative log-likelihood by position `[B, H, W]`: 0.5·Σ_c z² − log|det|, in nats and without the
/// constant 0.5·C·ln 2π. High where features are unlike those of normal images.
pub fn nll_map<B: Backend>(output: &FlowOutput<B>) -> Tensor<B, 3> {
    output.energy.clone() - output.log_det.clone()
}

/// A loss of [`nll`] in bits per dimension: (loss + 0.5·ln 2π) / ln 2.
pub fn bits_per_dim(loss: f64) -> f64 {
    (loss + 0.5 * std::f64::consts::TAU.ln()) / std::f64::consts::LN_2
}
