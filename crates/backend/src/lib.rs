//! What the nfbmr networks need of burn: one [`Backend`] trait, the names of the devices, a
//! convolution layer and state dictionaries.

#![deny(
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod backend;
mod conv;
#[cfg(feature = "cuda")]
mod cuda;
mod device;
pub mod onnx;
pub mod ops;
mod state;

pub use backend::*;
pub use conv::Conv2d;
pub use device::{CudaProblem, DeviceError, DeviceName};
pub use nfbmr_kernels::Activation;
pub use state::{StateDict, StateError, load_state_dict, state_dict};
