//! From image files to the pixels that the networks see: mask, alignment, fit, copies and tiles, and what tells
//! images apart. Knows the errors, and nothing of networks.

mod alignment;
mod augmentation;
mod fingerprint;
mod fitting;
mod graph;
mod images;
mod mask;
mod overlap;
mod tiling;
mod white_level;

pub(crate) use alignment::Aligned;
pub use alignment::{Alignment, AlignmentMotion, Located};
pub use augmentation::Augmentation;
pub(crate) use fingerprint::{Fingerprint, TrainedOn};
pub(crate) use fitting::{Input, Seen, TrainingImage};
pub use images::Images;
pub(crate) use images::to_tensor;
pub use mask::Mask;
pub(crate) use overlap::overlapping;
pub(crate) use tiling::Tiles;
pub use tiling::Tiling;
pub use white_level::{WhiteLevel, white_level};
