//! What the nfbmr networks need of burn: one [`Backend`] trait, the names of the devices, a
//! convolution layer and state dictionaries.

mod backend;
mod conv;
mod device;
mod state;

pub use backend::*;
pub use conv::Conv2d;
pub use device::{DeviceError, DeviceName};
pub use state::{StateDict, StateError, load_state_dict, state_dict};
