//! A frozen backbone as the extractor of features, level by level.

use burn::tensor::Tensor;
use burn::tensor::module::{adaptive_avg_pool2d, avg_pool2d};
use nfbmr_backbone::{Backbone, BackboneConfig};
use nfbmr_backend::Backend;
use nfbmr_onnx::{Graph, Matrix, Value};

use super::{BackboneWeights, CnnLevels, FeatureLevel, GraphLevel, reductions};
use crate::error::PipelineError;

/// The source space: images to features y (equation (1)).
pub trait FeatureExtractor<B: Backend>: Send + Sync {
    /// Images `[N, 3, S, S]` with values 0 to 1 to the features of each level, the finest first: `[N, C, H, W]`
    /// with a C, H and W of its own.
    ///
    /// # Errors
    /// If the shape doesn't suit the extractor.
    fn extract(&self, images: Tensor<B, 4>) -> Result<Vec<Tensor<B, 4>>, PipelineError>;
}

/// A frozen backbone, and the blocks whose features are used.
#[derive(Clone, Debug)]
pub struct Cnn<B: Backend> {
    backbone: Backbone<B>,
    levels: Vec<FeatureLevel>,
}

impl<B: Backend> Cnn<B> {
    /// With the weights of its backbone, which is loaded to the last block of the configuration.
    pub(crate) fn load(
        cnn: &CnnLevels,
        weights: &BackboneWeights,
        device: &B::Device,
    ) -> Result<Self, PipelineError> {
        let backbone = Backbone::load(&cnn.backbone, &weights.parse()?, device)?;
        Ok(Self { backbone, levels: cnn.levels.clone() })
    }

    /// The backbone, loaded to the last of the blocks.
    pub fn backbone(&self) -> &Backbone<B> {
        &self.backbone
    }

    /// The blocks, ascending.
    pub fn blocks(&self) -> Vec<usize> {
        blocks(&self.levels)
    }

    /// The blocks of each level, ascending.
    pub fn level_blocks(&self) -> Vec<&[usize]> {
        self.levels.iter().map(|level| &level.blocks[..]).collect()
    }

    /// The levels of its features.
    pub(crate) fn levels(&self) -> &[FeatureLevel] {
        &self.levels
    }

    /// The configuration to the last block of a level.
    pub(crate) fn config_of(&self, level: &FeatureLevel) -> BackboneConfig {
        let block = level.blocks.last().copied().unwrap_or_default();
        BackboneConfig { block, ..*self.backbone.config() }
    }

    /// [`FeatureExtractor::extract`] in a graph, of images `[N, 3, S, S]` with values 0 to 1 and
    /// this side.
    pub(crate) fn add_to(
        &self,
        graph: &mut Graph,
        images: &Value,
        side: u32,
    ) -> Result<Vec<GraphLevel>, PipelineError> {
        graph.part("backbone");
        let normalization = self.backbone.normalization();
        let [mean, std] = [normalization.mean, normalization.std]
            .map(|values| graph.floats(&[1, 3, 1, 1], &values));
        let x = graph.sub(images, &mean);
        let x = graph.div(&x, &std);
        let mut added: Vec<Option<GraphLevel>> = vec![None; self.levels.len()];
        for reduction in reductions(&self.levels) {
            let of_scale = |level: &FeatureLevel| level.reduction == reduction;
            let blocks = blocks(self.levels.iter().filter(|level| of_scale(level)));
            let x = match reduction {
                1 => x.clone(),
                _ => graph.average(&x, reduction, reduction, 0),
            };
            let side = side as usize / reduction;
            let features = self.backbone.add_to(graph, &x, [side; 2], &blocks)?;
            for (level, added) in self.levels.iter().zip(&mut added) {
                if of_scale(level) {
                    let all = blocks.iter().zip(&features);
                    let own = all.filter(|(block, _)| level.blocks.contains(block));
                    let mut joined = Vec::new();
                    for (&block, features) in own {
                        let [_, height, width] = self.backbone.config().shape(block, side, side)?;
                        joined.push(to_grid(graph, features, [height, width], level.grid));
                    }
                    let features = graph.concat(&joined, 1);
                    *added = Some(GraphLevel { features, grid: level.grid });
                }
            }
        }
        Ok(added.into_iter().flatten().collect())
    }

    /// The features of each of these blocks.
    fn block_features(
        &self,
        x: Tensor<B, 4>,
        blocks: &[usize],
    ) -> Result<Vec<Tensor<B, 4>>, PipelineError> {
        match blocks {
            [block] if *block == self.backbone.config().block => {
                Ok(vec![self.backbone.forward(x)?])
            }
            _ => Ok(self.backbone.forward_blocks(x, blocks)?),
        }
    }

    /// Images as the backbone was trained with.
    fn normalized(&self, images: Tensor<B, 4>) -> Tensor<B, 4> {
        let device = images.device();
        let by_channel =
            |values: [f32; 3]| Tensor::<B, 1>::from_floats(values, &device).reshape([1, 3, 1, 1]);
        let normalization = self.backbone.normalization();
        (images - by_channel(normalization.mean)) / by_channel(normalization.std)
    }
}

impl<B: Backend> FeatureExtractor<B> for Cnn<B> {
    /// The features of a level's earlier blocks are averaged to the grid of its last and come before its
    /// channels. The backbone runs once for each scale of the input that levels see.
    fn extract(&self, images: Tensor<B, 4>) -> Result<Vec<Tensor<B, 4>>, PipelineError> {
        let x = self.normalized(images);
        let mut extracted: Vec<Option<Tensor<B, 4>>> = vec![None; self.levels.len()];
        for reduction in reductions(&self.levels) {
            let of_scale = |level: &FeatureLevel| level.reduction == reduction;
            let blocks = blocks(self.levels.iter().filter(|level| of_scale(level)));
            let features = self.block_features(reduced(x.clone(), reduction), &blocks)?;
            for (level, extracted) in self.levels.iter().zip(&mut extracted) {
                if of_scale(level) {
                    let all = blocks.iter().zip(&features);
                    let own = all.filter(|(block, _)| level.blocks.contains(block));
                    *extracted = Some(put_together(own.map(|(_, own)| own.clone()).collect()));
                }
            }
        }
        Ok(extracted.into_iter().flatten().collect())
    }
}

/// The blocks of levels, ascending.
fn blocks<'a>(levels: impl IntoIterator<Item = &'a FeatureLevel>) -> Vec<usize> {
    let mut blocks: Vec<usize> =
        levels.into_iter().flat_map(|level| &level.blocks).copied().collect();
    blocks.sort_unstable();
    blocks.dedup();
    blocks
}

/// Images of which so many pixels along a side are averaged to one.
fn reduced<B: Backend>(images: Tensor<B, 4>, reduction: usize) -> Tensor<B, 4> {
    match reduction {
        1 => images,
        _ => avg_pool2d(images, [reduction; 2], [reduction; 2], [0; 2], true, false),
    }
}

/// Features of one block or more on the grid of the last, joined by channel.
fn put_together<B: Backend>(mut features: Vec<Tensor<B, 4>>) -> Tensor<B, 4> {
    if features.len() == 1 {
        return features.remove(0);
    }
    let grid = features.last().map_or([1; 2], |last| [last.dims()[2], last.dims()[3]]);
    let to_grid = |features: Tensor<B, 4>| match features.dims()[2..] == grid {
        true => features,
        false => adaptive_avg_pool2d(features, grid),
    };
    Tensor::cat(features.into_iter().map(to_grid).collect(), 1)
}

/// Features of so many rows and columns averaged to a grid, in a graph.
fn to_grid(graph: &mut Graph, x: &Value, from: [usize; 2], to: [usize; 2]) -> Value {
    if from == to {
        return x.clone();
    }
    let [[height, width], [rows, columns]] = [from, to];
    graph.along_sides(x, &adaptive_mean(height, rows), &adaptive_mean(width, columns))
}

/// The step of `adaptive_avg_pool2d` along one side.
fn adaptive_mean(from: usize, to: usize) -> Matrix {
    let row = |row: usize| {
        let cells = row * from / to..((row + 1) * from).div_ceil(to);
        (0..from).map(move |cell| match cells.contains(&cell) {
            true => 1.0 / cells.len() as f32,
            false => 0.0,
        })
    };
    Matrix { to, from, values: (0..to).flat_map(row).collect() }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use nfbmr_backend::Cpu;

    use super::*;

    #[test]
    fn a_grid_that_does_not_divide_evenly_is_averaged_as_burn_does() {
        let values: Vec<f32> = (0..7).map(|cell| (cell * cell) as f32).collect();
        for to in 1..=7 {
            let data = TensorData::new(values.clone(), [1, 1, 7, 1]);
            let x = Tensor::<Cpu, 4>::from_data(data, &Default::default());
            let pooled = adaptive_avg_pool2d(x, [to, 1]).into_data();
            let Matrix { values: weights, .. } = adaptive_mean(7, to);
            for (row, expected) in weights.chunks(7).zip(pooled.iter::<f32>()) {
                let found: f32 =
                    row.iter().zip(&values).map(|(weight, value)| weight * value).sum();
                assert!((found - expected).abs() < 1e-4, "{to}: {found} against {expected}");
            }
        }
    }
}
