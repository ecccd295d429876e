//! Why a file of weights could not be read or written. Nothing else of the crate is known here.

use std::path::PathBuf;

use thiserror::Error;

/// Why weights could not be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The bytes are of neither format.
    #[error("expected weights as a safetensors or PyTorch file, found {found}")]
    Format {
        /// How they start.
        found: String,
    },
    /// The bytes are not a safetensors file.
    #[error("not a readable safetensors file: {0}")]
    Safetensors(#[from] safetensors::SafeTensorError),
    /// The bytes are not a PyTorch state dictionary.
    #[error("not a PyTorch state dictionary, at byte {offset}: expected {expected}, found {found}")]
    Pytorch {
        /// Where, in bytes from the start of the file (of the pickle inside a zip archive).
        offset: usize,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The values of a PyTorch file are not as long as its tensors say.
    #[error(
        "storage {key:?} of the PyTorch file: expected {expected} bytes, found {} (incomplete download?)",
        found.map_or("none".to_owned(), |found| found.to_string())
    )]
    StorageLength {
        /// Name of the storage.
        key: String,
        /// The length in bytes that the tensors claim.
        expected: u128,
        /// The length in bytes in the file; `None` if the storage is missing.
        found: Option<usize>,
    },
    /// A tensor has an element type that weights do not come in.
    #[error("tensor {name}: expected f32, f16 or bf16, found {found}")]
    ElementType {
        /// Name of the tensor.
        name: String,
        /// Its element type.
        found: String,
    },
    /// The number of values is not the product of the shape.
    #[error("tensor {name}: shape {shape:?} does not have {found} values")]
    Length {
        /// Name of the tensor.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// The number of values.
        found: usize,
    },
    /// A value too large to be stored as f16.
    #[error(
        "tensor {name}: {value} at index {index} does not fit in f16 (at most 65504): store f32 (`Storage::F32`, no `--f16`)"
    )]
    HalfOverflow {
        /// Name of the tensor.
        name: String,
        /// Index of the value, row-major.
        index: usize,
        /// The value.
        value: f32,
    },
}

impl WeightsError {
    /// Bytes that no state dictionary of PyTorch has.
    pub(crate) fn malformed(
        offset: usize,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Pytorch { offset, expected: expected.into(), found: found.into() }
    }
}
