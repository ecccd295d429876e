//! Safetensors files of one metadata entry, with a checksum over all of their content as the tensor `sha256`.

use std::collections::{BTreeMap, HashMap};

use burn::tensor::TensorData;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use sha2::{Digest, Sha256};

/// The name of the tensor that holds the checksum.
pub(crate) const CHECKSUM: &str = "sha256";

/// The file of a metadata entry and tensors.
pub(crate) fn seal(
    entry: &str,
    metadata: String,
    tensors: Vec<(&str, TensorView<'_>)>,
) -> Result<Vec<u8>, SafeTensorError> {
    let checksum = checksum(&metadata, tensors.iter().map(|(name, view)| (*name, view.data())));
    let mut tensors: Vec<(&str, TensorView<'_>)> = tensors;
    tensors.push((CHECKSUM, TensorView::new(Dtype::U8, vec![checksum.len()], &checksum)?));
    safetensors::serialize(tensors, Some(HashMap::from([(entry.to_owned(), metadata)])))
}

/// Whether the metadata and the tensors are those that were sealed.
pub(crate) fn is_whole(metadata: &str, tensors: &SafeTensors<'_>) -> Result<bool, SafeTensorError> {
    let found = checksum(metadata, tensors.iter().map(|(name, view)| (name, view.data())));
    Ok(tensors.tensor(CHECKSUM)?.data() == found)
}

/// The values of an F32 tensor.
pub(crate) fn values(view: &TensorView<'_>) -> TensorData {
    let chunks = view.data().as_chunks::<4>().0.iter();
    let values: Vec<f32> = chunks.map(|bytes| f32::from_le_bytes(*bytes)).collect();
    TensorData::new(values, view.shape().to_vec())
}

/// SHA-256 of the metadata and of every other tensor by name. Shapes need no checksum: they have to fit
/// the configuration.
fn checksum<'a>(metadata: &str, tensors: impl Iterator<Item = (&'a str, &'a [u8])>) -> [u8; 32] {
    let mut hasher = Sha256::new_with_prefix(metadata);
    for (name, data) in tensors.collect::<BTreeMap<_, _>>() {
        if name != CHECKSUM {
            hasher.update(name);
            hasher.update(data);
        }
    }
    hasher.finalize().into()
}
