//! From the maps of an image to its anomaly map and score.

use nfbmr_data::{Rect, Size};
use nfbmr_pose::Affine;

use super::{Component, Detection, Maps, Pooling, Rule, ScoreMap};
use crate::error::PipelineError;
use crate::input::{Aligned, Input};

/// Where an image lies in the input of the networks.
pub(crate) struct Placed<'a> {
    pub(crate) input: &'a Input,
    /// The part of the input that shows it.
    pub(crate) content: Rect,
    /// Its own size.
    pub(crate) size: Size,
    /// How it lies there, where it is aligned.
    pub(crate) aligned: Option<Aligned>,
}

impl Placed<'_> {
    /// Scores the image by its maps.
    pub(crate) fn detection(&self, maps: Maps) -> Result<Detection, PipelineError> {
        let Self { input, content, size, ref aligned } = *self;
        let located = aligned.as_ref().map(|aligned| aligned.located);
        let at_size = |map: &ScoreMap| {
            let inspected = input.mask.as_ref().map(|mask| mask.at(size));
            match aligned {
                Some(aligned) => self.on_image(map, aligned, inspected),
                None => {
                    Ok(ScoreMap { inspected, ..map.resize_content(content, input.size, size)? })
                }
            }
        };
        let (levels, rule, kind) = match maps {
            Maps::Levels { levels, rule, kind } => (levels, rule, kind),
            Maps::Scored { map, score } => {
                return Ok(Detection { located, ..Detection::new(score, at_size(&map)?) });
            }
            Maps::Score(score) => {
                return Ok(Detection { located, ..Detection::new(score, ScoreMap::none()) });
            }
        };
        let (mut fused, mut source) = (Vec::new(), Vec::new());
        let (mut target, mut likelihood) = (Vec::new(), Vec::new());
        for (maps, units) in levels.into_iter().zip(&rule.units) {
            fused.extend(rule.fuse(&maps, units));
            source.extend(maps.source.zip(Some(units.source)));
            target.extend(maps.target.zip(Some(units.target)));
            likelihood.extend(maps.likelihood.zip(Some(units.likelihood)));
        }
        // The coarsest level tells a defective part from a good one.
        let cells = fused.last().map(|(map, _)| self.cells(map.size())).unwrap_or_default();
        let pooling = self.pooling(&rule);
        let component = |levels: Vec<(ScoreMap, f64)>| {
            let score = levels.last().map(|(map, _)| pool(pooling, map, &cells));
            let map = across_levels(levels)?
                .map(|map| ScoreMap { inspected: self.inspected_cells(map.size()), ..map });
            Ok::<_, PipelineError>(score.zip(map).map(|(score, map)| Component { score, map }))
        };
        let mut fused = component(fused)?.ok_or_else(|| {
            PipelineError::Config("expected the maps of one level or more, found none".to_owned())
        })?;
        if let Some(&unit) = kind.and_then(|kind| rule.kind_units.get(kind)) {
            fused.score /= unit as f32;
            fused.map.values.iter_mut().for_each(|value| *value /= unit as f32);
        }
        Ok(Detection {
            source: component(source)?,
            target: component(target)?,
            likelihood: component(likelihood)?,
            located,
            kind,
            ..Detection::new(fused.score, at_size(&fused.map)?)
        })
    }

    /// The indices of the cells that touch the image's content, and what is inspected of it.
    #[expect(clippy::indexing_slicing, reason = "cells of the map")]
    pub(super) fn cells(&self, map: Size) -> Vec<usize> {
        let content = self.content;
        let cells = |start: u32, length: u32, cells: u32| {
            let scale = f64::from(cells) / f64::from(self.input.size);
            let first = (f64::from(start) * scale).floor() as usize;
            let last = (f64::from(start + length) * scale).ceil() as usize;
            first..last.min(cells as usize)
        };
        let columns = cells(content.x, content.width, map.width);
        let rows = cells(content.y, content.height, map.height);
        let width = map.width as usize;
        let inspected = self.inspected_cells(map);
        let cells = rows.flat_map(|row| columns.clone().map(move |column| row * width + column));
        cells.filter(|&cell| inspected.as_ref().is_none_or(|inspected| inspected[cell])).collect()
    }

    /// Whether each cell shows something that is inspected; `None` where all of the image is.
    fn inspected_cells(&self, map: Size) -> Option<Vec<bool>> {
        if let Some(aligned) = &self.aligned {
            return Some(aligned.cells(map, self.input.size));
        }
        let mask = self.input.mask.as_ref()?;
        Some(mask.cells(map, self.content, self.input.size))
    }

    /// The map over an image that is aligned. Outside of the part's box nothing is inspected; the map has its lowest value
    /// there.
    fn on_image(
        &self,
        map: &ScoreMap,
        aligned: &Aligned,
        inspected: Option<Vec<bool>>,
    ) -> Result<ScoreMap, PipelineError> {
        let Size { width, height } = self.size;
        let no_size = || PipelineError::Config("alignment: expected a part with a size".to_owned());
        let side = f64::from(self.input.size);
        let to_cells = [f64::from(map.width) / side, f64::from(map.height) / side];
        let to_map = aligned.to_image.inverse().ok_or_else(no_size)?;
        let to_map = to_map.then(&Affine::along_axes(to_cells, [0.0; 2]));
        let lowest = map.inspected_values().fold(f32::INFINITY, f32::min);
        let (mut values, mut inside) = (Vec::new(), Vec::new());
        for y in 0..height {
            for x in 0..width {
                let place = [f64::from(x) + 0.5, f64::from(y) + 0.5];
                let value = aligned.located.contains(place).then(|| map.at(to_map.apply(place)));
                inside.push(value.is_some());
                values.push(value.unwrap_or(lowest));
            }
        }
        if let Some(inspected) = inspected {
            inside.iter_mut().zip(inspected).for_each(|(inside, inspected)| *inside &= inspected);
        }
        Ok(ScoreMap { inspected: Some(inside), ..ScoreMap::new(width, height, values) })
    }

    /// How the map of the image is pooled: of the cells of a tile, whatever their number.
    pub(super) fn pooling(&self, rule: &Rule) -> Pooling {
        let times = f64::from(self.input.size) / f64::from(self.input.network_size());
        rule.pooling.over(times * times)
    }
}

/// Pools these cells of a map.
#[expect(clippy::indexing_slicing, reason = "cells of the map")]
fn pool(pooling: Pooling, map: &ScoreMap, cells: &[usize]) -> f32 {
    pooling.pool(cells.iter().map(|&cell| map.values[cell]).collect())
}

/// The mean of the maps of several levels on the grid of the first, each in its own unit and by the size of its
/// cells. The map of a single level stays as it is.
fn across_levels(mut levels: Vec<(ScoreMap, f64)>) -> Result<Option<ScoreMap>, PipelineError> {
    if levels.len() < 2 {
        return Ok(levels.pop().map(|(map, _)| map));
    }
    let sizes: Vec<(u32, f64)> = levels.iter().map(|(map, unit)| (map.width, *unit)).collect();
    ScoreMap::weighted_sum(levels.into_iter().map(|(map, _)| map).zip(shares(&sizes)))
}

/// What the maps of levels of so many columns, each in its unit, count for in their mean.
pub(super) fn shares(levels: &[(u32, f64)]) -> Vec<f32> {
    let size = |width: u32| 1.0 / f64::from(width);
    let sum: f64 = levels.iter().map(|&(width, _)| size(width)).sum();
    levels.iter().map(|&(width, unit)| (size(width) / sum / unit) as f32).collect()
}

#[cfg(test)]
mod tests {
    use nfbmr_data::Fit;

    use super::*;
    use crate::input::{AlignmentMotion, Augmentation};
    use crate::score::{Fusion, LevelMaps, Units};

    const UNITS: Units = Units { source: 4.0, target: 2.0, likelihood: 3.0 };

    fn rule(fusion: Fusion, levels: usize) -> Rule {
        Rule {
            fusion,
            pooling: Pooling::Max,
            units: vec![UNITS; levels],
            kind_units: vec![1.0, 2.0],
        }
    }

    fn input() -> Input {
        Input {
            size: 64,
            fit: Fit::Letterbox { fill: [0; 3] },
            white_level: None,
            mask: None,
            fill: [0; 3],
            alignment: AlignmentMotion::Off.into(),
            template: None,
            tiles: None,
            augmentation: Augmentation::Off,
        }
    }

    fn placed(input: &Input, content: Rect, size: Size) -> Placed<'_> {
        Placed { input, content, size, aligned: None }
    }

    fn map(values: [f32; 4]) -> ScoreMap {
        ScoreMap::new(2, 2, values.to_vec())
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
        let maps = Maps::Levels {
            levels: vec![level(map([60.0, 0.0, 0.0, 0.0])), level(coarse)],
            rule: rule(Fusion::Plain, 2).into(),
            kind: None,
        };
        let content = Rect { x: 0, y: 0, width: 64, height: 64 };
        let size = Size { width: 2, height: 2 };
        let found = placed(&input(), content, size).detection(maps).unwrap();
        assert_eq!((found.score, found.likelihood.unwrap().score), (3.0, 3.0));
        // A third of 60 over the unit 3, and two thirds of 3 over it.
        let peak = found.anomaly_map.values[0];
        assert!((peak - 22.0 / 3.0).abs() < 1e-5, "{peak}");
    }

    #[test]
    fn a_kind_has_a_unit_of_its_own() {
        let content = Rect { x: 0, y: 0, width: 64, height: 64 };
        let size = Size { width: 2, height: 2 };
        let values = [1.0, 2.0, 9.0, 3.0];
        let found = |kind| {
            let likelihood = Some(map(values));
            let levels = vec![LevelMaps { source: None, target: None, likelihood }];
            let maps = Maps::Levels { levels, rule: rule(Fusion::Plain, 1).into(), kind };
            placed(&input(), content, size).detection(maps).unwrap()
        };
        for (kind, unit) in [(None, 1.0), (Some(0), 1.0), (Some(1), 2.0)] {
            let found = found(kind);
            assert_eq!((found.kind, found.score), (kind, 9.0 / unit));
            assert_eq!(found.anomaly_map.values, values.map(|value| value / unit));
            // The parts are as they are.
            assert_eq!(found.likelihood.unwrap().score, 9.0);
        }
    }

    #[test]
    fn a_score_alone_has_no_map() {
        let content = Rect { x: 0, y: 0, width: 64, height: 64 };
        let size = Size { width: 8, height: 4 };
        let found = placed(&input(), content, size).detection(Maps::Score(3.0)).unwrap();
        assert_eq!((found.score, found.regions().unwrap()), (3.0, None));
        assert!(found.anomaly_map.is_none());
    }

    #[test]
    fn letterbox_borders_take_no_part() {
        let content = Rect { x: 0, y: 0, width: 64, height: 32 };
        let size = Size { width: 8, height: 4 };
        let map = map([1.0, 2.0, 9.0, 9.0]);
        let likelihood = Some(map.clone());
        let maps = Maps::Levels {
            levels: vec![LevelMaps { source: None, target: None, likelihood }],
            rule: rule(Fusion::Plain, 1).into(),
            kind: None,
        };
        let detection = placed(&input(), content, size).detection(maps).unwrap();
        assert_eq!(detection.score, 2.0);
        // The map is the upper half of what the whole input would get.
        assert_eq!(detection.anomaly_map.values, map.resize(8, 8).unwrap().values[..32]);
    }
}
