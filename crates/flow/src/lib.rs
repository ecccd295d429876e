//! The target flow (TNF): a RealNVP normalizing flow from source features y to z ~ N(0, I).
//!
//! The flow is trained on normal images only, by the log-det loss (8), and then frozen. See
//! [`Flow`] for the map and [`nll`] for the loss. [`CrossScaleFlow`] is the flow of CS-Flow, over features of several
//! scales.

#![deny(
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod config;
mod coupling;
mod cross_scale;
mod error;
mod flow;
mod likelihood;
mod permutations;

pub use config::FlowConfig;
pub use cross_scale::{CrossScaleConfig, CrossScaleFlow, CrossScaleOutput};
pub use error::FlowError;
pub use flow::{Flow, FlowOutput};
pub use likelihood::{bits_per_dim, nll, nll_map};
