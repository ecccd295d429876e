//! PatchCore and PaDiM on backbone features: the two detectors that others are compared with.
//!
//! Both follow anomalib: [`PatchCore`] measures how far a position's feature lies from the nearest of a
//! memory of normal ones, [`Padim`] how far from the normal distribution at its position. Each is fitted
//! to features of normal images `[N, C, H, W]` and scores features of the same kind; images and the
//! backbone are the caller's.
//!
//! ```
//! use std::ops::ControlFlow;
//!
//! use burn::tensor::{Distribution, Tensor};
//! use nfbmr_backend::Cpu;
//! use nfbmr_peers::{PatchCore, PatchCoreConfig};
//!
//! let device = Default::default();
//! let normal = Tensor::<Cpu, 4>::random([8, 16, 5, 5], Distribution::Default, &device);
//! let mut progress = |_done, _total| ControlFlow::Continue(());
//! let config = PatchCoreConfig::default();
//! let detector = PatchCore::fit(&config, &[normal.clone()], 0, &mut progress)?;
//! let good = detector.score(normal.clone().narrow(0, 0, 1))?;
//! let bad = detector.score(normal.narrow(0, 0, 1) + 1.0)?;
//! assert!(bad.score[0] > good.score[0]);
//! # Ok::<(), nfbmr_peers::PeerError>(())
//! ```

#![deny(
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod coreset;
mod error;
mod features;
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
