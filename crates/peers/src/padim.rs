//! PaDiM: fit, score and state. It shares nothing with PatchCore but the helpers of the crate.

use burn::tensor::{Int, Tensor, TensorData};
use nfbmr_backend::{Backend, StateDict, onnx};
use nfbmr_onnx::{Graph, Value};
use nfbmr_whitening::{Moments, inverse_cholesky};
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::PeerError;
use crate::features::{append_finite, check, check_shape};
use crate::progress::{ProgressFn, report};
use crate::scored::{Scored, finite_values};
use crate::smooth::{Upsampling, add_smooth, smooth};
use crate::state::{Entries, refuse};

const SELECTION: &str = "selection";
const MEAN: &str = "mean";
const WHITENING: &str = "whitening";

/// Added to each variance; anomalib adds 0.01 and, before it inverts, 1e-5.
const REGULARIZATION: f64 = 0.01 + 1e-5;

/// How a [`Padim`] is fitted; the default is anomalib's for ResNet-18.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PadimConfig {
    /// Channels drawn at random, d; 100. All of them where the features have no more. anomalib draws
    /// 550 of a Wide ResNet-50's.
    pub features: usize,
}

impl Default for PadimConfig {
    fn default() -> Self {
        Self { features: 100 }
    }
}

impl PadimConfig {
    /// Checks what the types leave open.
    ///
    /// # Errors
    /// [`PeerError::Config`].
    pub fn validate(&self) -> Result<(), PeerError> {
        match self.features {
            0 => Err(PeerError::Config("features must be 1 or more, found 0".to_owned())),
            _ => Ok(()),
        }
    }
}

/// PaDiM (Defard et al., 2021): the Mahalanobis distance of each position's feature from the normal
/// distribution of the features of normal images at that position.
///
/// The covariances, of the drawn channels, have 0.01 added to their diagonal.
#[derive(Clone, Debug)]
pub struct Padim<B: Backend> {
    /// Channels of the features, rows and columns.
    shape: [usize; 3],
    /// The drawn channels, ascending `[d]`.
    channels: Tensor<B, 1, Int>,
    /// `[H * W, 1, d]`.
    mean: Tensor<B, 3>,
    /// L⁻¹ of each covariance L·Lᵀ `[H * W, d, d]`.
    whitening: Tensor<B, 3>,
}

impl<B: Backend> Padim<B> {
    /// Fits a normal distribution per position to features of two normal images or more, each tensor
    /// `[N, C, H, W]` with an N of its own.
    ///
    /// The channels are drawn from `seed`; the same seed gives the same distributions with any number of
    /// threads. `progress` counts the rows of positions. The distributions take 4·d² bytes per position,
    /// twice while they are fitted, and the fit another 4·d bytes per position of each image.
    ///
    /// # Errors
    /// [`PeerError::Config`], [`PeerError::TooFewImages`], [`PeerError::Empty`], [`PeerError::Shape`],
    /// [`PeerError::NotFinite`], [`PeerError::Covariance`] or [`PeerError::Interrupted`].
    pub fn fit(
        config: &PadimConfig,
        features: &[Tensor<B, 4>],
        seed: u64,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Self, PeerError> {
        config.validate()?;
        let (images, shape) = check(features, 2)?;
        features.iter().try_for_each(|batch| check_shape(shape, batch.dims()))?;
        let device = features[0].device();
        let [all, height, width] = shape;
        let positions = height * width;
        let drawn = draw_channels(all, config.features.min(all), seed);
        let d = drawn.len();
        let channels = channel_indices(&drawn, &device);

        // Position by position of each image, [N][H * W][d].
        let mut observations = Vec::with_capacity(images * positions * d);
        let mut first = 0;
        for batch in features {
            let count = batch.dims()[0];
            let rows = batch.clone().select(1, channels.clone()).permute([0, 2, 3, 1]);
            append_finite(&mut observations, rows, first, count)?;
            first += count;
        }
        let mut mean = Vec::with_capacity(positions * d);
        let mut whitening = Vec::with_capacity(positions * d * d);
        for row in 0..height {
            report(progress, row, height)?;
            let fit = |column| {
                let offset = (row * width + column) * d;
                let images = observations.chunks_exact(positions * d);
                let mut moments = Moments::new(d, 1);
                moments.add(0, images.map(|image| &image[offset..][..d]));
                let mut sigma = moments.covariance(1);
                sigma.iter_mut().step_by(d + 1).for_each(|variance| *variance += REGULARIZATION);
                let inverse = inverse_cholesky(sigma, d);
                let inverse = inverse.ok_or(PeerError::Covariance { row, column })?;
                Ok::<_, PeerError>((moments.mean(), inverse))
            };
            let gaussians: Vec<_> = (0..width).into_par_iter().map(fit).collect();
            for gaussian in gaussians {
                let (center, inverse) = gaussian?;
                mean.extend(center.into_iter().map(|mean| mean as f32));
                whitening.extend(inverse);
            }
        }
        report(progress, height, height)?;
        let mean = Tensor::from_data(TensorData::new(mean, [positions, 1, d]), &device);
        let whitening = Tensor::from_data(TensorData::new(whitening, [positions, d, d]), &device);
        Ok(Self { shape, channels, mean, whitening })
    }

    /// Scores features `[N, C, H, W]` of images of `size` rows and columns.
    ///
    /// The image score is the largest value of the map once it is [`smooth`]ed at that size, with
    /// [`Upsampling::Bilinear`].
    ///
    /// # Errors
    /// [`PeerError::Empty`], [`PeerError::Shape`], [`PeerError::NotFinite`] or [`PeerError::Size`].
    pub fn score(&self, y: Tensor<B, 4>, size: [usize; 2]) -> Result<Scored<B>, PeerError> {
        let found = y.dims();
        check_shape(self.shape, found)?;
        let [images, _, height, width] = found;
        let [positions, _, d] = self.mean.dims();
        let rows = y.select(1, self.channels.clone()).reshape([images, d, positions]);
        let deviation = rows.permute([2, 0, 1]) - self.mean.clone();
        let whitened = deviation.matmul(self.whitening.clone().swap_dims(1, 2));
        let distances = whitened.square().sum_dim(2).sqrt().squeeze_dim::<2>(2);
        let map = distances.swap_dims(0, 1).reshape([images, height, width]);
        finite_values(&map)?;
        let smoothed = smooth(map.clone(), size, Upsampling::Bilinear)?;
        let score = smoothed.reshape([images as i32, -1]).max_dim(1).into_data().iter().collect();
        Ok(Scored { map, score })
    }

    /// [`Self::score`] in a graph, of features `[N, C, H, W]`: the smoothed map `[N, …size]`, and
    /// the score `[N]`.
    pub fn add_to(&self, graph: &mut Graph, y: &Value, size: [usize; 2]) -> [Value; 2] {
        let [_, height, width] = self.shape;
        let [positions, _, d] = self.mean.dims();
        let drawn: Vec<usize> =
            self.channels.to_data().iter::<i64>().map(|channel| channel as usize).collect();
        let rows = graph.pick(y, &drawn, 1);
        let rows = graph.reshape(&rows, &[0, d as i64, positions as i64]);
        let rows = graph.transpose(&rows, &[2, 0, 1]);
        let mean = onnx::constant(graph, self.mean.clone());
        let whitening = onnx::constant(graph, self.whitening.clone().swap_dims(1, 2));
        let deviation = graph.sub(&rows, &mean);
        let whitened = graph.matmul(&deviation, &whitening);
        let squares = graph.square(&whitened);
        let distances = graph.sum(&squares, 2);
        let distances = graph.apply("Sqrt", &distances);
        let map = graph.transpose(&distances, &[1, 0]);
        let map = graph.reshape(&map, &[0, height as i64, width as i64]);
        let map = add_smooth(graph, &map, [height, width], size, Upsampling::Bilinear);
        let values = graph.reshape(&map, &[0, -1]);
        let score = graph.max(&values, 1);
        [map, score]
    }

    /// The drawn channels as 1 among 0, `selection` `[C]`, their `mean` `[H, W, d]`, and L⁻¹ of each
    /// covariance L·Lᵀ, `whitening` `[H * W, d, d]`.
    pub fn state(&self) -> StateDict {
        let [channels, height, width] = self.shape;
        let d = self.mean.dims()[2];
        let mut selection = vec![0f32; channels];
        for channel in self.channels.to_data().iter::<i64>() {
            selection[channel as usize] = 1.0;
        }
        let mean = self.mean.clone().reshape([height, width, d]).into_data().convert::<f32>();
        StateDict::from([
            (SELECTION.to_owned(), TensorData::new(selection, [channels])),
            (MEAN.to_owned(), mean),
            (WHITENING.to_owned(), self.whitening.to_data().convert::<f32>()),
        ])
    }

    /// A detector from what [`Self::state`] gave.
    ///
    /// # Errors
    /// [`PeerError::State`] with every entry that is missing, misshapen, not `f32`, not finite, or
    /// unknown.
    pub fn from_state(state: StateDict, device: &B::Device) -> Result<Self, PeerError> {
        let mut entries = Entries::new(state);
        let selection = entries.take::<1>(SELECTION);
        let mean = entries.take::<3>(MEAN);
        let whitening = entries.take::<3>(WHITENING);
        entries.finish()?;
        let flags: Vec<f32> = selection.iter().collect();
        let drawn: Vec<usize> = (0..flags.len()).filter(|&channel| flags[channel] == 1.0).collect();
        let d = drawn.len();
        let [height, width] = [mean.shape[0], mean.shape[1]];
        let positions = height.saturating_mul(width);
        let mut problems = Vec::new();
        if flags.iter().any(|flag| ![0.0, 1.0].contains(flag)) {
            problems.push(format!("{SELECTION}: expected 0 and 1 only"));
        }
        if mean.shape[2] != d {
            let found = mean.shape[2];
            problems.push(format!("{MEAN}: expected {d} values per position, found {found}"));
        }
        if whitening.shape.as_slice() != [positions, d, d] {
            let found = &whitening.shape;
            problems
                .push(format!("{WHITENING}: expected {:?}, found {found:?}", [positions, d, d]));
        }
        refuse(problems)?;
        Ok(Self {
            shape: [flags.len(), height, width],
            channels: channel_indices(&drawn, device),
            mean: Tensor::<B, 3>::from_data(mean, device).reshape([positions, 1, d]),
            whitening: Tensor::from_data(whitening, device),
        })
    }
}

fn draw_channels(channels: usize, count: usize, seed: u64) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn = index::sample(&mut rng, channels, count).into_vec();
    drawn.sort_unstable();
    drawn
}

fn channel_indices<B: Backend>(channels: &[usize], device: &B::Device) -> Tensor<B, 1, Int> {
    let indices: Vec<i64> = channels.iter().map(|&channel| channel as i64).collect();
    Tensor::from_data(TensorData::new(indices, [channels.len()]), device)
}
