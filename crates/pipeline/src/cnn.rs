use burn::tensor::Tensor;
use burn::tensor::module::adaptive_avg_pool2d;
use nfbmr_backbone::{Backbone, BackboneConfig};
use nfbmr_backend::Backend;

use crate::error::PipelineError;
use crate::target_cnn::joint;
use crate::traits::{FeatureExtractor, Target, TargetSpace};
use crate::weights::BackboneWeights;

/// A frozen backbone, and the blocks whose features are used.
#[derive(Clone, Debug)]
pub struct Cnn<B: Backend> {
    backbone: Backbone<B>,
    /// Ascending.
    blocks: Vec<usize>,
    /// Those whose features are put together, level by level.
    levels: Vec<Vec<usize>>,
}

impl<B: Backend> Cnn<B> {
    /// The levels of a valid configuration, the last block that of `config`.
    pub(crate) fn load(
        config: &BackboneConfig,
        levels: Vec<Vec<usize>>,
        weights: &BackboneWeights,
        device: &B::Device,
    ) -> Result<Self, PipelineError> {
        let backbone = Backbone::load(config, &weights.parse()?, device)?;
        let mut blocks = levels.concat();
        blocks.sort_unstable();
        blocks.dedup();
        Ok(Self { backbone, blocks, levels })
    }

    /// The backbone, loaded to the last of the blocks.
    pub fn backbone(&self) -> &Backbone<B> {
        &self.backbone
    }

    /// The blocks, ascending.
    pub fn blocks(&self) -> &[usize] {
        &self.blocks
    }

    /// The blocks of each level, ascending.
    pub fn level_blocks(&self) -> &[Vec<usize>] {
        &self.levels
    }

    /// Channels, rows and columns of the features of each level, of images of this side.
    pub(crate) fn level_shapes(&self, side: u32) -> Result<Vec<[usize; 3]>, PipelineError> {
        let side = side as usize;
        let shape = |&block: &usize| {
            BackboneConfig { block, ..*self.backbone.config() }.output_shape(side, side)
        };
        let level = |blocks: &Vec<usize>| {
            Ok(joint(&blocks.iter().map(shape).collect::<Result<Vec<_>, _>>()?))
        };
        self.levels.iter().map(level).collect()
    }

    /// The features of each level, `[N, C, H, W]` with a shape of its own; of images as [`extract`] takes
    /// them. Those of a level's earlier blocks are averaged to the grid of its last and come before its channels.
    ///
    /// # Errors
    /// As [`extract`].
    ///
    /// [`extract`]: FeatureExtractor::extract
    pub fn levels(&self, images: Tensor<B, 4>) -> Result<Vec<Tensor<B, 4>>, PipelineError> {
        let features = self.block_features(images)?;
        let level = |level: &Vec<usize>| {
            let own = self.blocks.iter().zip(&features).filter(|(block, _)| level.contains(block));
            put_together(own.map(|(_, features)| features.clone()).collect())
        };
        Ok(self.levels.iter().map(level).collect())
    }

    /// The features of each block.
    fn block_features(&self, images: Tensor<B, 4>) -> Result<Vec<Tensor<B, 4>>, PipelineError> {
        let device = images.device();
        let by_channel =
            |values: [f32; 3]| Tensor::<B, 1>::from_floats(values, &device).reshape([1, 3, 1, 1]);
        let normalization = self.backbone.normalization();
        let x = (images - by_channel(normalization.mean)) / by_channel(normalization.std);
        match self.blocks.len() {
            1 => Ok(vec![self.backbone.forward(x)?]),
            _ => Ok(self.backbone.forward_blocks(x, &self.blocks)?),
        }
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

impl<B: Backend> FeatureExtractor<B> for Cnn<B> {
    /// The features of all blocks: those of earlier ones are averaged to the grid of the last and come before
    /// its channels.
    fn extract(&self, images: Tensor<B, 4>) -> Result<Tensor<B, 4>, PipelineError> {
        Ok(put_together(self.block_features(images)?))
    }
}

impl<B: Backend> TargetSpace<B> for Cnn<B> {
    fn target(&self, images: &Tensor<B, 4>, _: &Tensor<B, 4>) -> Result<Target<B>, PipelineError> {
        Ok(Target { features: self.extract(images.clone())?, likelihood: None })
    }
}
