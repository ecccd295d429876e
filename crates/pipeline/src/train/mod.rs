//! How any network is trained: optimiser, phases, resuming. Knows no network and no system.

mod config;
mod draw;
mod fit;
mod optim;
mod session;

pub use config::{Schedule, TrainingConfig};
pub(crate) use draw::Draw;
pub(crate) use fit::{TrainingPhase, fit};
pub(crate) use optim::{Stepper, Workers};
pub(crate) use session::Session;
