//! What can go wrong, by cause. Knows the errors of the crates below, and nothing of this one.

mod calibrate;
mod checkpoint;
mod export;
mod phase;
mod pipeline;
mod training;

pub use calibrate::{CalibrateError, ImageName};
pub use checkpoint::CheckpointError;
pub use export::ExportError;
pub use phase::Phase;
pub use pipeline::{ModelError, PipelineError};
pub use training::TrainingError;
