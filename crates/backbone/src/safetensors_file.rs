//! Weights from and to safetensors files, in reproducible bytes. Knows no network.

use std::collections::BTreeMap;

use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::weights::{WeightTensor, Weights};
use crate::weights_error::WeightsError;

/// The file starts with the length of the header in this many bytes.
const PREFIX: usize = 8;

/// The header is padded to a multiple of this many bytes, so that the values after it are aligned.
const ALIGNMENT: usize = 8;

/// Element type that weights are stored in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Storage {
    /// 32 bits, lossless.
    F32,
    /// 16 bits: half the size, about three significant digits.
    F16,
}

impl Weights {
    /// Reads the bytes of a safetensors file with f32, f16 or bf16 tensors.
    ///
    /// # Errors
    /// [`WeightsError::Safetensors`] if the bytes are not such a file,
    /// [`WeightsError::ElementType`] for a tensor of another element type.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, WeightsError> {
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        let mut weights = Self::new();
        if let Some(metadata) = header.metadata() {
            let pairs = metadata.iter().map(|(key, value)| (key.clone(), value.clone()));
            weights.metadata_mut().extend(pairs);
        }
        for (name, view) in SafeTensors::deserialize(bytes)?.iter() {
            if !name.ends_with("num_batches_tracked") {
                weights.insert(name, view.shape(), decode(name, &view)?)?;
            }
        }
        Ok(weights)
    }

    /// The bytes of a safetensors file with these tensors and the [`metadata`](Self::metadata).
    ///
    /// The same weights always give the same bytes.
    ///
    /// # Errors
    /// [`WeightsError::HalfOverflow`] if a finite value is too large for [`Storage::F16`],
    /// [`WeightsError::Safetensors`] if the names do not make a valid header.
    pub fn to_safetensors(&self, storage: Storage) -> Result<Vec<u8>, WeightsError> {
        let dtype = match storage {
            Storage::F32 => Dtype::F32,
            Storage::F16 => Dtype::F16,
        };
        let mut encoded = Vec::with_capacity(self.len());
        for (name, tensor) in self.iter() {
            encoded.push((name, tensor.shape(), encode(name, tensor, storage)?));
        }
        let mut views = Vec::with_capacity(encoded.len());
        for (name, shape, bytes) in &encoded {
            views.push((*name, TensorView::new(dtype, shape.to_vec(), bytes)?));
        }
        with_metadata(safetensors::serialize(views, None)?, self.metadata())
    }
}

fn decode(name: &str, view: &TensorView<'_>) -> Result<Vec<f32>, WeightsError> {
    let pairs = || view.data().as_chunks().0.iter().copied();
    match view.dtype() {
        Dtype::F32 => {
            let words = view.data().as_chunks().0.iter().copied();
            Ok(words.map(f32::from_le_bytes).collect())
        }
        Dtype::F16 => Ok(pairs().map(|pair| f16::from_le_bytes(pair).to_f32()).collect()),
        Dtype::BF16 => Ok(pairs().map(|pair| bf16::from_le_bytes(pair).to_f32()).collect()),
        other => Err(WeightsError::ElementType { name: name.to_owned(), found: other.to_string() }),
    }
}

fn encode(name: &str, tensor: &WeightTensor, storage: Storage) -> Result<Vec<u8>, WeightsError> {
    if storage == Storage::F32 {
        return Ok(tensor.values().iter().flat_map(|value| value.to_le_bytes()).collect());
    }
    let mut bytes = Vec::with_capacity(2 * tensor.values().len());
    for (index, &value) in tensor.values().iter().enumerate() {
        let half = f16::from_f32(value);
        if value.is_finite() && !half.is_finite() {
            return Err(WeightsError::HalfOverflow { name: name.to_owned(), index, value });
        }
        bytes.extend(half.to_le_bytes());
    }
    Ok(bytes)
}

/// Puts the metadata into a file written without any.
///
/// The crate takes metadata as a hash map and writes it in the map's random order; spliced in
/// sorted, the same weights give the same bytes.
#[expect(clippy::indexing_slicing, reason = "the crate wrote a prefix, and a header with a brace")]
fn with_metadata(
    plain: Vec<u8>,
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, WeightsError> {
    if metadata.is_empty() {
        return Ok(plain);
    }
    let (length, _) = SafeTensors::read_metadata(&plain)?;
    let (tensors, values) = plain[PREFIX..].split_at(length);
    let notes = serde_json::to_string(metadata).map_err(safetensors::SafeTensorError::from)?;
    let mut header = format!("{{\"__metadata__\":{notes}").into_bytes();
    let entries = tensors[1..].trim_ascii_end();
    if entries != b"}" {
        header.push(b',');
    }
    header.extend(entries);
    header.resize(header.len().next_multiple_of(ALIGNMENT), b' ');
    let mut file = Vec::with_capacity(PREFIX + header.len() + values.len());
    file.extend((header.len() as u64).to_le_bytes());
    file.extend(header);
    file.extend(values);
    Ok(file)
}
