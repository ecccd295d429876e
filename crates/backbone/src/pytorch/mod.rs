//! State dictionaries as `torch.save` writes them: a zip archive, or before PyTorch 1.6 a sequence
//! of pickles followed by the values.

mod cursor;
mod element;
mod pickle;
mod state_dict;
mod storage;
mod zip;

use crate::weights::Weights;
use crate::weights_error::WeightsError;

impl Weights {
    /// Reads a state dictionary as `torch.save` writes it, with f32, f16 or bf16 tensors.
    ///
    /// Both the zip format and the one before PyTorch 1.6 are read; the dictionary is the whole
    /// content or lies under the key `state_dict`. No code of the file is run: one that names a
    /// class or function other than those of tensors is refused with that name. Before any value
    /// is read, each block of values has to be there in exactly the length that the tensors claim,
    /// so memory stays in proportion to the length of the file.
    ///
    /// # Errors
    /// [`WeightsError::Pytorch`] if the bytes are not such a file, [`WeightsError::StorageLength`]
    /// for values that are missing, cut or longer than claimed, [`WeightsError::ElementType`] for a
    /// tensor of another element type.
    pub fn from_pytorch(bytes: &[u8]) -> Result<Self, WeightsError> {
        state_dict::read(bytes)
    }
}
