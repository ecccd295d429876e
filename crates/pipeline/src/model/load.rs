//! Reading a model file of either kind, told by its content.

use std::path::Path;

use nfbmr_backend::Backend;

use super::envelope::{at, is_cross_fitted};
use super::{AnomalyModel, CrossFitted, ModelInfo, Pipeline, cross_file, model_file};
use crate::error::PipelineError;
use crate::features::BackboneWeights;

/// A model of either kind.
#[derive(Debug)]
pub enum Loaded<B: Backend> {
    /// Of one training.
    Pipeline(Box<Pipeline<B>>),
    /// Of several folds.
    CrossFitted(CrossFitted<B>),
}

impl<B: Backend> From<Loaded<B>> for Box<dyn AnomalyModel> {
    fn from(loaded: Loaded<B>) -> Self {
        match loaded {
            Loaded::Pipeline(model) => model,
            Loaded::CrossFitted(model) => Box::new(model),
        }
    }
}

/// Reads a model file of either kind, an ordinary [`Pipeline`](crate::Pipeline) or a
/// [`CrossFitted`](crate::CrossFitted) one, told by its content.
///
/// # Errors
/// As [`Pipeline::load`](crate::Pipeline::load).
pub fn load<B: Backend>(
    path: impl AsRef<Path>,
    weights: Option<&BackboneWeights>,
    device: &B::Device,
) -> Result<Loaded<B>, PipelineError> {
    B::probe(device)?;
    at(path.as_ref(), |path| {
        let bytes = nfbmr_files::read(path)?;
        Ok(match is_cross_fitted(&bytes) {
            true => Loaded::CrossFitted(cross_file::from_bytes(&bytes, weights, device)?),
            false => Loaded::Pipeline(Box::new(model_file::from_bytes(bytes, weights, device)?)),
        })
    })
}

impl ModelInfo {
    /// Reads a model file of either kind.
    ///
    /// # Errors
    /// [`PipelineError::Model`] with the path and what is wrong; that the networks fit the configuration
    /// is not looked at.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, PipelineError> {
        at(path.as_ref(), |path| {
            let bytes = nfbmr_files::read(path)?;
            match is_cross_fitted(&bytes) {
                true => cross_file::info(&bytes),
                false => Ok(model_file::info(&bytes)?.0),
            }
        })
    }
}
