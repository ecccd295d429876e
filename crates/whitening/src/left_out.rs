//! The distance of an image to the others of a fit, without another fit.

use burn::tensor::Tensor;
use nfbmr_backend::Backend;

use crate::WhiteningConfig;

/// How far an image is from others, by statistics that were collected without it: the squared Mahalanobis
/// distance of each position, a mean over the channels.
///
/// z `[1, C, H, W]` are its features as they were whitened by statistics of n `images`, it among them, m of which are
/// `of_kind`, with a covariance for each block of `channels`. Leaving one out takes a term of rank one from the
/// covariance Σ = (1 - s) S + s Σ₀: with d = ‖z‖² of a block, r = m / (m - 1) and c = (1 - s) r / n, the distance to
/// the others is r² (n - 1) / n · d / (1 - c d) (Sherman and Morrison, 1950), where Σ₀ and the ridge stay what they are,
/// but for the factor n / (n - 1) that all of Σ takes.
pub fn distances_left_out<B: Backend>(
    config: &WhiteningConfig,
    images: usize,
    of_kind: usize,
    channels: &[usize],
    z: Tensor<B, 4>,
) -> Vec<f64> {
    distances_without(config, images, of_kind, channels, z.clone(), z)
}

/// How far another image is from the others: `w` are its features, whitened as z by all images, that which is left out
/// among them, and of the same kind.
///
/// Seen from the mean of the others of its kind it is at v = w + z / (m - 1), and the distance is
/// (n - 1) / n · (‖v‖² + c (z·v)² / (1 - c d)).
pub fn distances_without<B: Backend>(
    config: &WhiteningConfig,
    images: usize,
    of_kind: usize,
    channels: &[usize],
    z: Tensor<B, 4>,
    w: Tensor<B, 4>,
) -> Vec<f64> {
    let [_, all, height, width] = z.dims();
    let positions = height * width;
    let [z, w] = [z, w].map(|features| features.into_data().iter::<f32>().collect::<Vec<f32>>());
    let (n, of_kind) = (images.max(1) as f64, of_kind.max(1) as f64);
    let others = (of_kind - 1.0).max(1.0);
    let own = (1.0 - config.shrinkage(images)) * of_kind / others / n;
    let mut distances = vec![0.0; positions];
    let planes = z.chunks_exact(positions.max(1)).zip(w.chunks_exact(positions.max(1)));
    let mut planes = planes.map(|(z, w)| z.iter().zip(w));
    for &channels in channels {
        // ‖z‖², ‖v‖² and z·v.
        let mut block = vec![[0.0; 3]; positions];
        for plane in planes.by_ref().take(channels) {
            for (sums, (&z, &w)) in block.iter_mut().zip(plane) {
                let z = f64::from(z);
                let v = f64::from(w) + z / others;
                sums.iter_mut().zip([z * z, v * v, z * v]).for_each(|(sum, term)| *sum += term);
            }
        }
        for (distance, [d, square, product]) in distances.iter_mut().zip(block) {
            // Above 0 but for rounding, as Σ holds the image's own term and a ridge.
            let rest = (1.0 - own * d).max(1e-6);
            let squared = square + own * product * product / rest;
            *distance += (n - 1.0) / n * squared / all as f64;
        }
    }
    distances
}
