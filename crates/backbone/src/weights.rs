//! Named tensors in memory, whatever file they are from. Knows no network.

use std::collections::BTreeMap;
use std::path::Path;

use crate::weights_error::WeightsError;

/// How a zip archive starts.
const ZIP: &[u8] = b"PK\x03\x04";

/// How a pickle starts, the format of PyTorch before 1.6.
const PICKLE: &[u8] = b"\x80";

/// The values of one tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightTensor {
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl WeightTensor {
    /// The shape, outermost axis first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values, row-major.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

/// Named tensors of a network, and notes on them.
///
/// Backbones are loaded from the naming of `efficientnet_pytorch` (`_blocks.3._bn1.weight`), to
/// which [`import`](Self::import) converts others. The step counters of batch normalisation
/// (`num_batches_tracked`) are not kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights {
    tensors: BTreeMap<String, WeightTensor>,
    metadata: BTreeMap<String, String>,
}

impl Weights {
    /// An empty bag, to be filled with [`insert`](Self::insert).
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tensor, in place of one of the same name.
    ///
    /// # Errors
    /// [`WeightsError::Length`] if the number of values is not the product of the shape.
    pub fn insert(
        &mut self,
        name: impl Into<String>,
        shape: impl Into<Vec<usize>>,
        values: Vec<f32>,
    ) -> Result<(), WeightsError> {
        let (name, shape) = (name.into(), shape.into());
        let count = shape.iter().try_fold(1_usize, |count, &axis| count.checked_mul(axis));
        if count != Some(values.len()) {
            return Err(WeightsError::Length { name, shape, found: values.len() });
        }
        self.tensors.insert(name, WeightTensor { shape, values });
        Ok(())
    }

    /// Reads a safetensors or PyTorch file; see [`from_bytes`](Self::from_bytes).
    ///
    /// # Errors
    /// [`WeightsError::Io`] if the file cannot be read, otherwise as
    /// [`from_bytes`](Self::from_bytes).
    pub fn read(path: impl AsRef<Path>) -> Result<Self, WeightsError> {
        let path = path.as_ref();
        let io = |source| WeightsError::Io { path: path.to_owned(), source };
        Self::from_bytes(&nfbmr_files::read(path).map_err(io)?)
    }

    /// Reads the tensors of a safetensors or PyTorch file, as they are named there. The format is
    /// recognised by content.
    ///
    /// # Errors
    /// [`WeightsError::Format`] if it is neither format, otherwise as
    /// [`from_safetensors`](Self::from_safetensors) and [`from_pytorch`](Self::from_pytorch).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WeightsError> {
        // A safetensors file starts with the length of its header, 8 bytes that can be anything;
        // neither a zip archive nor PyTorch's magic number has an opening brace after 8 bytes.
        if bytes.get(8) == Some(&b'{') {
            return Self::from_safetensors(bytes);
        }
        if bytes.starts_with(ZIP) || bytes.starts_with(PICKLE) {
            return Self::from_pytorch(bytes);
        }
        let start = String::from_utf8_lossy(bytes.get(..16).unwrap_or(bytes));
        Err(WeightsError::Format { found: format!("{} bytes, {start:?} at first", bytes.len()) })
    }

    /// The tensor of this name.
    pub fn get(&self, name: &str) -> Option<&WeightTensor> {
        self.tensors.get(name)
    }

    /// Takes a tensor out.
    pub fn remove(&mut self, name: &str) -> Option<WeightTensor> {
        self.tensors.remove(name)
    }

    /// The tensors under other names, without those that get none.
    pub(crate) fn renamed(self, rename: impl Fn(&str) -> Option<String>) -> Self {
        let tensors = self.tensors.into_iter();
        let tensors = tensors.filter_map(|(name, tensor)| Some((rename(&name)?, tensor))).collect();
        Self { tensors, metadata: self.metadata }
    }

    /// Names and tensors, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &WeightTensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Number of tensors.
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether there is no tensor.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// Free-form notes of the file, such as source and licence.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Free-form notes that [`to_safetensors`](Self::to_safetensors) writes.
    pub fn metadata_mut(&mut self) -> &mut BTreeMap<String, String> {
        &mut self.metadata
    }
}
