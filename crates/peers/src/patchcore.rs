//! PatchCore: fit, score and state, from a coreset, a projection and a memory.

use burn::tensor::module::avg_pool2d;
use burn::tensor::{Int, Tensor, TensorData};
use nfbmr_backend::{Backend, StateDict};
use nfbmr_onnx::{Attribute, Graph, Value};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::PeerError;
use crate::coreset::k_center_greedy;
use crate::features::{append_finite, check, check_channels};
use crate::memory::Memory;
use crate::progress::ProgressFn;
use crate::projection::{min_dimension, sparse_random};
use crate::scored::{Scored, finite_values};
use crate::smooth::{Upsampling, add_smooth};
use crate::state::Entries;

const MEMORY: &str = "memory_bank";
const MAX_PATCH_SIZE: usize = 31;

/// How a [`PatchCore`] is fitted and scores; the default is anomalib's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PatchCoreConfig {
    /// Side of the square of positions whose features are averaged, odd and up to 31; 3. Outside the
    /// image they count as 0.
    pub patch_size: usize,
    /// Share of the features of all positions that the memory keeps, above 0 and up to 1, and one at
    /// least; 0.1.
    pub coreset_ratio: f64,
    /// Vectors of the memory that the image score is weighted by; 9. With 1 it is the largest of the
    /// map.
    pub neighbors: usize,
}

impl Default for PatchCoreConfig {
    fn default() -> Self {
        Self { patch_size: 3, coreset_ratio: 0.1, neighbors: 9 }
    }
}

impl PatchCoreConfig {
    /// Checks what the types leave open.
    ///
    /// # Errors
    /// [`PeerError::Config`].
    pub fn validate(&self) -> Result<(), PeerError> {
        let &Self { patch_size, coreset_ratio, neighbors } = self;
        let problem = if patch_size % 2 == 0 || patch_size > MAX_PATCH_SIZE {
            format!("patch_size must be odd and up to {MAX_PATCH_SIZE}, found {patch_size}")
        } else if !(coreset_ratio > 0.0 && coreset_ratio <= 1.0) {
            format!("coreset_ratio must be above 0 and up to 1, found {coreset_ratio}")
        } else if neighbors == 0 {
            "neighbors must be 1 or more, found 0".to_owned()
        } else {
            return Ok(());
        };
        Err(PeerError::Config(problem))
    }
}

/// PatchCore (Roth et al., 2022): the distance of each position's feature to the nearest of a memory of
/// normal ones.
///
/// The memory is a coreset of the features of all positions of all images, chosen by greedy k-centres.
/// As in anomalib the choice is made on a sparse random projection to the dimension of the
/// Johnson-Lindenstrauss lemma with ε = 0.9, but only where that is less than the features' own.
#[derive(Clone, Debug)]
pub struct PatchCore<B: Backend> {
    config: PatchCoreConfig,
    memory: Memory<B>,
}

impl<B: Backend> PatchCore<B> {
    /// Fits a memory to features of normal images, each tensor `[N, C, H, W]` with an N, H and W of its
    /// own.
    ///
    /// The projection and the first vector are drawn from `seed`; the same seed gives the same memory
    /// with any number of threads. `progress` counts the vectors of the memory. Beside the features, up
    /// to 12·C bytes per position are needed in the host's memory at a time.
    ///
    /// # Errors
    /// [`PeerError::Config`], [`PeerError::TooFewImages`] without an image, [`PeerError::Empty`],
    /// [`PeerError::Channels`], [`PeerError::NotFinite`] or [`PeerError::Interrupted`].
    pub fn fit(
        config: &PatchCoreConfig,
        features: &[Tensor<B, 4>],
        seed: u64,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Self, PeerError> {
        config.validate()?;
        let (_, [channels, _, _]) = check(features, 1)?;
        features.iter().try_for_each(|batch| check_channels(channels, batch.dims()))?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let Embeddings { values, positions, projected } =
            Embeddings::new(config, features, &mut rng)?;
        let count = ((positions as f64 * config.coreset_ratio) as usize).max(1);
        let start = rng.random_range(0..positions);
        let points = projected.as_ref().unwrap_or(&values);
        let chosen = k_center_greedy(points, points.len() / positions, count, start, progress)?;
        let vectors: Vec<f32> = chosen
            .iter()
            .flat_map(|&index| &values[index * channels..][..channels])
            .copied()
            .collect();
        let vectors = TensorData::new(vectors, [chosen.len(), channels]);
        let memory = Memory::new(Tensor::from_data(vectors, &features[0].device()));
        Ok(Self { config: config.clone(), memory })
    }

    /// Scores features `[N, C, H, W]` of any N, H and W.
    ///
    /// The map holds distances to the nearest vector m of the memory. The image score is the largest, s,
    /// times 1 - exp(s) / Σ exp(d), where the d are the distances from the same feature to the
    /// `neighbors` vectors nearest to m, m among them: less where the memory is sparse around m. With a
    /// memory of one vector it is s. Beside the features, the search takes up to 64 MB, and 24 bytes per
    /// vector of the memory for each image.
    ///
    /// # Errors
    /// [`PeerError::Empty`], [`PeerError::Channels`] or [`PeerError::NotFinite`].
    pub fn score(&self, y: Tensor<B, 4>) -> Result<Scored<B>, PeerError> {
        let found = y.dims();
        let [images, _, height, width] = found;
        let [memory, channels] = self.memory.vectors.dims();
        check_channels(channels, found)?;
        let embedding = embed(&self.config, y);
        let (nearest, distances) = self.memory.nearest(embedding.clone());
        let map = distances.reshape([images, height, width]);
        let values = finite_values(&map)?;
        let peaks: Vec<Peak> = values.chunks(height * width).map(Peak::of).collect();

        let neighbors = self.config.neighbors.min(memory);
        if neighbors == 1 {
            return Ok(Scored { map, score: peaks.iter().map(|peak| peak.distance).collect() });
        }
        let rows: Vec<i64> = (0..)
            .zip(&peaks)
            .map(|(i, peak)| (i * height * width + peak.position) as i64)
            .collect();
        let rows = Tensor::<B, 1, Int>::from_data(TensorData::new(rows, [images]), &map.device());
        let centers = self.memory.vectors.clone().select(0, nearest.select(0, rows.clone()));
        let queries = embedding.select(0, rows);
        let around: Vec<f32> =
            self.memory.distances_around(centers, neighbors, queries).into_data().iter().collect();
        let around = around.chunks(neighbors);
        let score = peaks.iter().zip(around).map(|(peak, around)| peak.weighted(around)).collect();
        Ok(Scored { map, score })
    }

    /// [`Self::score`] in a graph, of features `[N, C, H, W]` of so many rows and columns: the map
    /// smoothed at `size`, and the score `[N]`.
    pub fn add_to(
        &self,
        graph: &mut Graph,
        y: &Value,
        grid: [usize; 2],
        size: [usize; 2],
    ) -> [Value; 2] {
        let [height, width] = grid.map(|side| side as i64);
        let [memory, channels] = self.memory.vectors.dims();
        let side = self.config.patch_size;
        let pooled = match side {
            1 => y.clone(),
            _ => graph.average(y, side, 1, side / 2),
        };
        let rows = graph.reshape(&pooled, &[0, channels as i64, height * width]);
        let rows = graph.transpose(&rows, &[0, 2, 1]);
        let memory_of = self.memory.add_to(graph);
        let (nearest, distances) = memory_of.nearest(graph, &rows);
        let map = graph.reshape(&distances, &[0, height, width]);
        let map = add_smooth(graph, &map, grid, size, Upsampling::Nearest);

        let neighbors = self.config.neighbors.min(memory);
        if neighbors == 1 {
            return [map, graph.max(&distances, 1)];
        }
        // Of each image the farthest position, [N, 1].
        let [peak, position] = graph.largest(&distances, 1, 1);
        let center =
            graph.node("GatherElements", &[&nearest, &position], &[("axis", Attribute::Int(1))]);
        let at = graph.unsqueeze(&position, 2);
        let query = graph.node("GatherND", &[&rows, &at], &[("batch_dims", Attribute::Int(1))]);
        let around = memory_of.distances_around(graph, &center, neighbors, &query);
        // As `Peak::weighted`: by the largest, so that nothing overflows.
        let largest = graph.max(&around, 1);
        let largest = graph.unsqueeze(&largest, 1);
        let largest = graph.node("Max", &[&peak, &largest], &[]);
        let [own, others] = [&peak, &around].map(|distances| {
            let below = graph.sub(distances, &largest);
            graph.apply("Exp", &below)
        });
        let others = graph.sum(&others, 1);
        let others = graph.unsqueeze(&others, 1);
        let share = graph.div(&own, &others);
        let one = graph.floats(&[], &[1.0]);
        let rest = graph.sub(&one, &share);
        let score = graph.mul(&peak, &rest);
        [map, graph.reshape(&score, &[-1])]
    }

    /// The memory, `memory_bank` `[M, C]`.
    pub fn state(&self) -> StateDict {
        let vectors = self.memory.vectors.to_data().convert::<f32>();
        StateDict::from([(MEMORY.to_owned(), vectors)])
    }

    /// A detector from what [`Self::state`] gave.
    ///
    /// # Errors
    /// [`PeerError::Config`], or [`PeerError::State`] with every entry that is missing, misshapen, not
    /// `f32`, not finite, or unknown.
    pub fn from_state(
        config: &PatchCoreConfig,
        state: StateDict,
        device: &B::Device,
    ) -> Result<Self, PeerError> {
        config.validate()?;
        let mut entries = Entries::new(state);
        let memory = entries.take::<2>(MEMORY);
        entries.finish()?;
        let memory = Memory::new(Tensor::from_data(memory, device));
        Ok(Self { config: config.clone(), memory })
    }
}

/// The features of all positions of all training images, row by row.
struct Embeddings {
    /// `[positions, C]`.
    values: Vec<f32>,
    positions: usize,
    /// `[positions, less than C]`, where the projection shortens them.
    projected: Option<Vec<f32>>,
}

impl Embeddings {
    fn new<B: Backend>(
        config: &PatchCoreConfig,
        features: &[Tensor<B, 4>],
        rng: &mut impl RngExt,
    ) -> Result<Self, PeerError> {
        let [_, channels, _, _] = features[0].dims();
        let positions =
            features.iter().map(|y| y.dims().iter().product::<usize>() / channels).sum();
        let dimension = min_dimension(positions);
        let projection = (dimension < channels)
            .then(|| sparse_random::<B>(channels, dimension, rng, &features[0].device()));
        let mut values = Vec::with_capacity(positions * channels);
        let mut projected = projection.as_ref().map(|_| Vec::with_capacity(positions * dimension));
        let mut first = 0;
        for batch in features {
            let images = batch.dims()[0];
            let embedding = embed(config, batch.clone());
            if let (Some(projection), Some(projected)) = (&projection, &mut projected) {
                let product = embedding.clone().matmul(projection.clone());
                append_finite(projected, product, first, images)?;
            }
            append_finite(&mut values, embedding, first, images)?;
            first += images;
        }
        Ok(Self { values, positions, projected })
    }
}

/// Features averaged over a patch, one row per position `[N * H * W, C]`.
fn embed<B: Backend>(config: &PatchCoreConfig, y: Tensor<B, 4>) -> Tensor<B, 2> {
    let [images, channels, height, width] = y.dims();
    let (side, padding) = (config.patch_size, config.patch_size / 2);
    let pooled = match side {
        1 => y,
        _ => avg_pool2d(y, [side; 2], [1; 2], [padding; 2], true, false),
    };
    pooled.permute([0, 2, 3, 1]).reshape([images * height * width, channels])
}

/// The position of an image farthest from the memory.
struct Peak {
    position: usize,
    distance: f32,
}

impl Peak {
    fn of(distances: &[f32]) -> Self {
        let first = Self { position: 0, distance: distances[0] };
        distances.iter().enumerate().fold(first, |peak, (position, &distance)| {
            match distance > peak.distance {
                true => Self { position, distance },
                false => peak,
            }
        })
    }

    fn weighted(&self, around: &[f32]) -> f32 {
        let largest = around.iter().fold(self.distance, |largest, d| largest.max(*d));
        let sum: f32 = around.iter().map(|d| (d - largest).exp()).sum();
        self.distance * (1.0 - (self.distance - largest).exp() / sum)
    }
}
