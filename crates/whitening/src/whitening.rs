//! A whitening that is fitted: its parameters, and what it does to features. How they were found is in
//! `fit`.

use burn::module::{Module, Param, ParamId};
use burn::tensor::{Tensor, TensorData, s};
use nfbmr_backend::{Backend, onnx};
use nfbmr_onnx::{Graph, Matrix, Value};

use crate::{WhiteningConfig, WhiteningError};

/// Features averaged over the neighbourhood of each position, then whitened there: L⁻¹·(y − μ), where μ and
/// Σ = L·Lᵀ belong to the position and to one block of channels.
///
/// Of images of several kinds each kind k has means μ_k of its own, and all have one Σ about them. An image is of the
/// kind that makes it likeliest over all positions, the one with the smallest sum of ‖L⁻¹·(y − μ_k)‖², and is whitened by
/// its means.
#[derive(Module, Debug)]
pub struct Whitening<B: Backend> {
    blocks: Vec<Block<B>>,
    /// L⁻¹·(μ_k − μ) `[K, C, H · W]` of several kinds, where μ is the mean of all images.
    centers: Option<Param<Tensor<B, 3>>>,
    /// The weights of a row of the neighbourhood.
    #[module(skip)]
    window: Vec<f64>,
    #[module(skip)]
    grid: [usize; 2],
}

/// The statistics of a block of channels.
#[derive(Module, Debug)]
struct Block<B: Backend> {
    /// μ `[H · W, 1, C]`.
    mean: Param<Tensor<B, 3>>,
    /// L⁻ᵀ `[H · W, C, C]`: a row of features is multiplied from the left.
    matrix: Param<Tensor<B, 3>>,
}

impl<B: Backend> Whitening<B> {
    /// Statistics of no features, to load those of a file into: μ = 0 and Σ = I for blocks of so many
    /// channels on a grid of rows and columns, and of so many kinds of images, 1 or more.
    ///
    /// # Errors
    /// [`WhiteningError::Config`].
    pub fn new(
        config: &WhiteningConfig,
        channels: &[usize],
        grid: [usize; 2],
        kinds: usize,
        device: &B::Device,
    ) -> Result<Self, WhiteningError> {
        config.validate()?;
        check_kinds(kinds)?;
        let [height, width] = grid;
        let positions = height * width;
        let zeros = |shape| lazy(shape, device, move |device| Tensor::zeros(shape, device));
        let blocks = channels.iter().map(|&channels| Block {
            mean: zeros([positions, 1, channels]),
            matrix: lazy([positions, channels, channels], device, move |device| {
                Tensor::<B, 2>::eye(channels, device).unsqueeze::<3>().repeat_dim(0, positions)
            }),
        });
        let centers = (kinds > 1).then(|| zeros([kinds, channels.iter().sum(), positions]));
        Ok(Self { blocks: blocks.collect(), centers, window: config.weights(), grid })
    }

    /// Of statistics by block and position.
    pub(crate) fn of_statistics(
        window: Vec<f64>,
        grid: [usize; 2],
        kinds: usize,
        statistics: Vec<Statistics>,
        device: &B::Device,
    ) -> Self {
        let positions = grid[0] * grid[1];
        let (mut blocks, mut centers) = (Vec::new(), Vec::new());
        for Statistics { channels, mean, matrix, centers: own } in statistics {
            let mean = TensorData::new(mean, [positions, 1, channels]);
            let matrix = TensorData::new(matrix, [positions, channels, channels]);
            blocks.push(Block {
                mean: Param::from_data(mean, device),
                matrix: Param::from_tensor(Tensor::<B, 3>::from_data(matrix, device)),
            });
            if kinds > 1 {
                let own = TensorData::new(own, [kinds, channels, positions]);
                centers.push(Tensor::<B, 3>::from_data(own, device));
            }
        }
        let centers = (kinds > 1).then(|| Param::from_tensor(Tensor::cat(centers, 1)));
        Self { blocks, centers, window, grid }
    }

    /// Features `[N, C, H, W]` to whitened ones of the same shape.
    ///
    /// # Errors
    /// [`WhiteningError::Shape`].
    pub fn forward(&self, y: Tensor<B, 4>) -> Result<Tensor<B, 4>, WhiteningError> {
        Ok(self.forward_kinds(y)?.0)
    }

    /// As [`Self::forward`], with the kind of each image, from 0; `None` where there is a single one.
    ///
    /// # Errors
    /// [`WhiteningError::Shape`].
    pub fn forward_kinds(
        &self,
        y: Tensor<B, 4>,
    ) -> Result<(Tensor<B, 4>, Option<Vec<usize>>), WhiteningError> {
        let found = y.dims();
        let [height, width] = self.grid;
        let channels: Vec<usize> = self.blocks.iter().map(|block| block.mean.dims()[2]).collect();
        check_shape([channels.iter().sum(), height, width], found)?;
        let y = neighborhood_mean(y, &self.window);
        let y = y.reshape([found[0], found[1], height * width]);
        let mut first = 0;
        let mut whitened = Vec::with_capacity(self.blocks.len());
        for (block, channels) in self.blocks.iter().zip(channels) {
            let own = y.clone().narrow(1, first, channels);
            whitened.push(B::whiten(own, block.mean.val(), block.matrix.val()));
            first += channels;
        }
        let z = Tensor::cat(whitened, 1);
        let Some(centers) = &self.centers else {
            return Ok((z.reshape(found), None));
        };
        let centers = centers.val();
        let kinds = nearest(&z, &centers);
        let own = kinds.iter().map(|&kind| centers.clone().narrow(0, kind, 1)).collect();
        Ok(((z - Tensor::cat(own, 0)).reshape(found), Some(kinds)))
    }

    /// [`Self::forward_kinds`] in a graph, of features `[N, C, H, W]`: white ones, and the kind of
    /// each image `[N]`.
    pub fn add_to(&self, graph: &mut Graph, y: &Value) -> (Value, Option<Value>) {
        let [height, width] = self.grid;
        let y = match self.window.len() {
            1 => y.clone(),
            _ => {
                let [rows, columns] = self.grid.map(|side| Matrix {
                    to: side,
                    from: side,
                    values: window_weights(side, &self.window),
                });
                graph.along_sides(y, &rows, &columns)
            }
        };
        let channels: Vec<usize> = self.blocks.iter().map(|block| block.mean.dims()[2]).collect();
        let (all, positions) = (channels.iter().sum::<usize>(), height * width);
        // Position by position, a matrix product each.
        let y = graph.reshape(&y, &[0, all as i64, positions as i64]);
        let y = graph.transpose(&y, &[2, 0, 1]);
        let (mut first, mut white) = (0, Vec::new());
        for (block, channels) in self.blocks.iter().zip(channels) {
            let own = graph.slice(&y, 2, first, channels);
            let mean = onnx::constant(graph, block.mean.val());
            let matrix = onnx::constant(graph, block.matrix.val());
            let own = graph.sub(&own, &mean);
            white.push(graph.matmul(&own, &matrix));
            first += channels;
        }
        let z = graph.concat(&white, 2);
        let z = graph.transpose(&z, &[1, 2, 0]);
        let (z, kinds) = match &self.centers {
            Some(centers) => {
                let centers = onnx::constant(graph, centers.val());
                let each = graph.unsqueeze(&z, 1);
                let distances = graph.sub(&each, &centers);
                let distances = graph.square(&distances);
                let distances = graph.sum(&distances, 3);
                let distances = graph.sum(&distances, 2);
                let kinds = graph.index_of(false, &distances, 1);
                let own = graph.gather(&centers, &kinds, 0);
                (graph.sub(&z, &own), Some(kinds))
            }
            None => (z, None),
        };
        (graph.reshape(&z, &[0, all as i64, height as i64, width as i64]), kinds)
    }

    /// How unlikely the features `[N, C, H, W]` of each image are by the Gaussians of its kind at their positions: the mean
    /// over channels and positions of ½ z² − log|det L⁻¹| / C, z white and C the channels of a block. The constant
    /// ½ log 2π of a density is left out, as in the likelihood of a flow.
    ///
    /// # Errors
    /// [`WhiteningError::Shape`].
    pub fn nll(&self, y: Tensor<B, 4>) -> Result<Vec<f64>, WhiteningError> {
        let [images, channels, height, width] = y.dims();
        let white = self.forward(y)?.into_data();
        let values = (channels * height * width).max(1);
        let mut sums = vec![0.0; images];
        for (index, value) in white.iter::<f32>().enumerate() {
            sums[index / values] += 0.5 * f64::from(value).powi(2);
        }
        let log_det: f64 = self.blocks.iter().map(Block::log_det).sum();
        Ok(sums.into_iter().map(|sum| (sum - log_det) / values as f64).collect())
    }
}

/// A parameter that is made once it is used: statistics of a file take its place before.
fn lazy<B: Backend>(
    shape: [usize; 3],
    device: &B::Device,
    init: impl Fn(&B::Device) -> Tensor<B, 3> + Send + Sync + 'static,
) -> Param<Tensor<B, 3>> {
    let init = move |device: &B::Device, _| init(device);
    Param::uninitialized(ParamId::new(), init, device.clone(), false, shape.into())
}

/// The nearest of the centers `[K, C, H · W]` for each image `[N, C, H · W]`.
fn nearest<B: Backend>(z: &Tensor<B, 3>, centers: &Tensor<B, 3>) -> Vec<usize> {
    let images = z.dims()[0];
    let mut nearest = vec![(0, f32::INFINITY); images];
    for kind in 0..centers.dims()[0] {
        let distances = (z.clone() - centers.clone().narrow(0, kind, 1)).powi_scalar(2);
        let distances = distances.reshape([images as i32, -1]).sum_dim(1).into_data();
        for (nearest, distance) in nearest.iter_mut().zip(distances.iter::<f32>()) {
            if distance < nearest.1 {
                *nearest = (kind, distance);
            }
        }
    }
    nearest.into_iter().map(|(kind, _)| kind).collect()
}

impl<B: Backend> Block<B> {
    /// The sum over positions of log|det L⁻¹|.
    fn log_det(&self) -> f64 {
        let matrix = self.matrix.val();
        let [positions, channels, _] = matrix.dims();
        let rows = matrix.reshape([positions, channels * channels]);
        let diagonal = rows.slice(s![.., ..;channels + 1]).into_data();
        diagonal.iter::<f32>().map(|value| f64::from(value).abs().ln()).sum()
    }
}

/// What whitens a block of channels, by position.
pub(crate) struct Statistics {
    pub(crate) channels: usize,
    /// `[H · W, C]`.
    pub(crate) mean: Vec<f32>,
    /// `[H · W, C, C]`.
    pub(crate) matrix: Vec<f32>,
    /// `[K, C, H · W]`, empty for a single kind.
    pub(crate) centers: Vec<f32>,
}

/// The weighted mean over a square of positions, those outside the image left out; `window` has the weights
/// of a row and of a column.
pub(crate) fn neighborhood_mean<B: Backend>(y: Tensor<B, 4>, window: &[f64]) -> Tensor<B, 4> {
    if window.len() == 1 {
        return y;
    }
    // Its rows and columns apart are two small matrix products.
    let shape @ [images, channels, height, width] = y.dims();
    let device = y.device();
    let columns = y.reshape([images * channels * height, width]);
    let mean = columns.matmul(window_means(width, window, &device).transpose());
    let mean = mean.reshape([images * channels, height, width]);
    window_means(height, window, &device).unsqueeze::<3>().matmul(mean).reshape(shape)
}

/// [`window_weights`] on a device.
fn window_means<B: Backend>(length: usize, window: &[f64], device: &B::Device) -> Tensor<B, 2> {
    Tensor::from_data(TensorData::new(window_weights(length, window), [length, length]), device)
}

/// The matrix `[length, length]` that turns values into the weighted mean of those around each.
fn window_weights(length: usize, window: &[f64]) -> Vec<f32> {
    let mut means = vec![0.0; length * length];
    let reach = window.len() / 2;
    for (center, row) in means.chunks_exact_mut(length).enumerate() {
        let (first, end) = (center.saturating_sub(reach), length.min(center + reach + 1));
        let weights = &window[reach + first - center..reach + end - center];
        let sum: f64 = weights.iter().sum();
        for (mean, weight) in row[first..end].iter_mut().zip(weights) {
            *mean = (weight / sum) as f32;
        }
    }
    means
}

pub(crate) fn check_kinds(kinds: usize) -> Result<(), WhiteningError> {
    match kinds {
        0 => Err(WhiteningError::Config("expected 1 kind of images or more, found 0".to_owned())),
        _ => Ok(()),
    }
}

pub(crate) fn check_shape(expected: [usize; 3], found: [usize; 4]) -> Result<(), WhiteningError> {
    match found[0] > 0 && found[1..] == expected {
        true => Ok(()),
        false => Err(WhiteningError::Shape { expected, found }),
    }
}
