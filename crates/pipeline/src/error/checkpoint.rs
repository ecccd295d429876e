//! What is wrong with a checkpoint.

use nfbmr_backend::StateError;

/// What is wrong with a checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// It can't be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The path names a folder, a device or the like.
    #[error("expected a file, found something else")]
    NotAFile,
    /// It isn't a safetensors file, or a damaged one.
    #[error(
        "expected a checkpoint (a safetensors file), found a damaged file or another kind: {0}; remove it \
         to train from the beginning"
    )]
    SafeTensors(#[from] safetensors::SafeTensorError),
    /// A safetensors file without a checkpoint's metadata.
    #[error(
        "no `nfbmr-checkpoint` entry in the metadata: a safetensors file, but not a checkpoint"
    )]
    Foreign,
    /// A format this version doesn't know.
    #[error(
        "format version {found}: this version of nfbmr resumes from {expected} alone; remove it to train \
         from the beginning"
    )]
    Version {
        /// The file's format version.
        found: u64,
        /// The format version known.
        expected: u64,
    },
    /// Content that doesn't have the checksum the file records.
    #[error("the content doesn't match the file's checksum; remove it to train from the beginning")]
    Damaged,
    /// Metadata that doesn't parse.
    #[error("the metadata can't be read: {0}")]
    Metadata(#[from] serde_json::Error),
    /// It was written by a training with another configuration, other images, other weights or on
    /// another backend.
    #[error(
        "it belongs to another training: {0}; train as then to resume it, or remove it to train from the \
         beginning"
    )]
    Other(String),
    /// More epochs than there are.
    #[error("expected at most {epochs} epochs, found {found}")]
    Epoch {
        /// Epochs in the file.
        found: usize,
        /// Epochs of the phase.
        epochs: usize,
    },
    /// A tensor that no checkpoint has, or that isn't of finite 32-bit values.
    #[error("tensor {0}: belongs to no phase, or isn't of finite 32-bit values")]
    Tensor(String),
    /// Parameters that don't fit the network.
    #[error(transparent)]
    State(#[from] StateError),
    /// Moments of Adam that don't fit the network.
    #[error("expected the moments of {expected}, found {found}")]
    Moments {
        /// The parameters, or a parameter's shape.
        expected: String,
        /// What there is.
        found: String,
    },
}
