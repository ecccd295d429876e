//! PatchCore and PaDiM on backbone features: the two detectors that others are compared with.
//!
//! Both follow anomalib: [`PatchCore`] measures how far a position's feature lies from the nearest of a
//! memory of normal ones, [`Padim`] how far from the normal distribution at its position. Each is fitted
//! to features of normal images `[N, C, H, W]` and scores features of the same kind; images and the
//! backbone are the caller's.

mod coreset;
mod error;
mod features;
mod gaussian;
mod memory;
mod padim;
mod patchcore;
mod progress;
mod projection;
mod scored;
mod smooth;
mod state;

pub use error::PeerError;
pub use padim::{Padim, PadimConfig};
pub use patchcore::{PatchCore, PatchCoreConfig};
pub use progress::ProgressFn;
pub use scored::Scored;
pub use smooth::{Upsampling, smooth};
