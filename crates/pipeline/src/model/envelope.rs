//! What files of both kinds of model share: the format's version, the metadata entries, how a file is opened.

use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{ModelError, PipelineError};
use crate::file::is_whole;

/// The version of the format of model files. 0 is not frozen yet: files are for the version that wrote them.
pub const FORMAT_VERSION: u64 = 0;

/// The metadata entry of the model of one training.
pub(crate) const MODEL: &str = "nfbmr";
/// The metadata entry of the models of several folds.
pub(crate) const FOLDS: &str = "nfbmr-cross-fitted";
/// The tensors of the backbones' weights.
pub(crate) const BACKBONE: &str = "backbone";
pub(crate) const TARGET_BACKBONE: &str = "target_backbone";

/// Read before the rest, which another version may hold differently.
#[derive(Deserialize)]
struct Version {
    format_version: u64,
}

/// Whether the content of a file is that of a [`CrossFitted`](crate::CrossFitted) model.
pub(crate) fn is_cross_fitted(bytes: &[u8]) -> bool {
    let metadata = SafeTensors::read_metadata(bytes);
    metadata.is_ok_and(|(_, header)| has_entry(&header, FOLDS))
}

fn has_entry(header: &safetensors::tensor::Metadata, entry: &str) -> bool {
    header.metadata().as_ref().is_some_and(|entries| entries.contains_key(entry))
}

/// The metadata entry and the tensors of a whole file of the known version.
pub(crate) fn open<'a, M: DeserializeOwned>(
    bytes: &'a [u8],
    entry: &str,
) -> Result<(M, SafeTensors<'a>), ModelError> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let metadata = header.metadata().as_ref().and_then(|entries| entries.get(entry));
    let other_kind = || match [MODEL, FOLDS].iter().any(|e| has_entry(&header, e)) {
        true => ModelError::Kind { cross_fitted: entry == MODEL },
        false => ModelError::Foreign,
    };
    let metadata = metadata.ok_or_else(other_kind)?;
    let Version { format_version } = serde_json::from_str(metadata)?;
    if format_version != FORMAT_VERSION {
        return Err(ModelError::Version { found: format_version, expected: FORMAT_VERSION });
    }
    let tensors = SafeTensors::deserialize(bytes)?;
    if !is_whole(metadata, &tensors)? {
        return Err(ModelError::Damaged);
    }
    Ok((serde_json::from_str(metadata)?, tensors))
}

/// The work on a model file, an error of which has its path.
pub(crate) fn at<T>(
    path: &Path,
    work: impl FnOnce(&Path) -> Result<T, ModelError>,
) -> Result<T, PipelineError> {
    work(path).map_err(|source| PipelineError::Model { path: path.to_owned(), source })
}

pub(crate) fn check_dtype(
    name: &str,
    view: &TensorView<'_>,
    dtype: Dtype,
    expected: &'static str,
) -> Result<(), ModelError> {
    match view.dtype() {
        found if found == dtype => Ok(()),
        found => Err(ModelError::DType { name: name.to_owned(), expected, found }),
    }
}
