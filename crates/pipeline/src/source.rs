use burn::tensor::Tensor;
use burn::tensor::module::adaptive_avg_pool2d;
use nfbmr_backbone::{Backbone, Weights};
use nfbmr_backend::Backend;

use crate::config::PipelineConfig;
use crate::error::PipelineError;
use crate::traits::FeatureExtractor;

/// The source network: a frozen backbone, of which the features of several blocks are put together.
///
/// Those of earlier blocks are averaged to the grid of the last and come before its channels.
#[derive(Clone, Debug)]
pub struct SourceNetwork<B: Backend> {
    backbone: Backbone<B>,
    blocks: Vec<usize>,
}

impl<B: Backend> SourceNetwork<B> {
    /// Of a valid configuration.
    pub(crate) fn load(
        config: &PipelineConfig,
        weights: &Weights,
        device: &B::Device,
    ) -> Result<Self, PipelineError> {
        let backbone = Backbone::load(&config.backbone, weights, device)?;
        Ok(Self { backbone, blocks: config.blocks() })
    }

    /// The backbone, loaded to the last of the blocks.
    pub fn backbone(&self) -> &Backbone<B> {
        &self.backbone
    }

    /// The blocks, ascending.
    pub fn blocks(&self) -> &[usize] {
        &self.blocks
    }
}

impl<B: Backend> FeatureExtractor<B> for SourceNetwork<B> {
    fn extract(&self, images: Tensor<B, 4>) -> Result<Tensor<B, 4>, PipelineError> {
        let device = images.device();
        let by_channel =
            |values: [f32; 3]| Tensor::<B, 1>::from_floats(values, &device).reshape([1, 3, 1, 1]);
        let normalization = self.backbone.normalization();
        let x = (images - by_channel(normalization.mean)) / by_channel(normalization.std);
        if self.blocks.len() == 1 {
            return Ok(self.backbone.forward(x)?);
        }
        let features = self.backbone.forward_blocks(x, &self.blocks)?;
        let grid = features.last().map_or([1; 2], |last| [last.dims()[2], last.dims()[3]]);
        let to_grid = |features: Tensor<B, 4>| match features.dims()[2..] == grid {
            true => features,
            false => adaptive_avg_pool2d(features, grid),
        };
        Ok(Tensor::cat(features.into_iter().map(to_grid).collect(), 1))
    }
}
