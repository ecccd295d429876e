//! The bidirectional mapping residual network (BMR): TMNN maps y -> ẑ and SMNN maps z -> ŷ, through
//! residual blocks of which they share one.
//!
//! Trained on normal images only; a defect can't be mapped, so its residuals are large. See [`Bmr`] for
//! the maps and their loss (11) to (13) and [`residual_map`] for the two terms of the anomaly map (14).

mod bmr;
mod residual;

pub use bmr::{Bmr, BmrConfig, BmrError, Mapped};
pub use residual::{Loss, residual_map};
