//! Features averaged over positions.

use burn::tensor::Tensor;
use nfbmr_backend::Backend;

/// Of features `[N, C, H, W]`, over N and positions.
pub(crate) fn mean<B: Backend>(features: Tensor<B, 4>) -> Vec<f32> {
    let [count, channels, height, width] = features.dims();
    let means = features.swap_dims(0, 1).reshape([channels, count * height * width]).mean_dim(1);
    means.into_data().iter::<f32>().collect()
}
