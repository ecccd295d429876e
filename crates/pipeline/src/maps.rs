use burn::tensor::Tensor;
use nfbmr_backend::Backend;

use crate::map::ScoreMap;

/// The maps of images: `[N, H, W]` of a batch on a device, or of one image.
pub(crate) enum Maps<M, S = Vec<f32>> {
    /// Both terms of (14), of which a one-way mapper has the second alone, and the negative log-likelihood
    /// of a target space that has a density.
    Residuals { source: Option<M>, target: M, likelihood: Option<M> },
    /// The flow's negative log-likelihood.
    Likelihood(M),
    /// A map and a score by a rule of its own.
    Scored { map: M, score: S },
}

impl<B: Backend> Maps<Tensor<B, 3>> {
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
