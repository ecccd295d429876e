//! From the maps of a system to an anomaly map and a score, as nodes of an ONNX graph: what `rule`,
//! `stitch` and `scoring` do.

use std::sync::Arc;

use nfbmr_data::{Size, resize_weights};
use nfbmr_onnx::{Graph, Matrix, Value};

use super::LevelMaps;
use super::map::content_window;
use super::rule::{Rule, Units};
use super::scoring::{Placed, shares};
use super::stitch::blend_weights;
use crate::error::PipelineError;
use crate::input::Tiles;

/// A map of each image `[N, H, W]`.
#[derive(Clone, Debug)]
pub(crate) struct GraphMap {
    pub(crate) values: Value,
    pub(crate) size: Size,
}

/// The maps that a system makes of images.
#[derive(Debug)]
pub(crate) enum GraphMaps {
    /// Those of each level, the finest first, how they become one, and the kind of each image `[N]`
    /// where kinds are told apart.
    Levels { levels: Vec<LevelMaps<GraphMap>>, rule: Arc<Rule>, kind: Option<Value> },
    /// A map and a score `[N]` by a rule of its own.
    Scored { map: GraphMap, score: Value },
}

/// What a detector says of images.
#[derive(Debug)]
pub(crate) struct GraphDetection {
    /// `[N]`.
    pub(crate) score: Value,
    /// `[N, H, W]` at the size of the images.
    pub(crate) map: Value,
    /// `[N]`, by a model of several kinds.
    pub(crate) kind: Option<Value>,
}

impl GraphMap {
    pub(crate) fn new(values: Value, [height, width]: [usize; 2]) -> Self {
        Self { values, size: Size { width: width as u32, height: height as u32 } }
    }

    /// The part of it in a window, left, top, width and height in cells, at another size.
    fn resized(&self, graph: &mut Graph, window: [f64; 4], size: Size) -> Value {
        let [left, top, width, height] = window;
        let along = |from: u32, window, to: u32| {
            let (from, to) = (from as usize, to as usize);
            let weights = resize_weights(from, window, to).into_iter();
            Matrix { to, from, values: weights.map(|weight| weight as f32).collect() }
        };
        let rows = along(self.size.height, [top, height], size.height);
        let columns = along(self.size.width, [left, width], size.width);
        graph.along_sides(&self.values, &rows, &columns)
    }
}

impl GraphMaps {
    /// The maps of images by those of their tiles; the score of an image by a rule of its own is
    /// the highest of its tiles.
    pub(crate) fn stitched(self, graph: &mut Graph, tiles: Tiles) -> Self {
        match self {
            Self::Levels { levels, rule, kind } => {
                let level = |LevelMaps { source, target, likelihood }| {
                    let maps = [source, target, likelihood];
                    let [source, target, likelihood] = maps
                        .map(|map: Option<GraphMap>| map.map(|map| blended(graph, &map, tiles)));
                    LevelMaps { source, target, likelihood }
                };
                Self::Levels { levels: levels.into_iter().map(level).collect(), rule, kind }
            }
            Self::Scored { map, score } => {
                let map = blended(graph, &map, tiles);
                let score = graph.reshape(&score, &[-1, tiles.count() as i64]);
                Self::Scored { map, score: graph.max(&score, 1) }
            }
        }
    }
}

/// A map of each image by those of its tiles: one step along rows and one along columns, as tiles
/// lie in both.
fn blended(graph: &mut Graph, map: &GraphMap, tiles: Tiles) -> GraphMap {
    let cells = map.size.width as i64;
    let count = tiles.starts().len() as i64;
    let weights = blend_weights(tiles, map.size.width);
    let x = graph.reshape(&map.values, &[-1, count, count, cells, cells]);
    let x = graph.transpose(&x, &[0, 1, 3, 2, 4]);
    let x = graph.reshape(&x, &[-1, count * cells, count * cells]);
    GraphMap::new(graph.along_sides(&x, &weights, &weights), [weights.to; 2])
}

impl Rule {
    /// The map of a level, and its unit.
    fn add_to(
        &self,
        graph: &mut Graph,
        maps: &LevelMaps<GraphMap>,
        units: &Units,
    ) -> Option<(GraphMap, f64)> {
        let (parts, unit) = self.parts(maps, units);
        let size = parts.first()?.0.size;
        let share = |divisor: f32| 1.0 / divisor / parts.len() as f32;
        let parts: Vec<_> =
            parts.iter().map(|&(map, by)| (map.values.clone(), share(by))).collect();
        Some((GraphMap { values: weighted_sum(graph, parts)?, size }, unit))
    }
}

/// The sum of values, each times its factor.
fn weighted_sum(graph: &mut Graph, parts: Vec<(Value, f32)>) -> Option<Value> {
    let mut sum = None;
    for (value, factor) in parts {
        let value = if factor == 1.0 { value } else { graph.scale(&value, factor) };
        sum = Some(match sum {
            Some(sum) => graph.add(&sum, &value),
            None => value,
        });
    }
    sum
}

impl Placed<'_> {
    /// Scores images by their maps.
    pub(crate) fn add_to(
        &self,
        graph: &mut Graph,
        maps: GraphMaps,
    ) -> Result<GraphDetection, PipelineError> {
        graph.part("score");
        let (levels, rule, kind) = match maps {
            GraphMaps::Levels { levels, rule, kind } => (levels, rule, kind),
            GraphMaps::Scored { map, score } => {
                return Ok(GraphDetection { score, map: self.at_size(graph, &map), kind: None });
            }
        };
        let fused = levels.iter().zip(&rule.units);
        let fused: Vec<(GraphMap, f64)> =
            fused.filter_map(|(maps, units)| rule.add_to(graph, maps, units)).collect();
        let none = || {
            PipelineError::Config("expected the maps of one level or more, found none".to_owned())
        };
        let (coarsest, _) = fused.last().ok_or_else(none)?;
        let mut score = self.pooled(graph, coarsest, &rule);
        let mut map = across_levels(graph, &fused).ok_or_else(none)?;
        if let (Some(kind), false) = (&kind, rule.kind_units.is_empty()) {
            let units: Vec<f32> = rule.kind_units.iter().map(|&unit| unit as f32).collect();
            let units = graph.floats(&[units.len()], &units);
            let unit = graph.gather(&units, kind, 0);
            score = graph.div(&score, &unit);
            let unit = graph.reshape(&unit, &[-1, 1, 1]);
            map.values = graph.div(&map.values, &unit);
        }
        Ok(GraphDetection { score, map: self.at_size(graph, &map), kind })
    }

    fn at_size(&self, graph: &mut Graph, map: &GraphMap) -> Value {
        map.resized(graph, content_window(map.size, self.content, self.input.size), self.size)
    }

    fn pooled(&self, graph: &mut Graph, map: &GraphMap, rule: &Rule) -> Value {
        let cells = self.cells(map.size);
        let all = map.size.width as usize * map.size.height as usize;
        let mut values = graph.reshape(&map.values, &[0, all as i64]);
        if cells.len() != all {
            values = graph.pick(&values, &cells, 1);
        }
        self.pooling(rule).add_to(graph, &values, cells.len())
    }
}

/// The mean of the maps of several levels, each with its unit, on the grid of the first.
fn across_levels(graph: &mut Graph, levels: &[(GraphMap, f64)]) -> Option<GraphMap> {
    let (first, _) = levels.first()?;
    if levels.len() == 1 {
        return Some(first.clone());
    }
    let sizes: Vec<(u32, f64)> = levels.iter().map(|(map, unit)| (map.size.width, *unit)).collect();
    let mut parts = Vec::with_capacity(levels.len());
    for ((map, _), share) in levels.iter().zip(shares(&sizes)) {
        let Size { width, height } = map.size;
        let whole = [0.0, 0.0, f64::from(width), f64::from(height)];
        let values = match map.size == first.size {
            true => map.values.clone(),
            false => map.resized(graph, whole, first.size),
        };
        parts.push((values, share));
    }
    Some(GraphMap { values: weighted_sum(graph, parts)?, size: first.size })
}
