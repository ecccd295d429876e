//! A memory of feature vectors and the search for the nearest. How its vectors were chosen isn't known
//! here.

use burn::tensor::{Int, Tensor};
use nfbmr_backend::Backend;

/// Similarities computed together: 32 MB of them.
const SIMILARITIES: usize = 1 << 23;

/// Feature vectors of normal positions, searched by Euclidean distance.
#[derive(Clone, Debug)]
pub(crate) struct Memory<B: Backend> {
    /// `[M, C]`.
    pub(crate) vectors: Tensor<B, 2>,
    /// |m|² / 2 of each vector `[1, M]`.
    half_norms: Tensor<B, 2>,
}

impl<B: Backend> Memory<B> {
    pub(crate) fn new(vectors: Tensor<B, 2>) -> Self {
        let half_norms = vectors.clone().square().sum_dim(1).div_scalar(2.0).swap_dims(0, 1);
        Self { vectors, half_norms }
    }

    /// Index of the vector nearest to each query `[n, C]`, and the distance to it.
    pub(crate) fn nearest(&self, queries: Tensor<B, 2>) -> (Tensor<B, 1, Int>, Tensor<B, 1>) {
        let [memory, _] = self.vectors.dims();
        let nearest = queries
            .clone()
            .split((SIMILARITIES / memory).max(1), 0)
            .into_iter()
            .map(|chunk| self.similarities(chunk).argmax(1).squeeze_dim(1))
            .collect();
        let nearest: Tensor<B, 1, Int> = Tensor::cat(nearest, 0);
        // From the difference: with |q|² + |m|² - 2q·m the rounding of large norms would remain.
        let vectors = self.vectors.clone().select(0, nearest.clone());
        (nearest, (queries - vectors).square().sum_dim(1).sqrt().squeeze_dim(1))
    }

    /// Distances `[n, count]` from queries `[n, C]` to the `count` vectors nearest to each of `centers`
    /// `[n, C]`.
    pub(crate) fn distances_around(
        &self,
        centers: Tensor<B, 2>,
        count: usize,
        queries: Tensor<B, 2>,
    ) -> Tensor<B, 2> {
        let [images, channels] = queries.dims();
        let (_, support) = self.similarities(centers).topk_with_indices(count, 1);
        let support = self.vectors.clone().select(0, support.reshape([images * count]));
        let difference = support.reshape([images, count, channels]) - queries.unsqueeze_dim(1);
        difference.square().sum_dim(2).sqrt().squeeze_dim(2)
    }

    /// q·m - |m|²/2 `[n, M]`, which is largest where |q - m|² = |q|² - 2(q·m - |m|²/2) is smallest.
    fn similarities(&self, queries: Tensor<B, 2>) -> Tensor<B, 2> {
        queries.matmul(self.vectors.clone().swap_dims(0, 1)) - self.half_norms.clone()
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use nfbmr_backend::Cpu;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn nearest_is_found_in_every_chunk() {
        let (memory, queries, channels) = (4000, 4500, 3);
        assert!(queries > 2 * (SIMILARITIES / memory));
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut random = |rows: usize| -> Vec<f32> {
            (0..rows * channels).map(|_| 20.0 + rng.random::<f32>()).collect()
        };
        let (m, q) = (random(memory), random(queries));
        let tensor = |values: &[f32], rows| {
            let data = TensorData::new(values.to_vec(), [rows, channels]);
            Tensor::<Cpu, 2>::from_data(data, &Default::default())
        };
        let (indices, distances) = Memory::new(tensor(&m, memory)).nearest(tensor(&q, queries));
        let indices: Vec<i64> = indices.into_data().iter().collect();
        let distances: Vec<f32> = distances.into_data().iter().collect();
        let distance = |a: &[f32], b: &[f32]| {
            let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
            squares.sum::<f64>().sqrt()
        };
        for ((q, index), found) in q.chunks(channels).zip(indices).zip(distances) {
            let least = m.chunks(channels).map(|m| distance(q, m)).fold(f64::INFINITY, f64::min);
            let own = distance(q, &m[index as usize * channels..][..channels]);
            assert!((f64::from(found) - own).abs() < 1e-6, "{found} against {own}");
            // |q|² is 1200, so the search may mistake squares that differ by some 1e-4.
            assert!(own * own - least * least < 5e-4, "{own} found, {least} is nearer");
        }
    }
}
