use burn::tensor::Tensor;
use nfbmr_backend::Backend;

use crate::error::PipelineError;
use crate::map::ScoreMap;
use crate::traits::Residuals;

/// The maps of images: `[N, H, W]` of a batch on a device, or of one image.
pub(crate) enum Maps<M, S> {
    /// Both terms of (14), of which a one-way mapper has the second alone, and the negative log-likelihood
    /// of a target space that has a density.
    Residuals { source: Option<M>, target: M, likelihood: Option<M> },
    /// The flow's negative log-likelihood.
    Likelihood(M),
    /// A map and a score by a rule of its own.
    Scored { map: M, score: S },
}

impl<B: Backend> Maps<Tensor<B, 3>, Vec<f32>> {
    pub(crate) fn residuals(residuals: Residuals<B>, likelihood: Option<Tensor<B, 3>>) -> Self {
        let Residuals { source, target } = residuals;
        Self::Residuals { source, target, likelihood }
    }

    /// Those of each image.
    pub(crate) fn by_image(self) -> Vec<Maps<ScoreMap, f32>> {
        match self {
            Self::Residuals { source, target, likelihood } => {
                let optional = |maps: Option<Tensor<B, 3>>| {
                    let maps = maps.map(to_maps).into_iter().flatten().map(Some);
                    maps.chain(std::iter::repeat(None))
                };
                let others = optional(source).zip(optional(likelihood));
                let maps = to_maps(target).into_iter().zip(others);
                maps.map(|(target, (source, likelihood))| Maps::Residuals {
                    source,
                    target,
                    likelihood,
                })
                .collect()
            }
            Self::Likelihood(maps) => to_maps(maps).into_iter().map(Maps::Likelihood).collect(),
            Self::Scored { map, score } => {
                let maps = to_maps(map).into_iter().zip(score);
                maps.map(|(map, score)| Maps::Scored { map, score }).collect()
            }
        }
    }
}

impl Maps<ScoreMap, f32> {
    /// Of each image, the mean of the residuals of all levels, each brought to the grid of the first.
    ///
    /// # Errors
    /// [`PipelineError::Size`] of maps without cells.
    pub(crate) fn mean_of_levels(levels: Vec<Vec<Self>>) -> Result<Vec<Self>, PipelineError> {
        let share = 1.0 / levels.len() as f32;
        let mut levels = levels.into_iter();
        let mut means = levels.next().unwrap_or_default();
        for mean in means.iter_mut().flat_map(Self::residuals_mut) {
            mean.values.iter_mut().for_each(|value| *value *= share);
        }
        for level in levels {
            for (mean, mut level) in means.iter_mut().zip(level) {
                for (mean, map) in mean.residuals_mut().zip(level.residuals_mut()) {
                    let map = map.resize(mean.width, mean.height)?;
                    mean.values.iter_mut().zip(map.values).for_each(|(mean, v)| *mean += share * v);
                }
            }
        }
        Ok(means)
    }

    fn residuals_mut(&mut self) -> impl Iterator<Item = &mut ScoreMap> {
        let (source, target) = match self {
            Self::Residuals { source, target, .. } => (source.as_mut(), Some(target)),
            Self::Likelihood(_) | Self::Scored { .. } => (None, None),
        };
        source.into_iter().chain(target)
    }
}

/// `[N, H, W]` to one map per image.
fn to_maps<B: Backend>(maps: Tensor<B, 3>) -> Vec<ScoreMap> {
    let [_, height, width] = maps.dims();
    let values: Vec<f32> = maps.into_data().iter::<f32>().collect();
    let map = |values: &[f32]| ScoreMap {
        width: width as u32,
        height: height as u32,
        values: values.to_vec(),
    };
    values.chunks(width * height).map(map).collect()
}
