//! The cross-scale flow: one flow over features of several scales of an image, whose subnetworks exchange between
//! the scales. Its shape, its subnetworks and its blocks have files of their own.

mod config;
mod coupling;
mod flow;
mod subnet;

pub use config::CrossScaleConfig;
pub use flow::{CrossScaleFlow, CrossScaleOutput};
