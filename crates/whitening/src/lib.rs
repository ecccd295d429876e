//! Whitening of backbone features: what comes out has mean 0 and covariance I over normal images, at each
//! position by itself.
//!
//! A network that is trained to density or to small residuals sees the directions in which features vary
//! much, and is blind for those in which normal parts hardly vary, where many defects show. After
//! whitening all directions count alike, and the squared norm is the squared Mahalanobis distance, the
//! score of PaDiM (Defard et al., 2021), before anything is trained.
//!
//! The covariance at a position is estimated from as many observations as there are images, often fewer
//! than channels; it is therefore shrunk towards the covariance over all positions (Ledoit and Wolf, 2004),
//! the more the fewer images there are. See [`WhiteningConfig`].
//!
//! Images of several kinds, one product in three colours or three products on one line, share the covariance and have
//! means of their own: the Gaussian mixture of linear discriminant analysis, position by position.
//!
//! ```
//! use burn::tensor::{Distribution, Tensor};
//! use nfbmr_backend::Cpu;
//! use nfbmr_whitening::{WhiteningConfig, WhiteningFit};
//!
//! let device = Default::default();
//! let normal = Tensor::<Cpu, 4>::random([50, 6, 4, 4], Distribution::Normal(3.0, 2.0), &device);
//! let mut fit = WhiteningFit::new(&WhiteningConfig::default(), &[2, 4], [4, 4], 1)?;
//! fit.add(normal.clone(), 0)?;
//! let whitening = fit.finish::<Cpu>(&device)?;
//! let white = whitening.forward(normal)?;
//! assert!(white.mean().into_scalar().abs() < 1e-3);
//! # Ok::<(), nfbmr_whitening::WhiteningError>(())
//! ```

#![deny(
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod cholesky;
mod config;
mod error;
mod fit;
mod left_out;
mod moments;
mod packed;
mod whitening;

pub use cholesky::inverse_cholesky;
pub use config::{WhiteningConfig, Window};
pub use error::WhiteningError;
pub use fit::WhiteningFit;
pub use left_out::{distances_left_out, distances_without};
pub use moments::Moments;
pub use packed::{pack, unpack};
pub use whitening::Whitening;
