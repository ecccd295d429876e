//! Losses and residual maps, the same for all networks here and without knowledge of any.

use burn::tensor::Tensor;
use nfbmr_backend::Backend;
use nfbmr_onnx::{Graph, Value};

/// The two terms of the training loss (13), each `[1]`.
#[derive(Clone, Debug)]
pub struct Loss<B: Backend> {
    /// Mean of (y − ŷ)² over all elements (11); 0 where a network doesn't map to the source space.
    pub source: Tensor<B, 1>,
    /// Mean of (z − ẑ)² over all elements (12).
    pub target: Tensor<B, 1>,
}

impl<B: Backend> Loss<B> {
    /// The sum of both (13).
    pub fn total(&self) -> Tensor<B, 1> {
        self.source.clone() + self.target.clone()
    }
}

/// One term of the anomaly map (14): Σ_c (x − x̂)² at each position, `[B, C, H, W]` to `[B, H, W]`.
pub fn residual_map<B: Backend>(x: Tensor<B, 4>, mapped: Tensor<B, 4>) -> Tensor<B, 3> {
    B::residual_map(x.swap_dims(0, 1), mapped.swap_dims(0, 1)).squeeze_dim(0)
}

/// [`residual_map`] in a graph.
pub(crate) fn add_residual_map(graph: &mut Graph, x: &Value, mapped: &Value) -> Value {
    let missed = graph.sub(x, mapped);
    let squares = graph.square(&missed);
    graph.sum(&squares, 1)
}
