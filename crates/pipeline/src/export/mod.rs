//! Trained detectors as files for other runtimes. Knows all rooms below, which add themselves to a
//! graph each.

mod onnx;

pub use onnx::OnnxExport;
