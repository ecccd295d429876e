//! What both detectors say of images.

use burn::tensor::Tensor;
use nfbmr_backend::Backend;

use crate::PeerError;

/// Anomaly maps and scores of a batch of N images.
#[derive(Clone, Debug)]
pub struct Scored<B: Backend> {
    /// Score by position `[N, H, W]`, 0 or more, as a distance in feature space; neither enlarged nor
    /// smoothed, see [`smooth`](crate::smooth).
    pub map: Tensor<B, 3>,
    /// Score of each image: higher is less normal.
    pub score: Vec<f32>,
}

/// The values of maps `[N, H, W]`.
pub(crate) fn finite_values<B: Backend>(map: &Tensor<B, 3>) -> Result<Vec<f32>, PeerError> {
    let [_, height, width] = map.dims();
    let values: Vec<f32> = map.to_data().iter().collect();
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(values),
        Some(index) => Err(PeerError::NotFinite { image: index / (height * width) }),
    }
}
