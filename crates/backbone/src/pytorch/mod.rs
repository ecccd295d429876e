//! State dictionaries as `torch.save` writes them: a zip archive, or before PyTorch 1.6 a sequence
//! of pickles followed by the values.

mod cursor;
mod pickle;
mod state_dict;
mod storage;
mod zip;

use std::path::Path;

use crate::error::WeightsError;
use crate::weights::{Weights, read};

impl Weights {
    /// Reads the state dictionary in a `.pth` file; see [`from_pytorch`](Self::from_pytorch).
    ///
    /// # Errors
    /// [`WeightsError::Io`] if the file cannot be read, otherwise as
    /// [`from_pytorch`](Self::from_pytorch).
    pub fn read_pytorch(path: impl AsRef<Path>) -> Result<Self, WeightsError> {
        Self::from_pytorch(&read(path.as_ref())?)
    }

    /// Reads a state dictionary as `torch.save` writes it, with f32, f16 or bf16 tensors.
    ///
    /// Both the zip format and the one before PyTorch 1.6 are read; the dictionary is the whole
    /// content or lies under the key `state_dict`. No code of the file is run, and memory stays in
    /// proportion to its length.
    ///
    /// # Errors
    /// [`WeightsError::Pytorch`] if the bytes are not such a file, [`WeightsError::ElementType`]
    /// for a tensor of another element type.
    pub fn from_pytorch(bytes: &[u8]) -> Result<Self, WeightsError> {
        state_dict::read(bytes)
    }
}

fn malformed(offset: usize, expected: impl Into<String>, found: impl Into<String>) -> WeightsError {
    WeightsError::Pytorch { offset, expected: expected.into(), found: found.into() }
}
