//! A writer of ONNX graphs. It knows nothing of what they compute.
//!
//! A [`Graph`] gathers inputs, constants, nodes and outputs; [`Graph::finish`] gives the bytes of a
//! model of operator set 17. The operators are those that ONNX Runtime, OpenVINO and TensorRT have
//! in common. Shapes aren't inferred: whoever puts a graph together knows them.
//!
//! ```
//! use nfbmr_onnx::{Dim, Element, Graph};
//!
//! # fn main() -> Result<(), nfbmr_onnx::OnnxError> {
//! let mut graph = Graph::new();
//! let x = graph.input("x", Element::Float, &[Dim::Named("N"), Dim::Of(2)]);
//! let matrix = graph.floats(&[2, 1], &[0.5, 0.5]);
//! let mean = graph.matmul(&x, &matrix);
//! graph.output("mean", &mean, Element::Float, &[Dim::Named("N"), Dim::Of(1)]);
//! let bytes = graph.finish("example", "1.0")?;
//! assert!(!bytes.is_empty());
//! # Ok(())
//! # }
//! ```

#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod error;
mod graph;
mod message;
mod operators;

pub use error::OnnxError;
pub use graph::{Attribute, Dim, Element, Graph, Value};
pub use operators::{Convolution, Matrix};
