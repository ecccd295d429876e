use nfbmr_calibration::Verdict;
use nfbmr_data::{Rect, Size};
use serde::{Deserialize, Serialize};

use crate::config::{Fusion, Pooling};
use crate::error::PipelineError;
use crate::map::ScoreMap;
use crate::maps::{LevelMaps, Maps};
use crate::mask::Mask;

/// What a detector says of one image.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Detection {
    /// The image score: higher is more anomalous. Comparable between images of one model only.
    pub score: f32,
    /// The score's p-value and the verdict of the threshold, by a calibrated model.
    pub verdict: Option<Verdict>,
    /// The anomaly map at the image's own size.
    pub anomaly_map: ScoreMap,
    /// Whether each pixel of the anomaly map belongs to a defect, by a
    /// [`CrossFitted`](crate::CrossFitted) model; others have a pixel threshold.
    /// [`AnomalyModel::regions`](crate::AnomalyModel::regions) has the regions of either.
    pub anomalous_pixels: Option<Vec<bool>>,
    /// The source direction ‖y − ŷ‖², for systems that have one.
    pub source: Option<Component>,
    /// The target direction ‖z − ẑ‖².
    pub target: Option<Component>,
    /// The flow's negative log-likelihood 0.5·‖z‖² − log|det|.
    pub likelihood: Option<Component>,
}

impl Detection {
    /// A detection by its score and anomaly map alone, as a detector that maps nothing has it.
    pub fn new(score: f32, anomaly_map: ScoreMap) -> Self {
        Self {
            score,
            verdict: None,
            anomaly_map,
            anomalous_pixels: None,
            source: None,
            target: None,
            likelihood: None,
        }
    }
}

/// One part of a [`Detection`]: its score, and its map at the resolution of the features.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Component {
    /// The map of the coarsest level, pooled like the image score.
    pub score: f32,
    /// The map by position of the features, of the finest level where there are several.
    pub map: ScoreMap,
}

/// Mean residuals over the training images once training has ended: the units of the two directions.
/// That of the source is 1 where the mapping goes to the target alone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalization {
    /// Mean of ‖y − ŷ‖² over positions and images.
    pub source: f64,
    /// Mean of ‖z − ẑ‖² over positions and images.
    pub target: f64,
}

impl Normalization {
    /// The mean of those of several levels.
    pub(crate) fn mean(levels: &[Self]) -> Self {
        let share = 1.0 / levels.len().max(1) as f64;
        let mean = |of: fn(&Self) -> f64| share * levels.iter().map(of).sum::<f64>();
        Self { source: mean(|level| level.source), target: mean(|level| level.target) }
    }
}

/// What the maps of a level are about on normal images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Units {
    pub(crate) source: f64,
    pub(crate) target: f64,
    pub(crate) likelihood: f64,
}

impl Units {
    /// Of residuals and of a flow of so many channels, for those there are: ‖z‖² / 2 is C / 2 on average
    /// where z is N(0, I).
    pub(crate) fn new(normalization: Option<Normalization>, channels: Option<usize>) -> Self {
        let (source, target) = normalization.map_or((1.0, 1.0), |own| (own.source, own.target));
        Self { source, target, likelihood: channels.map_or(1.0, |channels| channels as f64 / 2.0) }
    }
}

/// How maps become a [`Detection`].
pub(crate) struct Scoring<'a> {
    pub(crate) fusion: Fusion,
    pub(crate) pooling: Pooling,
    /// Of each level.
    pub(crate) units: Vec<Units>,
    /// Side of the network input.
    pub(crate) input: u32,
    /// What of an image is inspected, if not all of it.
    pub(crate) mask: Option<&'a Mask>,
}

impl Scoring<'_> {
    /// Scores one image of `size` whose pixels lie in `content` of the network input.
    pub(crate) fn detection(
        &self,
        maps: Maps,
        content: Rect,
        size: Size,
    ) -> Result<Detection, PipelineError> {
        let at_size = |map: &ScoreMap| {
            let map = map.resize_content(content, self.input, size)?;
            Ok::<_, PipelineError>(ScoreMap {
                inspected: self.mask.map(|mask| mask.at(size)),
                ..map
            })
        };
        let levels = match maps {
            Maps::Levels(levels) => levels,
            Maps::Scored { map, score } => return Ok(Detection::new(score, at_size(&map)?)),
        };
        let (mut fused, mut source) = (Vec::new(), Vec::new());
        let (mut target, mut likelihood) = (Vec::new(), Vec::new());
        for (maps, units) in levels.into_iter().zip(&self.units) {
            fused.extend(self.fuse(&maps, units));
            source.extend(maps.source.zip(Some(units.source)));
            target.extend(maps.target.zip(Some(units.target)));
            likelihood.extend(maps.likelihood.zip(Some(units.likelihood)));
        }
        // The coarsest level tells a defective part from a good one.
        let cells = fused.last().map(|(map, _)| self.cells(map, content)).unwrap_or_default();
        let component = |levels: Vec<(ScoreMap, f64)>| {
            let score = levels.last().map(|(map, _)| self.pool(map, &cells));
            let map = across_levels(levels)?
                .map(|map| ScoreMap { inspected: self.inspected_cells(&map, content), ..map });
            Ok::<_, PipelineError>(score.zip(map).map(|(score, map)| Component { score, map }))
        };
        let fused = component(fused)?.ok_or_else(|| {
            PipelineError::Config("expected the maps of one level or more, found none".to_owned())
        })?;
        Ok(Detection {
            score: fused.score,
            verdict: None,
            anomaly_map: at_size(&fused.map)?,
            anomalous_pixels: None,
            source: component(source)?,
            target: component(target)?,
            likelihood: component(likelihood)?,
        })
    }

    /// Equation (14) of a level: the mean of the maps that there are, each in its own unit if so configured; a
    /// likelihood alone as it is. With the unit of the result.
    fn fuse(&self, maps: &LevelMaps<ScoreMap>, units: &Units) -> Option<(ScoreMap, f64)> {
        let LevelMaps { source, target, likelihood } = maps;
        let alone = source.is_none() && target.is_none();
        let plain = alone || self.fusion == Fusion::Plain;
        let counts = alone || self.fusion == Fusion::WithLikelihood;
        let parts = [
            (source.as_ref(), units.source),
            (target.as_ref(), units.target),
            (likelihood.as_ref().filter(|_| counts), units.likelihood),
        ];
        let parts: Vec<_> =
            parts.into_iter().filter_map(|(map, unit)| Some((map?, unit))).collect();
        let &(first, _) = parts.first()?;
        let zeros = vec![0.0; first.values.len()];
        let mut fused = ScoreMap::new(first.width, first.height, zeros);
        for (map, unit) in &parts {
            let unit = if plain { 1.0 } else { *unit as f32 };
            for (fused, value) in fused.values.iter_mut().zip(&map.values) {
                *fused += value / unit / parts.len() as f32;
            }
        }
        let unit = parts.iter().map(|(_, unit)| unit).sum::<f64>() / parts.len() as f64;
        Some((fused, if plain { unit } else { 1.0 }))
    }

    /// The indices of the cells that touch the image's content, and what is inspected of it.
    #[expect(clippy::indexing_slicing, reason = "cells of the map")]
    fn cells(&self, map: &ScoreMap, content: Rect) -> Vec<usize> {
        let cells = |start: u32, length: u32, cells: u32| {
            let scale = f64::from(cells) / f64::from(self.input);
            let first = (f64::from(start) * scale).floor() as usize;
            let last = (f64::from(start + length) * scale).ceil() as usize;
            first..last.min(cells as usize)
        };
        let columns = cells(content.x, content.width, map.width);
        let rows = cells(content.y, content.height, map.height);
        let width = map.width as usize;
        let inspected = self.inspected_cells(map, content);
        let cells = rows.flat_map(|row| columns.clone().map(move |column| row * width + column));
        cells.filter(|&cell| inspected.as_ref().is_none_or(|inspected| inspected[cell])).collect()
    }

    /// Whether each cell shows something that is inspected; `None` where all of the image is.
    fn inspected_cells(&self, map: &ScoreMap, content: Rect) -> Option<Vec<bool>> {
        let size = Size { width: map.width, height: map.height };
        self.mask.map(|mask| mask.cells(size, content, self.input))
    }

    /// Pools these cells of a map.
    #[expect(clippy::indexing_slicing, reason = "cells of the map")]
    fn pool(&self, map: &ScoreMap, cells: &[usize]) -> f32 {
        self.pooling.pool(cells.iter().map(|&cell| map.values[cell]).collect())
    }
}

/// The mean of the maps of several levels on the grid of the first, each in its own unit and by the size of its
/// cells. The map of a single level stays as it is.
fn across_levels(mut levels: Vec<(ScoreMap, f64)>) -> Result<Option<ScoreMap>, PipelineError> {
    if levels.len() < 2 {
        return Ok(levels.pop().map(|(map, _)| map));
    }
    let size = |map: &ScoreMap| 1.0 / f64::from(map.width);
    let sum: f64 = levels.iter().map(|(map, _)| size(map)).sum();
    let share = |(map, unit): (ScoreMap, f64)| {
        let share = size(&map) / sum / unit;
        (map, share as f32)
    };
    ScoreMap::weighted_sum(levels.into_iter().map(share))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNITS: Units = Units { source: 4.0, target: 2.0, likelihood: 3.0 };

    fn scoring(fusion: Fusion) -> Scoring<'static> {
        Scoring { fusion, pooling: Pooling::Max, units: vec![UNITS], input: 64, mask: None }
    }

    fn map(values: [f32; 4]) -> ScoreMap {
        ScoreMap::new(2, 2, values.to_vec())
    }

    #[test]
    fn fusion_as_defined() {
        let maps = LevelMaps {
            source: Some(map([4.0, 0.0, 8.0, 4.0])),
            target: Some(map([2.0, 2.0, 0.0, 6.0])),
            likelihood: Some(map([3.0, -1.5, 3.0, 0.0])),
        };
        let fuse = |fusion, maps: &LevelMaps<ScoreMap>| {
            let (map, unit) = scoring(fusion).fuse(maps, &UNITS).unwrap();
            (map.values, unit)
        };
        assert_eq!(fuse(Fusion::Plain, &maps), (vec![3.0, 1.0, 4.0, 5.0], 3.0));
        assert_eq!(fuse(Fusion::Normalized, &maps), (vec![1.0, 0.5, 1.0, 2.0], 1.0));
        let (with_likelihood, unit) = fuse(Fusion::WithLikelihood, &maps);
        assert_eq!(unit, 1.0);
        for (found, expected) in with_likelihood.iter().zip([3.0, 0.5, 3.0, 4.0]) {
            assert!((found - expected / 3.0).abs() < 1e-6, "{with_likelihood:?}");
        }
        let normalized = fuse(Fusion::Normalized, &maps);
        let maps = LevelMaps { likelihood: None, ..maps };
        assert_eq!(fuse(Fusion::WithLikelihood, &maps), normalized);
        let maps = LevelMaps { source: None, ..maps };
        assert_eq!(fuse(Fusion::Plain, &maps), (vec![2.0, 2.0, 0.0, 6.0], 2.0));
        let likelihood = Some(map([3.0, -1.5, 3.0, 0.0]));
        let alone = LevelMaps { source: None, target: None, likelihood };
        assert_eq!(fuse(Fusion::Normalized, &alone), (vec![3.0, -1.5, 3.0, 0.0], 3.0));
    }

    #[test]
    fn levels_count_by_their_cells_in_their_units() {
        let fine = map([2.0, -1.0, 8.0, 0.0]);
        assert!(across_levels(Vec::new()).unwrap().is_none());
        assert_eq!(across_levels(vec![(fine.clone(), 2.0)]).unwrap().unwrap(), fine);
        let coarse = ScoreMap::new(1, 1, vec![12.0]);
        let both = across_levels(vec![(fine, 2.0), (coarse, 3.0)]).unwrap().unwrap();
        assert_eq!((both.width, both.height), (2, 2));
        // A third of the fine map over 2, two thirds of the coarse one over 3.
        for (found, expected) in both.values.iter().zip([9.0, 7.5, 12.0, 8.0]) {
            assert!((found - expected / 3.0).abs() < 1e-6, "{:?}", both.values);
        }
    }

    #[test]
    fn the_coarsest_level_gives_the_score() {
        let level = |map| LevelMaps { source: None, target: None, likelihood: Some(map) };
        let coarse = ScoreMap::new(1, 1, vec![3.0]);
        let maps = Maps::Levels(vec![level(map([60.0, 0.0, 0.0, 0.0])), level(coarse)]);
        let scoring = Scoring { units: vec![UNITS; 2], ..scoring(Fusion::Plain) };
        let content = Rect { x: 0, y: 0, width: 64, height: 64 };
        let found = scoring.detection(maps, content, Size { width: 2, height: 2 }).unwrap();
        assert_eq!((found.score, found.likelihood.unwrap().score), (3.0, 3.0));
        // A third of 60 over the unit 3, and two thirds of 3 over it.
        let peak = found.anomaly_map.values[0];
        assert!((peak - 22.0 / 3.0).abs() < 1e-5, "{peak}");
    }

    #[test]
    fn letterbox_borders_take_no_part() {
        let content = Rect { x: 0, y: 0, width: 64, height: 32 };
        let size = Size { width: 8, height: 4 };
        let map = map([1.0, 2.0, 9.0, 9.0]);
        let likelihood = Some(map.clone());
        let maps = Maps::Levels(vec![LevelMaps { source: None, target: None, likelihood }]);
        let detection = scoring(Fusion::Plain).detection(maps, content, size).unwrap();
        assert_eq!(detection.score, 2.0);
        // The map is the upper half of what the whole input would get.
        assert_eq!(detection.anomaly_map.values, map.resize(8, 8).unwrap().values[..32]);
    }
}
