//! From features of normal images to a whitening: statistics are collected here, part by part.

use burn::tensor::Tensor;
use nfbmr_backend::Backend;
use rayon::prelude::*;

use crate::cholesky::inverse_cholesky;
use crate::config::WhiteningConfig;
use crate::error::WhiteningError;
use crate::moments::{Moments, add_scaled};
use crate::whitening::{Statistics, Whitening, check_kinds, check_shape, neighborhood_mean};

/// Collects the statistics of normal images, part by part, in memory that their number doesn't change:
/// 8·C² bytes per position and block of channels.
#[derive(Clone, Debug)]
pub struct WhiteningFit {
    config: WhiteningConfig,
    grid: [usize; 2],
    /// Images of each kind.
    images: Vec<usize>,
    blocks: Vec<BlockFit>,
}

/// The moments of a block of channels by position.
#[derive(Clone, Debug)]
struct BlockFit {
    first: usize,
    channels: usize,
    positions: Vec<Moments>,
}

impl WhiteningFit {
    /// Of blocks of so many channels each, on a grid of rows and columns, and of so many kinds of images, 1 or more.
    ///
    /// # Errors
    /// [`WhiteningError::Config`].
    pub fn new(
        config: &WhiteningConfig,
        channels: &[usize],
        grid: [usize; 2],
        kinds: usize,
    ) -> Result<Self, WhiteningError> {
        config.validate()?;
        check_kinds(kinds)?;
        let mut first = 0;
        let mut blocks = Vec::with_capacity(channels.len());
        for &channels in channels {
            let positions = vec![Moments::new(channels, kinds); grid[0] * grid[1]];
            blocks.push(BlockFit { first, channels, positions });
            first += channels;
        }
        Ok(Self { config: config.clone(), grid, images: vec![0; kinds], blocks })
    }

    /// Takes in features `[N, C, H, W]` of normal images of a kind, 0 of a single one.
    ///
    /// # Errors
    /// [`WhiteningError::Kind`], [`WhiteningError::Shape`] or [`WhiteningError::NotFinite`]; nothing is taken in then.
    pub fn add<B: Backend>(&mut self, y: Tensor<B, 4>, kind: usize) -> Result<(), WhiteningError> {
        let kinds = self.images.len();
        if kind >= kinds {
            return Err(WhiteningError::Kind { found: kind, kinds });
        }
        let found = y.dims();
        let [images, channels, height, width] = found;
        let expected = self.blocks.iter().map(|block| block.channels).sum();
        check_shape([expected, self.grid[0], self.grid[1]], found)?;
        let positions = height * width;
        // Position by position of each image, [N][H · W][C].
        let rows = neighborhood_mean(y, &self.config.weights()).permute([0, 2, 3, 1]);
        let values: Vec<f32> = rows.into_data().iter::<f32>().collect();
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            let image = self.images.iter().sum::<usize>() + index / (positions * channels);
            return Err(WhiteningError::NotFinite { image });
        }
        for block in &mut self.blocks {
            let &mut BlockFit { first, channels: own, ref mut positions } = block;
            let stride = positions.len() * channels;
            positions.par_iter_mut().enumerate().for_each(|(position, moments)| {
                let offset = position * channels + first;
                let rows = (0..images).map(|image| &values[image * stride + offset..][..own]);
                moments.add(kind, rows);
            });
        }
        self.images[kind] += images;
        Ok(())
    }

    /// The whitening of what was taken in.
    ///
    /// # Errors
    /// [`WhiteningError::TooFewImages`], [`WhiteningError::EmptyKind`], [`WhiteningError::Constant`] or
    /// [`WhiteningError::Covariance`].
    pub fn finish<B: Backend>(self, device: &B::Device) -> Result<Whitening<B>, WhiteningError> {
        let Self { config, grid, images: of_kind, blocks } = self;
        let images = of_kind.iter().sum();
        if images < 2 {
            return Err(WhiteningError::TooFewImages { found: images });
        }
        if let Some(kind) = of_kind.iter().position(|&images| images == 0) {
            return Err(WhiteningError::EmptyKind { kind, kinds: of_kind.len() });
        }
        let whiten = |block| whiten(&config, grid[1], of_kind.len(), images, block);
        let statistics = blocks.into_iter().map(whiten).collect::<Result<_, _>>()?;
        Ok(Whitening::of_statistics(config.weights(), grid, of_kind.len(), statistics, device))
    }
}

fn whiten(
    config: &WhiteningConfig,
    width: usize,
    kinds: usize,
    images: usize,
    block: BlockFit,
) -> Result<Statistics, WhiteningError> {
    let BlockFit { first, channels, positions } = block;
    let common = common_covariance(&positions, channels);
    let trace: f64 = common.iter().step_by(channels + 1).sum();
    if trace <= 0.0 {
        return Err(WhiteningError::Constant { first, channels });
    }
    let shrinkage = config.shrinkage(images);
    let ridge = config.ridge * trace / channels as f64;
    let invert = |(position, moments): (usize, &Moments)| {
        let mut sigma = moments.covariance(0);
        for (own, common) in sigma.iter_mut().zip(&common) {
            *own = (1.0 - shrinkage) * *own + shrinkage * common;
        }
        sigma.iter_mut().step_by(channels + 1).for_each(|variance| *variance += ridge);
        let inverse = inverse_cholesky(sigma, channels);
        let (row, column) = (position / width, position % width);
        let inverse = inverse.ok_or(WhiteningError::Covariance { row, column })?;
        Ok(transposed(&inverse, channels))
    };
    let matrices = positions.par_iter().enumerate().map(invert);
    let matrices = matrices.collect::<Result<Vec<_>, _>>()?;
    let centers = if kinds > 1 { centers(&positions, kinds, &matrices) } else { Vec::new() };
    let mean = positions.iter().flat_map(Moments::mean).map(|mean| mean as f32).collect();
    Ok(Statistics { channels, mean, matrix: matrices.concat(), centers })
}

/// Where the mean of each kind lies once it is white, `[K, C, H · W]`: L⁻¹·(μ_k − μ).
fn centers(positions: &[Moments], kinds: usize, matrices: &[Vec<f32>]) -> Vec<f32> {
    let channels = positions.first().map_or(0, |moments| moments.mean().len());
    let mut centers = vec![0.0; kinds * channels * positions.len()];
    for (position, (moments, matrix)) in positions.iter().zip(matrices).enumerate() {
        let all = moments.mean();
        for kind in 0..kinds {
            let own = moments.mean_of(kind);
            for c in 0..channels {
                let column = matrix.iter().skip(c).step_by(channels);
                let white = own.iter().zip(&all).zip(column);
                let white = white.map(|((own, all), value)| (own - all) * f64::from(*value));
                let at = (kind * channels + c) * positions.len() + position;
                centers[at] = white.sum::<f64>() as f32;
            }
        }
    }
    centers
}

/// The upper triangle of the covariance over all positions: the mean of theirs, and that of their means.
fn common_covariance(positions: &[Moments], d: usize) -> Vec<f64> {
    let mut means = Moments::new(d, 1);
    let mut common = vec![0.0; d * d];
    for moments in positions {
        let mean: Vec<f32> = moments.mean().into_iter().map(|mean| mean as f32).collect();
        means.add(0, std::iter::once(&mean[..]));
        add_scaled(&mut common, &moments.covariance(0), 1.0 / positions.len() as f64);
    }
    add_scaled(&mut common, &means.covariance(0), 1.0);
    common
}

fn transposed(matrix: &[f32], side: usize) -> Vec<f32> {
    (0..side * side).map(|index| matrix[index % side * side + index / side]).collect()
}
