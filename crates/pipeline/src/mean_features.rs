use burn::tensor::Tensor;
use image::DynamicImage;
use nfbmr_backend::Backend;

use crate::error::PipelineError;
use crate::images::to_tensor;
use crate::pipeline::Pipeline;

/// The features of an image, each averaged over the positions: what a picture of the spaces is drawn from.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MeanFeatures {
    /// Of the source space, a value a channel, level by level; whitened where a flow sees them so.
    pub source: Vec<f32>,
    /// Of the target space: what the flow or the second CNN gives, of a system that has one.
    pub target: Option<Vec<f32>>,
}

impl<B: Backend> Pipeline<B> {
    /// Source and target features of an image of any size, averaged over the positions of the network's
    /// input.
    ///
    /// # Errors
    /// If the image has no pixels.
    pub fn mean_features(&self, image: &DynamicImage) -> Result<MeanFeatures, PipelineError> {
        let input = to_tensor(&self.config.cut(self.config.fit(image)?.image), &self.device);
        let mut y = self.source.levels(input.clone())?;
        for (y, flow) in y.iter_mut().zip(self.flows()) {
            *y = flow.whiten(y.clone())?;
        }
        let means = |levels: Vec<Tensor<B, 4>>| levels.into_iter().flat_map(mean).collect();
        let target = self.head.targets(&input, &y)?.map(means);
        Ok(MeanFeatures { source: means(y), target })
    }
}

/// Of features `[N, C, H, W]` over tiles and positions.
fn mean<B: Backend>(features: Tensor<B, 4>) -> Vec<f32> {
    let [tiles, channels, height, width] = features.dims();
    let means = features.swap_dims(0, 1).reshape([channels, tiles * height * width]).mean_dim(1);
    means.into_data().iter::<f32>().collect()
}
