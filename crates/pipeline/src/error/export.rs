//! Why a model isn't written as an ONNX graph.

use std::path::PathBuf;

use nfbmr_onnx::OnnxError;

/// What a graph doesn't say of a model, or can't be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A model that locates parts before it looks at them.
    #[error(
        "ONNX: expected a model without alignment, found `alignment = {found}`: a graph doesn't locate parts; train \
         with `alignment = off`, on parts that lie in one place"
    )]
    Alignment {
        /// Its motion.
        found: String,
    },
    /// A system that isn't put into graphs.
    #[error("ONNX: expected a system of {}, found `{found}`", .expected.join(", "))]
    System {
        /// Those that are.
        expected: &'static [&'static str],
        /// Its name.
        found: &'static str,
    },
    /// An image size that no graph is made for.
    #[error("ONNX: expected images of 1 to {most} pixels a side, found {width} x {height}")]
    Size {
        /// The longest side.
        most: u32,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// A graph that a file can't hold.
    #[error("ONNX: {0}")]
    Graph(#[from] OnnxError),
    /// A file that can't be written.
    #[error("ONNX file {}: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: std::io::Error,
    },
}
