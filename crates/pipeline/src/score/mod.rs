//! From the maps of a system to a detection: fusion, pooling, tiles put together, sizes. Knows the input, and
//! nothing of the networks that make the maps.

mod detection;
mod graph;
mod level_maps;
mod map;
mod maps;
mod pooling;
mod rule;
mod scoring;
mod stitch;

pub use detection::{Component, DefectPixels, Detection};
pub(crate) use graph::{GraphDetection, GraphMap, GraphMaps};
pub(crate) use level_maps::{LevelMaps, to_maps};
pub use map::ScoreMap;
pub(crate) use maps::{Maps, scored};
pub use pooling::Pooling;
pub use rule::{Fusion, MeanResiduals};
pub(crate) use rule::{Rule, Units};
pub(crate) use scoring::Placed;
pub(crate) use stitch::stitch;
