use burn::tensor::Tensor;
use nfbmr_backend::Backend;
use nfbmr_bmr::residual_map;
use nfbmr_data::{Rect, Size};
use serde::{Deserialize, Serialize};

use crate::config::{Fusion, Pooling};
use crate::error::PipelineError;
use crate::map::ScoreMap;
use crate::traits::{BidirectionalMapper, FeatureExtractor, TargetSpace};

/// What a detector says of one image.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Detection {
    /// The image score: higher is more anomalous. Comparable between images of one model only.
    pub score: f32,
    /// The anomaly map at the image's own size.
    pub anomaly_map: ScoreMap,
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
        Self { score, anomaly_map, source: None, target: None, likelihood: None }
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
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalization {
    /// Mean of ‖y − ŷ‖² over positions and images.
    pub source: f64,
    /// Mean of ‖z − ẑ‖² over positions and images.
    pub target: f64,
}

/// The maps of a batch, still on the device, each `[N, H, W]`.
pub(crate) struct BatchMaps<B: Backend> {
    pub(crate) source: Tensor<B, 3>,
    pub(crate) target: Tensor<B, 3>,
    pub(crate) likelihood: Option<Tensor<B, 3>>,
}

/// Runs images `[N, 3, S, S]` (0 to 1) through the networks: both terms of (14).
pub(crate) fn batch_maps<B: Backend>(
    extractor: &dyn FeatureExtractor<B>,
    space: &dyn TargetSpace<B>,
    mapper: &dyn BidirectionalMapper<B>,
    images: Tensor<B, 4>,
) -> Result<BatchMaps<B>, PipelineError> {
    let y = extractor.extract(images.clone())?;
    let target = space.target(&images, &y)?;
    let z = target.features;
    let mapped = mapper.map(&y, &z)?;
    Ok(BatchMaps {
        source: residual_map(y, mapped.y),
        target: residual_map(z, mapped.z),
        likelihood: target.likelihood,
    })
}

/// `[N, H, W]` to one map per image.
pub(crate) fn to_maps<B: Backend>(maps: Tensor<B, 3>) -> Vec<ScoreMap> {
    let [_, height, width] = maps.dims();
    let values: Vec<f32> = maps.into_data().iter::<f32>().collect();
    let map = |values: &[f32]| ScoreMap {
        width: width as u32,
        height: height as u32,
        values: values.to_vec(),
    };
    values.chunks(width * height).map(map).collect()
}

/// How maps become a [`Detection`].
pub(crate) struct Scoring {
    pub(crate) fusion: Fusion,
    pub(crate) pooling: Pooling,
    pub(crate) normalization: Normalization,
    /// Side of the network input.
    pub(crate) input: u32,
}

impl Scoring {
    /// Scores one image of `size` whose pixels lie in `content` of the network input.
    pub(crate) fn detection(
        &self,
        source: ScoreMap,
        target: ScoreMap,
        likelihood: Option<ScoreMap>,
        content: Rect,
        size: Size,
    ) -> Result<Detection, PipelineError> {
        let fused = self.fuse(&source, &target);
        Ok(Detection {
            score: self.pool(&fused, content),
            anomaly_map: fused.resize_content(content, self.input, size)?,
            source: Some(self.component(source, content)),
            target: Some(self.component(target, content)),
            likelihood: likelihood.map(|map| self.component(map, content)),
        })
    }

    /// Equation (14), each direction in its own unit if so configured.
    fn fuse(&self, source: &ScoreMap, target: &ScoreMap) -> ScoreMap {
        let Normalization { source: source_mean, target: target_mean } = self.normalization;
        let (source_unit, target_unit) = match self.fusion {
            Fusion::Plain => (1.0, 1.0),
            Fusion::Normalized => (source_mean as f32, target_mean as f32),
        };
        let fuse = |(s, t): (&f32, &f32)| (s / source_unit + t / target_unit) / 2.0;
        let values = source.values.iter().zip(&target.values).map(fuse).collect();
        ScoreMap { width: source.width, height: source.height, values }
    }

    fn component(&self, map: ScoreMap, content: Rect) -> Component {
        Component { score: self.pool(&map, content), map }
    }

    /// Pools the cells that touch the image's content.
    fn pool(&self, map: &ScoreMap, content: Rect) -> f32 {
        let cells = |start: u32, length: u32, cells: u32| {
            let scale = f64::from(cells) / f64::from(self.input);
            let first = (f64::from(start) * scale).floor() as usize;
            let last = (f64::from(start + length) * scale).ceil() as usize;
            first..last.min(cells as usize)
        };
        let columns = cells(content.x, content.width, map.width);
        let rows = cells(content.y, content.height, map.height);
        let width = map.width as usize;
        let values = rows.flat_map(|row| &map.values[row * width..][columns.clone()]);
        self.pooling.pool(values.copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scoring(fusion: Fusion) -> Scoring {
        let normalization = Normalization { source: 4.0, target: 2.0 };
        Scoring { fusion, pooling: Pooling::Max, normalization, input: 64 }
    }

    fn map(values: [f32; 4]) -> ScoreMap {
        ScoreMap { width: 2, height: 2, values: values.to_vec() }
    }

    #[test]
    fn fusion_as_defined() {
        let (source, target) = (map([4.0, 0.0, 8.0, 4.0]), map([2.0, 2.0, 0.0, 6.0]));
        let fuse = |fusion| scoring(fusion).fuse(&source, &target).values;
        assert_eq!(fuse(Fusion::Plain), [3.0, 1.0, 4.0, 5.0]);
        assert_eq!(fuse(Fusion::Normalized), [1.0, 0.5, 1.0, 2.0]);
    }

    #[test]
    fn letterbox_borders_take_no_part() {
        let content = Rect { x: 0, y: 0, width: 64, height: 32 };
        let size = Size { width: 8, height: 4 };
        let map = map([1.0, 2.0, 9.0, 9.0]);
        let detection = scoring(Fusion::Plain)
            .detection(map.clone(), map.clone(), None, content, size)
            .unwrap();
        assert_eq!(detection.score, 2.0);
        // The map is the upper half of what the whole input would get.
        assert_eq!(detection.anomaly_map.values, map.resize(8, 8).unwrap().values[..32]);
    }
}
