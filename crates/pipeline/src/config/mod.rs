//! The configuration of a detector: plain data that puts the settings of all rooms together. Knows what they say
//! of themselves, and no tensor.

mod kinds;
mod pipeline_config;

pub use kinds::Kinds;
pub use pipeline_config::{MultiplyAdds, PipelineConfig};
