use std::path::Path;

use nfbmr_backend::Backend;

use crate::cross_file;
use crate::error::PipelineError;
use crate::model_file;
use crate::traits::AnomalyModel;
use crate::weights::BackboneWeights;

/// Reads a model file of either kind, an ordinary [`Pipeline`](crate::Pipeline) or a
/// [`CrossFitted`](crate::CrossFitted) one, told by its content.
///
/// # Errors
/// As [`Pipeline::load`](crate::Pipeline::load).
pub fn load<B: Backend>(
    path: impl AsRef<Path>,
    weights: Option<&BackboneWeights>,
    device: &B::Device,
) -> Result<Box<dyn AnomalyModel>, PipelineError> {
    B::probe(device)?;
    let path = path.as_ref();
    let load = || -> Result<Box<dyn AnomalyModel>, _> {
        let bytes = nfbmr_files::read(path)?;
        Ok(match model_file::is_cross_fitted(&bytes) {
            true => Box::new(cross_file::from_bytes::<B>(&bytes, weights, device)?),
            false => Box::new(model_file::load::<B>(&bytes, weights, device)?),
        })
    };
    load().map_err(|source| PipelineError::Model { path: path.to_owned(), source })
}
