use burn::tensor::Tensor;
use nfbmr_backend::Backend;
use nfbmr_bmr::{Bmr, Bpfm, residual_map};

use crate::error::PipelineError;
use crate::traits::{BidirectionalMapper, Residuals};

/// The mapping network of a system.
#[derive(Clone, Debug)]
pub(crate) enum Mapper<B: Backend> {
    Bmr(Box<Bmr<B>>),
    Bpfm(Box<Bpfm<B>>),
}

impl<B: Backend> BidirectionalMapper<B> for Mapper<B> {
    fn residuals(&self, y: Tensor<B, 4>, z: Tensor<B, 4>) -> Result<Residuals<B>, PipelineError> {
        match self {
            Self::Bmr(bmr) => bmr.residuals(y, z),
            Self::Bpfm(bpfm) => bpfm.residuals(y, z),
        }
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
