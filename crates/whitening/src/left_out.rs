//! The distance of an image to the others of a fit, without another fit.

use burn::tensor::Tensor;
use nfbmr_backend::Backend;

use crate::WhiteningConfig;

/// How far an image is from others, by statistics that were collected without it: the squared Mahalanobis
/// distance of each position, a mean over the channels.
///
/// z `[1, C, H, W]` are its features as they were whitened by statistics of `images` images, it among them, with
/// a covariance for each block of `channels`. Leaving one out takes a term of rank one from the covariance
/// Σ = (1 - s) S + s Σ₀: with d = ‖z‖² of a block and c = (1 - s) / (n - 1) of n images, the distance to the
/// others is n / (n - 1) · d / (1 - c d) (Sherman and Morrison, 1950), where Σ₀ and the ridge stay what they are,
/// but for the factor n / (n - 1) that all of Σ takes.
pub fn distances_left_out<B: Backend>(
    config: &WhiteningConfig,
    images: usize,
    channels: &[usize],
    z: Tensor<B, 4>,
) -> Vec<f64> {
    let [_, all, height, width] = z.dims();
    let positions = height * width;
    let squares: Vec<f32> = z.powi_scalar(2).into_data().iter::<f32>().collect();
    let others = images.saturating_sub(1).max(1) as f64;
    let own = (1.0 - config.shrinkage(images)) / others;
    let mut distances = vec![0.0; positions];
    let mut planes = squares.chunks_exact(positions.max(1));
    for &channels in channels {
        let mut block = vec![0.0; positions];
        for plane in planes.by_ref().take(channels) {
            block.iter_mut().zip(plane).for_each(|(sum, &square)| *sum += f64::from(square));
        }
        for (distance, d) in distances.iter_mut().zip(block) {
            // Above 0 but for rounding, as Σ holds the image's own term and a ridge.
            let rest = (1.0 - own * d).max(1e-6);
            *distance += images as f64 / others * d / rest / all as f64;
        }
    }
    distances
}
