//! Random projections to fewer dimensions, in which a coreset is chosen faster.

use burn::tensor::{Tensor, TensorData};
use nfbmr_backend::Backend;
use rand::RngExt;

/// Distortion of distances that the projection may cause; anomalib's.
const EPSILON: f64 = 0.9;

/// Least dimension that keeps all distances among `points` points within 1 ± [`EPSILON`] (Johnson and
/// Lindenstrauss), as scikit-learn's `johnson_lindenstrauss_min_dim` has it.
pub(crate) fn min_dimension(points: usize) -> usize {
    let denominator = EPSILON.powi(2) / 2.0 - EPSILON.powi(3) / 3.0;
    ((4.0 * (points as f64).ln() / denominator) as usize).max(1)
}

/// A very sparse random projection (Li, Hastie and Church) `[from, to]`: one entry in √from is not 0.
pub(crate) fn sparse_random<B: Backend>(
    from: usize,
    to: usize,
    rng: &mut impl RngExt,
    device: &B::Device,
) -> Tensor<B, 2> {
    let density = 1.0 / (from as f64).sqrt();
    let magnitude = (1.0 / density / to as f64).sqrt() as f32;
    let entry = |_| match rng.random_bool(density) {
        false => 0.0,
        true if rng.random() => magnitude,
        true => -magnitude,
    };
    let values: Vec<f32> = (0..from * to).map(entry).collect();
    Tensor::from_data(TensorData::new(values, [from, to]), device)
}

#[cfg(test)]
mod tests {
    use nfbmr_backend::Cpu;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn dimension_is_scikit_learns() {
        // sklearn.random_projection.johnson_lindenstrauss_min_dim(n, eps=0.9)
        for (points, expected) in [(2, 17), (240, 135), (80_000, 278), (1_000_000, 341)] {
            assert_eq!(min_dimension(points), expected, "{points} points");
        }
        assert_eq!(min_dimension(1), 1);
    }

    #[test]
    fn squared_lengths_are_kept_on_average() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (from, to, vectors) = (300, 64, 400);
        let values: Vec<f32> = (0..vectors * from).map(|_| rng.random::<f32>() - 0.5).collect();
        let data = TensorData::new(values, [vectors, from]);
        let x = Tensor::<Cpu, 2>::from_data(data, &Default::default());
        let projection = sparse_random(from, to, &mut rng, &Default::default());
        let kept: f32 = projection.clone().abs().greater_elem(0.0).float().mean().into_scalar();
        assert!((kept - 0.0577).abs() < 0.006, "{kept} of the entries are not 0");
        let lengths = |x: Tensor<Cpu, 2>| x.square().sum_dim(1);
        let ratio: f32 = (lengths(x.clone().matmul(projection)) / lengths(x)).mean().into_scalar();
        assert!((ratio - 1.0).abs() < 0.05, "lengths change by {ratio}");
    }
}
