use burn::tensor::Tensor;
use burn::tensor::module::adaptive_avg_pool2d;
use nfbmr_backbone::{Backbone, BackboneConfig};
use nfbmr_backend::Backend;

use crate::error::PipelineError;
use crate::target_cnn::joint;
use crate::traits::{FeatureExtractor, Target, TargetSpace};
use crate::weights::BackboneWeights;

/// A frozen backbone, of which the features of several blocks are put together or used one by one.
#[derive(Clone, Debug)]
pub struct Cnn<B: Backend> {
    backbone: Backbone<B>,
    blocks: Vec<usize>,
    separate: bool,
}

impl<B: Backend> Cnn<B> {
    /// The blocks of a valid configuration, ascending, the last that of `config`; `separate` makes each a
    /// level of its own.
    pub(crate) fn load(
        config: &BackboneConfig,
        blocks: Vec<usize>,
        separate: bool,
        weights: &BackboneWeights,
        device: &B::Device,
    ) -> Result<Self, PipelineError> {
        let backbone = Backbone::load(config, &weights.parse()?, device)?;
        Ok(Self { backbone, blocks, separate })
    }

    /// The backbone, loaded to the last of the blocks.
    pub fn backbone(&self) -> &Backbone<B> {
        &self.backbone
    }

    /// The blocks, ascending.
    pub fn blocks(&self) -> &[usize] {
        &self.blocks
    }

    /// The blocks of each level: all of them, or one each.
    pub(crate) fn level_blocks(&self) -> Vec<&[usize]> {
        match self.separate {
            true => self.blocks.chunks(1).collect(),
            false => vec![&self.blocks],
        }
    }

    /// Channels, rows and columns of the features of each level, of images of this side.
    pub(crate) fn level_shapes(&self, side: u32) -> Result<Vec<[usize; 3]>, PipelineError> {
        let side = side as usize;
        let shape = |&block: &usize| {
            BackboneConfig { block, ..*self.backbone.config() }.output_shape(side, side)
        };
        let shapes: Vec<_> = self.blocks.iter().map(shape).collect::<Result<_, _>>()?;
        Ok(match self.separate {
            true => shapes,
            false => vec![joint(&shapes)],
        })
    }

    /// The features of each level, `[N, C, H, W]` with a shape of its own; of images as [`extract`] takes
    /// them.
    ///
    /// [`extract`]: FeatureExtractor::extract
    pub(crate) fn levels(&self, images: Tensor<B, 4>) -> Result<Vec<Tensor<B, 4>>, PipelineError> {
        match self.separate {
            true => self.block_features(images),
            false => Ok(vec![self.extract(images)?]),
        }
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

impl<B: Backend> FeatureExtractor<B> for Cnn<B> {
    /// The features of earlier blocks are averaged to the grid of the last and come before its channels.
    fn extract(&self, images: Tensor<B, 4>) -> Result<Tensor<B, 4>, PipelineError> {
        let mut features = self.block_features(images)?;
        if features.len() == 1 {
            return Ok(features.remove(0));
        }
        let grid = features.last().map_or([1; 2], |last| [last.dims()[2], last.dims()[3]]);
        let to_grid = |features: Tensor<B, 4>| match features.dims()[2..] == grid {
            true => features,
            false => adaptive_avg_pool2d(features, grid),
        };
        Ok(Tensor::cat(features.into_iter().map(to_grid).collect(), 1))
    }
}

impl<B: Backend> TargetSpace<B> for Cnn<B> {
    fn target(&self, images: &Tensor<B, 4>, _: &Tensor<B, 4>) -> Result<Target<B>, PipelineError> {
        Ok(Target { features: self.extract(images.clone())?, likelihood: None })
    }
}
