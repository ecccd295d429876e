//! Any detector on files and on labelled images. Knows detectors by their trait alone.

mod detect_files;
mod evaluate;

pub use detect_files::{DetectedFile, DetectedFn, detect_files};
pub use evaluate::{Evaluation, ImageMetrics, MaskUse, PixelMetrics, Tested, evaluate};
