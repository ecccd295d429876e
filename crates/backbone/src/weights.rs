use std::collections::BTreeMap;
use std::path::Path;

use crate::error::WeightsError;

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

/// Named tensors of a network, in the naming of `efficientnet_pytorch` (`_blocks.3._bn1.weight`).
///
/// The step counters of batch normalisation (`num_batches_tracked`) are not kept.
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

    /// Reads a safetensors file with f32, f16 or bf16 tensors.
    ///
    /// # Errors
    /// [`WeightsError::Io`] if the file cannot be read, otherwise as
    /// [`from_safetensors`](Self::from_safetensors).
    pub fn read_safetensors(path: impl AsRef<Path>) -> Result<Self, WeightsError> {
        Self::from_safetensors(&read(path.as_ref())?)
    }

    /// The tensor of this name.
    pub fn get(&self, name: &str) -> Option<&WeightTensor> {
        self.tensors.get(name)
    }

    /// Takes a tensor out.
    pub fn remove(&mut self, name: &str) -> Option<WeightTensor> {
        self.tensors.remove(name)
    }

    /// Keeps the tensors whose name meets the condition.
    pub(crate) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.tensors.retain(|name, _| keep(name));
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

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, WeightsError> {
    std::fs::read(path).map_err(|source| WeightsError::Io { path: path.to_owned(), source })
}
