use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

use crate::variant::Variant;

/// Why a backbone could not be configured, loaded or run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackboneError {
    /// The name is not one of a [`Variant`].
    #[error("expected one of {}, found `{found}`", names())]
    UnknownVariant {
        /// The name given.
        found: String,
    },
    /// The weight source does not publish this network.
    #[error("expected one of {available}, which these weights are published for, found {found}")]
    NoSuchSource {
        /// The networks published.
        available: &'static str,
        /// The network asked for.
        found: Variant,
    },
    /// The block does not exist.
    #[error("{variant} has {blocks} blocks, expected an index below {blocks}, found {found}")]
    Block {
        /// The network.
        variant: Variant,
        /// How many blocks it has.
        blocks: usize,
        /// The index asked for.
        found: usize,
    },
    /// Features of a block after the last one loaded were asked for.
    #[error("the network is loaded up to block {last}, found a request for block {found}")]
    NotLoaded {
        /// The last block loaded.
        last: usize,
        /// The index asked for.
        found: usize,
    },
    /// Epsilon of batch normalisation is negative or not finite.
    #[error("expected a finite batch_norm_eps of 0 or more, found {found}")]
    BatchNormEps {
        /// The value given.
        found: f64,
    },
    /// A normalisation that cannot be applied.
    #[error(
        "expected finite means and positive standard deviations, found mean {mean:?}, std {std:?}"
    )]
    Normalization {
        /// The means given.
        mean: [f32; 3],
        /// The standard deviations given.
        std: [f32; 3],
    },
    /// A side, in pixels, that is 0 or beyond what any image has.
    #[error("{what}: expected 1 to {max} pixels, found {found}")]
    Side {
        /// Which side.
        what: &'static str,
        /// The largest one.
        max: usize,
        /// The one given.
        found: usize,
    },
    /// A kernel does not fit in its padded input.
    #[error("an image of {height} x {width} pixels (height x width) is too small for this network")]
    TooSmall {
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
    },
    /// The input of `forward` is not a batch of images of three channels.
    #[error("expected an input of shape [1 or more, 3, height, width], found {found:?}")]
    Input {
        /// Shape of the input.
        found: [usize; 4],
    },
    /// Tensors are missing, misshapen or unusable; every one is listed.
    #[error("the weights do not fit {variant} up to block {block}:{}", lines(problems))]
    Weights {
        /// The network asked for.
        variant: Variant,
        /// Its last block.
        block: usize,
        /// All that is wrong, in the order of the layers.
        problems: Vec<WeightProblem>,
    },
}

/// What is wrong with one tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WeightProblem {
    /// It is not there.
    Missing {
        /// Name of the tensor.
        name: String,
        /// The shape it should have.
        expected: Vec<usize>,
    },
    /// It has another shape.
    Shape {
        /// Name of the tensor.
        name: String,
        /// The shape it should have.
        expected: Vec<usize>,
        /// The shape it has.
        found: Vec<usize>,
    },
    /// It holds NaN or infinite values.
    NotFinite {
        /// Name of the tensor.
        name: String,
    },
    /// A variance plus epsilon that is not positive.
    Variance {
        /// Name of the tensor.
        name: String,
    },
}

impl fmt::Display for WeightProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { name, expected } => write!(f, "{name}: missing, expected {expected:?}"),
            Self::Shape { name, expected, found } => {
                write!(f, "{name}: expected {expected:?}, found {found:?}")
            }
            Self::NotFinite { name } => {
                write!(f, "{name}: expected finite values, found NaN or infinite")
            }
            Self::Variance { name } => {
                write!(f, "{name}: expected variances that are positive with epsilon added")
            }
        }
    }
}

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
    #[error("tensor {name}: {value} at index {index} does not fit in f16 (at most 65504)")]
    HalfOverflow {
        /// Name of the tensor.
        name: String,
        /// Index of the value, row-major.
        index: usize,
        /// The value.
        value: f32,
    },
}

fn names() -> String {
    Variant::ALL.map(Variant::name).join(", ")
}

fn lines(problems: &[WeightProblem]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}
