//! What good images say of scores: thresholds, verdicts, suspects, drift. Knows scores and errors, and nothing of
//! the models that give them.

mod calibration;
#[expect(clippy::indexing_slicing, reason = "maps of one size")]
mod cross;
mod drift;
mod graph;
mod split;
mod suspects;

pub use calibration::Calibration;
pub use cross::CrossCalibration;
pub use drift::Drift;
pub use split::{DecisionThreshold, KindCalibration, SplitCalibration};
pub use suspects::Suspect;
pub(crate) use suspects::far_out;
