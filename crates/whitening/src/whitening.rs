//! A whitening that is fitted: its parameters, and what it does to features. How they were found is in
//! `fit`.

use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData, s};
use nfbmr_backend::Backend;

use crate::{WhiteningConfig, WhiteningError};

/// Features averaged over the neighbourhood of each position, then whitened there: L⁻¹·(y − μ), where μ and
/// Σ = L·Lᵀ belong to the position and to one block of channels.
#[derive(Module, Debug)]
pub struct Whitening<B: Backend> {
    blocks: Vec<Block<B>>,
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
    /// channels on a grid of rows and columns.
    ///
    /// # Errors
    /// [`WhiteningError::Config`].
    pub fn new(
        config: &WhiteningConfig,
        channels: &[usize],
        grid: [usize; 2],
        device: &B::Device,
    ) -> Result<Self, WhiteningError> {
        config.validate()?;
        let [height, width] = grid;
        let positions = height * width;
        let blocks = channels.iter().map(|&channels| Block {
            mean: Param::from_tensor(Tensor::zeros([positions, 1, channels], device)),
            matrix: Param::from_tensor(
                Tensor::<B, 2>::eye(channels, device).unsqueeze::<3>().repeat_dim(0, positions),
            ),
        });
        Ok(Self { blocks: blocks.collect(), window: config.weights(), grid })
    }

    /// Of statistics by block and position.
    pub(crate) fn of_statistics(
        window: Vec<f64>,
        grid: [usize; 2],
        statistics: Vec<Statistics>,
        device: &B::Device,
    ) -> Self {
        let positions = grid[0] * grid[1];
        let blocks = statistics.into_iter().map(|Statistics { channels, mean, matrix }| {
            let mean = TensorData::new(mean, [positions, 1, channels]);
            let matrix = TensorData::new(matrix, [positions, channels, channels]);
            Block {
                mean: Param::from_data(mean, device),
                matrix: Param::from_tensor(Tensor::<B, 3>::from_data(matrix, device)),
            }
        });
        Self { blocks: blocks.collect(), window, grid }
    }

    /// Features `[N, C, H, W]` to whitened ones of the same shape.
    ///
    /// # Errors
    /// [`WhiteningError::Shape`].
    pub fn forward(&self, y: Tensor<B, 4>) -> Result<Tensor<B, 4>, WhiteningError> {
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
        Ok(Tensor::cat(whitened, 1).reshape(found))
    }

    /// How unlikely the features `[N, C, H, W]` of each image are by the Gaussians at their positions: the mean over
    /// channels and positions of ½ z² − log|det L⁻¹| / C, z white and C the channels of a block. The constant
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

/// The matrix `[length, length]` that turns values into the weighted mean of those around each.
fn window_means<B: Backend>(length: usize, window: &[f64], device: &B::Device) -> Tensor<B, 2> {
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
    Tensor::from_data(TensorData::new(means, [length, length]), device)
}

pub(crate) fn check_shape(expected: [usize; 3], found: [usize; 4]) -> Result<(), WhiteningError> {
    match found[0] > 0 && found[1..] == expected {
        true => Ok(()),
        false => Err(WhiteningError::Shape { expected, found }),
    }
}
