//! A memory of feature vectors and the search for the nearest. How its vectors were chosen isn't known
//! here.

use burn::tensor::{Int, Tensor};
use nfbmr_backend::{Backend, onnx};
use nfbmr_onnx::{Graph, Value};

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

    /// The memory in a graph.
    pub(crate) fn add_to(&self, graph: &mut Graph) -> GraphMemory {
        GraphMemory {
            vectors: onnx::constant(graph, self.vectors.clone()),
            columns: onnx::constant(graph, self.vectors.clone().swap_dims(0, 1)),
            half_norms: onnx::constant(graph, self.half_norms.clone()),
        }
    }

    /// q·m - |m|²/2 `[n, M]`, which is largest where |q - m|² = |q|² - 2(q·m - |m|²/2) is smallest.
    fn similarities(&self, queries: Tensor<B, 2>) -> Tensor<B, 2> {
        queries.matmul(self.vectors.clone().swap_dims(0, 1)) - self.half_norms.clone()
    }
}

/// A [`Memory`] in a graph.
pub(crate) struct GraphMemory {
    vectors: Value,
    /// The same `[C, M]`.
    columns: Value,
    half_norms: Value,
}

impl GraphMemory {
    /// [`Memory::nearest`] of queries `[N, n, C]`: indices and distances `[N, n]`.
    pub(crate) fn nearest(&self, graph: &mut Graph, queries: &Value) -> (Value, Value) {
        let similarities = self.similarities(graph, queries);
        let nearest = graph.index_of(true, &similarities, 2);
        let vectors = graph.gather(&self.vectors, &nearest, 0);
        (nearest, distances(graph, queries, &vectors, 2))
    }

    /// [`Memory::distances_around`] the centers of these indices `[N, 1]`, of queries `[N, 1, C]`.
    pub(crate) fn distances_around(
        &self,
        graph: &mut Graph,
        centers: &Value,
        count: usize,
        queries: &Value,
    ) -> Value {
        let centers = graph.gather(&self.vectors, centers, 0);
        let similarities = self.similarities(graph, &centers);
        let [_, support] = graph.largest(&similarities, count, 2);
        let support = graph.reshape(&support, &[0, count as i64]);
        let support = graph.gather(&self.vectors, &support, 0);
        distances(graph, queries, &support, 2)
    }

    fn similarities(&self, graph: &mut Graph, queries: &Value) -> Value {
        let products = graph.matmul(queries, &self.columns);
        graph.sub(&products, &self.half_norms)
    }
}

/// |a − b| over a dimension.
fn distances(graph: &mut Graph, a: &Value, b: &Value, axis: i64) -> Value {
    let difference = graph.sub(a, b);
    let squares = graph.square(&difference);
    let sum = graph.sum(&squares, axis);
    graph.apply("Sqrt", &sum)
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
