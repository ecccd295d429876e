//! From image files to the pixels that the networks see: fit, mask, tiles and copies, and what tells images
//! apart. Knows the errors, and nothing of networks.

mod augmentation;
mod fingerprint;
mod fitting;
mod images;
mod mask;
mod overlap;
mod tiling;
mod white_level;

pub use augmentation::Augmentation;
pub(crate) use fingerprint::{Fingerprint, TrainedOn, fingerprint};
pub(crate) use fitting::Input;
pub use images::Images;
pub(crate) use images::to_tensor;
pub use mask::Mask;
pub(crate) use overlap::overlapping;
pub(crate) use tiling::Tiles;
pub use tiling::Tiling;
pub use white_level::{WhiteLevel, white_level};
