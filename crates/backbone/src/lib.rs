//! Frozen EfficientNet feature extractors with imported ImageNet weights.
//!
//! A [`BackboneConfig`] names the network, the block to stop at and the details its weights were
//! trained with, which follow from their [`WeightsSource`]; [`Weights`] holds the tensors of a file;
//! [`Backbone::load`] puts the two together.
//!
//! [`Weights::import`] converts published files, whatever their format and naming. What it makes
//! says itself how it is to be used:
//!
//! ```no_run
//! use nfbmr_backbone::{BackboneConfig, Storage, Weights, WeightsSource};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let bytes = std::fs::read("tf_efficientnet_b0_aa-827b6e33.pth")?;
//! let weights = Weights::import(&bytes, Some(WeightsSource::TimmTf))?;
//! std::fs::write("b0.safetensors", weights.to_safetensors(Storage::F32)?)?;
//!
//! let weights = Weights::read("b0.safetensors")?;
//! let config = weights.config()?.map(|recorded| BackboneConfig { block: 10, ..recorded });
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

mod architecture;
mod backbone;
mod block;
mod check;
mod config;
mod conv;
mod error;
mod host;
mod import;
mod metadata;
mod naming;
mod network;
mod normalization;
mod padding;
mod pytorch;
mod safetensors_file;
mod select;
mod shape;
mod variant;
mod weight_problem;
mod weights;
mod weights_error;
mod weights_source;

pub use backbone::Backbone;
pub use config::BackboneConfig;
pub use error::BackboneError;
pub use normalization::Normalization;
pub use padding::Padding;
pub use safetensors_file::Storage;
pub use shape::Stage;
pub use variant::{UnknownVariant, Variant};
pub use weight_problem::WeightProblem;
pub use weights::{WeightTensor, Weights};
pub use weights_error::WeightsError;
pub use weights_source::{UnknownWeightsSource, WeightsSource};
