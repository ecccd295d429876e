use nfbmr_calibration::Verdict;
use nfbmr_data::{Rect, Size};
use serde::{Deserialize, Serialize};

use crate::config::{Fusion, Pooling};
use crate::error::PipelineError;
use crate::map::ScoreMap;
use crate::maps::Maps;
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
    /// The map pooled like the image score.
    pub score: f32,
    /// The map by position of the features.
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
    /// The mean of those of several levels, whose maps are averaged too.
    pub(crate) fn mean(levels: &[Self]) -> Self {
        let share = 1.0 / levels.len().max(1) as f64;
        let mean = |of: fn(&Self) -> f64| share * levels.iter().map(of).sum::<f64>();
        Self { source: mean(|level| level.source), target: mean(|level| level.target) }
    }
}

/// How maps become a [`Detection`].
pub(crate) struct Scoring<'a> {
    pub(crate) fusion: Fusion,
    pub(crate) pooling: Pooling,
    pub(crate) normalization: Option<Normalization>,
    /// Channels of the features.
    pub(crate) channels: usize,
    /// Side of the network input.
    pub(crate) input: u32,
    /// What of an image is inspected, if not all of it.
    pub(crate) mask: Option<&'a Mask>,
}

impl Scoring<'_> {
    /// Scores one image of `size` whose pixels lie in `content` of the network input.
    pub(crate) fn detection(
        &self,
        maps: Maps<ScoreMap, f32>,
        content: Rect,
        size: Size,
    ) -> Result<Detection, PipelineError> {
        let at_size = |map: &ScoreMap| {
            let mut map = map.resize_content(content, self.input, size)?;
            self.mask.iter().for_each(|mask| mask.clear(&mut map));
            Ok::<_, PipelineError>(map)
        };
        match maps {
            Maps::Residuals { source, target, likelihood } => {
                let fused = self.fuse(source.as_ref(), &target, likelihood.as_ref());
                let cells = self.cells(&fused, content);
                let component = |map: ScoreMap| Component { score: self.pool(&map, &cells), map };
                Ok(Detection {
                    score: self.pool(&fused, &cells),
                    verdict: None,
                    anomaly_map: at_size(&fused)?,
                    anomalous_pixels: None,
                    source: source.map(component),
                    target: Some(component(target)),
                    likelihood: likelihood.map(component),
                })
            }
            Maps::Likelihood(map) => {
                let anomaly_map = at_size(&map)?;
                let score = self.pool(&map, &self.cells(&map, content));
                let likelihood = Component { score, map };
                let detection = Detection::new(likelihood.score, anomaly_map);
                Ok(Detection { likelihood: Some(likelihood), ..detection })
            }
            Maps::Scored { map, score } => Ok(Detection::new(score, at_size(&map)?)),
        }
    }

    /// Equation (14): the mean of the maps that there are, each in its own unit if so configured.
    fn fuse(
        &self,
        source: Option<&ScoreMap>,
        target: &ScoreMap,
        likelihood: Option<&ScoreMap>,
    ) -> ScoreMap {
        let units = match (self.fusion, self.normalization) {
            (Fusion::Plain, _) | (_, None) => (1.0, 1.0),
            (_, Some(Normalization { source, target })) => (source as f32, target as f32),
        };
        let likelihood = likelihood.filter(|_| self.fusion == Fusion::WithLikelihood);
        let likelihood = likelihood.map(|map| (map, self.channels as f32 / 2.0));
        let source = source.map(|map| (map, units.0));
        let maps: Vec<_> =
            source.into_iter().chain([(target, units.1)]).chain(likelihood).collect();
        let mut fused = ScoreMap { values: vec![0.0; target.values.len()], ..*target };
        for (map, unit) in &maps {
            for (fused, value) in fused.values.iter_mut().zip(&map.values) {
                *fused += value / unit / maps.len() as f32;
            }
        }
        fused
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
        let inspected = self.mask.map(|mask| mask.cells(map, content, self.input));
        // In an image so narrow that none of its few pixels is inspected, all are.
        let inspected = inspected.filter(|cells| cells.contains(&true));
        let cells = rows.flat_map(|row| columns.clone().map(move |column| row * width + column));
        cells.filter(|&cell| inspected.as_ref().is_none_or(|inspected| inspected[cell])).collect()
    }

    /// Pools these cells of a map.
    #[expect(clippy::indexing_slicing, reason = "cells of the map")]
    fn pool(&self, map: &ScoreMap, cells: &[usize]) -> f32 {
        self.pooling.pool(cells.iter().map(|&cell| map.values[cell]).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scoring(fusion: Fusion) -> Scoring<'static> {
        let normalization = Some(Normalization { source: 4.0, target: 2.0 });
        Scoring { fusion, pooling: Pooling::Max, normalization, channels: 6, input: 64, mask: None }
    }

    fn map(values: [f32; 4]) -> ScoreMap {
        ScoreMap { width: 2, height: 2, values: values.to_vec() }
    }

    #[test]
    fn fusion_as_defined() {
        let (source, target) = (map([4.0, 0.0, 8.0, 4.0]), map([2.0, 2.0, 0.0, 6.0]));
        let likelihood = map([3.0, -1.5, 3.0, 0.0]);
        let fuse = |fusion| scoring(fusion).fuse(Some(&source), &target, Some(&likelihood)).values;
        assert_eq!(fuse(Fusion::Plain), [3.0, 1.0, 4.0, 5.0]);
        assert_eq!(fuse(Fusion::Normalized), [1.0, 0.5, 1.0, 2.0]);
        let with_likelihood = fuse(Fusion::WithLikelihood);
        for (found, expected) in with_likelihood.iter().zip([3.0, 0.5, 3.0, 4.0]) {
            assert!((found - expected / 3.0).abs() < 1e-6, "{with_likelihood:?}");
        }
        assert_eq!(scoring(Fusion::Plain).fuse(None, &target, None), target);
        let without = scoring(Fusion::WithLikelihood).fuse(Some(&source), &target, None);
        assert_eq!(without.values, fuse(Fusion::Normalized));
    }

    #[test]
    fn letterbox_borders_take_no_part() {
        let content = Rect { x: 0, y: 0, width: 64, height: 32 };
        let size = Size { width: 8, height: 4 };
        let map = map([1.0, 2.0, 9.0, 9.0]);
        let maps = Maps::Likelihood(map.clone());
        let detection = scoring(Fusion::Plain).detection(maps, content, size).unwrap();
        assert_eq!(detection.score, 2.0);
        // The map is the upper half of what the whole input would get.
        assert_eq!(detection.anomaly_map.values, map.resize(8, 8).unwrap().values[..32]);
    }
}
