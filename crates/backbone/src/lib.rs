//! Frozen EfficientNet feature extractors with imported ImageNet weights.
//!
//! A [`BackboneConfig`] names the network, the block to stop at and the details its weights were
//! trained with; [`Weights`] holds the tensors of a file; [`Backbone::load`] puts the two together.

mod architecture;
mod backbone;
mod block;
mod config;
mod conv;
mod error;
mod loader;
mod network;
mod normalization;
mod padding;
mod pytorch;
mod safetensors_file;
mod variant;
mod weights;

pub use backbone::Backbone;
pub use config::BackboneConfig;
pub use error::{BackboneError, WeightProblem, WeightsError};
pub use normalization::Normalization;
pub use padding::Padding;
pub use safetensors_file::Storage;
pub use variant::Variant;
pub use weights::{WeightTensor, Weights};
