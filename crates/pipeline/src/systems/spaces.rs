//! What a system that maps is composed of: a target space, and what maps it and the source space to each other.

use burn::tensor::Tensor;
use nfbmr_backend::Backend;
use nfbmr_bmr::{Bmr, Bpfm, residual_map};

use crate::error::PipelineError;
use crate::features::{Cnn, FeatureExtractor};

/// The features of a level in both spaces.
#[derive(Clone, Debug)]
pub struct Target<B: Backend> {
    /// Source features `[N, C, H, W]` as the mapping sees them: whitened where a flow does.
    pub source: Tensor<B, 4>,
    /// Target features `[N, C', H, W]`.
    pub features: Tensor<B, 4>,
    /// Negative log-likelihood by position `[N, H, W]`, where the space has a density.
    pub likelihood: Option<Tensor<B, 3>>,
    /// The kind of each image, where the space tells kinds apart.
    pub kinds: Option<Vec<usize>>,
}

/// The kind of each image by the last level, the coarsest; none where kinds aren't told apart.
pub(super) fn kinds_of<B: Backend>(
    levels: &[Target<B>],
) -> impl Iterator<Item = Option<usize>> + use<B> {
    let kinds = levels.last().and_then(|level| level.kinds.clone());
    kinds.into_iter().flatten().map(Some).chain(std::iter::repeat(None))
}

/// The target space (equation (2)): a flow looks at the source features alone, a second CNN at the image.
pub trait TargetSpace<B: Backend>: Send + Sync {
    /// Both spaces, level by level, of images `[N, 3, S, S]` (0 to 1) with the source features `y` of each level.
    ///
    /// # Errors
    /// If a shape doesn't suit the space.
    fn target(
        &self,
        images: &Tensor<B, 4>,
        y: Vec<Tensor<B, 4>>,
    ) -> Result<Vec<Target<B>>, PipelineError>;
}

/// Both terms of the anomaly map (14), each `[N, H, W]`.
#[derive(Clone, Debug)]
pub struct Residuals<B: Backend> {
    /// ‖y − ŷ‖² by position; `None` for a mapper that goes to the target space alone.
    pub source: Option<Tensor<B, 3>>,
    /// ‖z − ẑ‖² by position.
    pub target: Tensor<B, 3>,
}

/// Maps each space to the other (equations (9) and (10)).
pub trait BidirectionalMapper<B: Backend>: Send + Sync {
    /// What the mapping of source features y and target features z, `[N, C, H, W]`, misses.
    ///
    /// # Errors
    /// If a shape doesn't suit the mapper.
    fn residuals(&self, y: Tensor<B, 4>, z: Tensor<B, 4>) -> Result<Residuals<B>, PipelineError>;
}

/// A second CNN, of as many levels as the first.
impl<B: Backend> TargetSpace<B> for Cnn<B> {
    fn target(
        &self,
        images: &Tensor<B, 4>,
        y: Vec<Tensor<B, 4>>,
    ) -> Result<Vec<Target<B>>, PipelineError> {
        let spaces = y.into_iter().zip(self.extract(images.clone())?);
        let level = |(source, features)| Target { source, features, likelihood: None, kinds: None };
        Ok(spaces.map(level).collect())
    }
}

impl<B: Backend> BidirectionalMapper<B> for Bmr<B> {
    fn residuals(&self, y: Tensor<B, 4>, z: Tensor<B, 4>) -> Result<Residuals<B>, PipelineError> {
        let mapped = self.forward(y.clone(), z.clone())?;
        let source = Some(residual_map(y, mapped.y));
        Ok(Residuals { source, target: residual_map(z, mapped.z) })
    }
}

impl<B: Backend> BidirectionalMapper<B> for Bpfm<B> {
    fn residuals(&self, y: Tensor<B, 4>, z: Tensor<B, 4>) -> Result<Residuals<B>, PipelineError> {
        let compared = self.forward(y, z)?;
        let source = compared.source.map(|pair| residual_map(pair.features, pair.mapped));
        let target = residual_map(compared.target.features, compared.target.mapped);
        Ok(Residuals { source, target })
    }
}
