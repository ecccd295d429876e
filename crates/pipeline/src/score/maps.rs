//! The maps that a system makes of an image.

use std::sync::Arc;

use burn::tensor::Tensor;
use nfbmr_backend::Backend;

use super::level_maps::to_maps;
use super::{LevelMaps, Rule, ScoreMap};

/// The maps of an image.
pub(crate) enum Maps {
    /// Those of each level, the finest first, how they become one, and the image's kind where kinds are told apart.
    Levels { levels: Vec<LevelMaps<ScoreMap>>, rule: Arc<Rule>, kind: Option<usize> },
    /// A map and a score by a rule of its own.
    Scored { map: ScoreMap, score: f32 },
    /// A score alone, of a system that doesn't tell where.
    Score(f32),
}

/// The maps `[N, H, W]` of images whose scores come by a rule of their own.
pub(crate) fn scored<B: Backend>(maps: Tensor<B, 3>, scores: Vec<f32>) -> Vec<Maps> {
    let maps = to_maps(maps).into_iter().zip(scores);
    maps.map(|(map, score)| Maps::Scored { map, score }).collect()
}
