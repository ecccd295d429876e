//! Sealed files: the container of models and checkpoints, the checkpoint of a training, and what a system has
//! learnt as a file holds it. Knows no system.

mod checkpoint;
mod learned;
mod sealed;

pub(crate) use checkpoint::{Checkpoint, Identity, PhaseState};
pub(crate) use learned::Learned;
pub(crate) use sealed::{CHECKSUM, is_whole, seal, values};
