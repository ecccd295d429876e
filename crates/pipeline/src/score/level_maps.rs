//! The maps that a system makes of one level.

use burn::tensor::Tensor;
use nfbmr_backend::Backend;

use super::ScoreMap;
use crate::error::PipelineError;

/// The maps of a level: `[N, H, W]` of a batch on a device, or of one image.
#[derive(Debug)]
pub(crate) struct LevelMaps<M> {
    /// ‖y − ŷ‖², the source term of (14), of a system that maps in both directions.
    pub(crate) source: Option<M>,
    /// ‖z − ẑ‖², the target term, of a system that maps.
    pub(crate) target: Option<M>,
    /// The negative log-likelihood of a target space that has a density.
    pub(crate) likelihood: Option<M>,
}

impl<B: Backend> LevelMaps<Tensor<B, 3>> {
    /// Those of each image.
    pub(crate) fn by_image(self) -> Vec<LevelMaps<ScoreMap>> {
        let Self { source, target, likelihood } = self;
        let count =
            [&source, &target, &likelihood].into_iter().flatten().map(|maps| maps.dims()[0]);
        let count = count.max().unwrap_or(0);
        let optional = |maps: Option<Tensor<B, 3>>| {
            let maps = maps.map(to_maps).into_iter().flatten().map(Some);
            maps.chain(std::iter::repeat(None))
        };
        let maps = optional(source).zip(optional(target)).zip(optional(likelihood));
        let maps =
            maps.map(|((source, target), likelihood)| LevelMaps { source, target, likelihood });
        maps.take(count).collect()
    }
}

impl LevelMaps<ScoreMap> {
    /// The mean of the maps of all levels of an image, on the grid of the first.
    ///
    /// # Errors
    /// [`PipelineError::Size`] of maps without cells.
    pub(crate) fn mean(levels: Vec<Self>) -> Result<Self, PipelineError> {
        let share = 1.0 / levels.len() as f32;
        let mean =
            |maps: Vec<ScoreMap>| ScoreMap::weighted_sum(maps.into_iter().map(|map| (map, share)));
        let [source, target, likelihood] = Self::gather(levels).map(mean);
        Ok(Self { source: source?, target: target?, likelihood: likelihood? })
    }

    /// All maps of the source, of the target and of the likelihood, for those there are.
    pub(crate) fn gather(all: Vec<Self>) -> [Vec<ScoreMap>; 3] {
        let (mut source, mut target, mut likelihood) = (Vec::new(), Vec::new(), Vec::new());
        for maps in all {
            source.extend(maps.source);
            target.extend(maps.target);
            likelihood.extend(maps.likelihood);
        }
        [source, target, likelihood]
    }
}

/// `[N, H, W]` to one map per image.
pub(crate) fn to_maps<B: Backend>(maps: Tensor<B, 3>) -> Vec<ScoreMap> {
    let [_, height, width] = maps.dims();
    let values: Vec<f32> = maps.into_data().iter::<f32>().collect();
    let map = |values: &[f32]| ScoreMap::new(width as u32, height as u32, values.to_vec());
    values.chunks(width * height).map(map).collect()
}
