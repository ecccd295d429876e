//! What a graph can't be.

/// Why a graph isn't written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// A constant whose values aren't as many as its shape says.
    #[error("constant {name}: expected the values of the shape {shape:?}, found {found}")]
    Values {
        /// The constant.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// How many values it was given.
        found: usize,
    },
    /// More bytes than a protobuf message holds.
    #[error(
        "expected a graph of less than 2 GB, which is all that an ONNX file holds, found {bytes} bytes"
    )]
    TooLarge {
        /// The bytes of its constants, or of the whole.
        bytes: u64,
    },
}
