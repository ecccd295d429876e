//! What is wrong with a tensor, in words. Nothing else of the crate is known here.

use std::fmt;

/// What is wrong with one tensor, or one of the details on record.
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
    /// It is none of the network's.
    Unexpected {
        /// Name of the tensor.
        name: String,
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
    /// The configuration is not the one on record.
    Metadata {
        /// Key of the metadata.
        key: &'static str,
        /// What the configuration says.
        expected: String,
        /// What the weights say.
        found: String,
    },
}

impl fmt::Display for WeightProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { name, expected } => write!(f, "{name}: missing, expected {expected:?}"),
            Self::Shape { name, expected, found } => {
                write!(f, "{name}: expected {expected:?}, found {found:?}")
            }
            Self::Unexpected { name, found } => {
                write!(f, "{name}: unexpected, found {found:?}")
            }
            Self::NotFinite { name } => {
                write!(f, "{name}: expected finite values, found NaN or infinite")
            }
            Self::Variance { name } => {
                write!(f, "{name}: expected variances that are positive with epsilon added")
            }
            Self::Metadata { key, expected, found } => {
                write!(f, "{key}: expected {expected}, found {found} in the metadata")
            }
        }
    }
}
