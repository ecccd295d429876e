//! The bidirectional mapping residual network (BMR): TMNN maps y -> ẑ and SMNN maps z -> ŷ, through
//! residual blocks of which they share one.
//!
//! Trained on normal images only; a defect can't be mapped, so its residuals are large. See [`Bmr`] for
//! the maps and their loss (11) to (13) and [`residual_map`] for the two terms of the anomaly map (14).
//! [`Bpfm`] has the older networks PFM and B-PFM, for the baseline of two CNNs and for the ablation.

#![deny(
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod batch_norm;
mod bmr;
mod bpfm;
mod bpfm_config;
mod residual;

pub use bmr::{Bmr, BmrConfig, BmrError, Mapped};
pub use bpfm::{Bpfm, Compared, Comparison};
pub use bpfm_config::{BpfmConfig, BpfmError, Directions};
pub use residual::{Loss, residual_map};
