//! Thresholds, p-values and drift alarms from the scores of normal images alone.
//!
//! | given | type |
//! |---|---|
//! | scores of normal images that no model was trained on | [`SplitConformal`]: p-values, a [`Threshold`] for a false-alarm rate, [`Verdict`]s |
//! | few images: folds, each scored by the model trained on the others | [`CrossConformal`]: p-values of all models together, and their [`CrossBound`] |
//! | a number of images and a rate | [`RealisedRate`]: where the rate of one set of images lies |
//! | scores in operation | [`DriftMonitor`]: an alarm once they no longer look like those of the calibration |
//!
//! The p-value of a score is the share of normal images, itself counted among them, that score at least as
//! high. A normal image that is exchangeable with those of the calibration gets one of at most α with
//! a probability of at most α, whatever the model and however few the images; `docs/thresholds.md` has the
//! formulas, and what is not promised.
//!
//! Images by score and pixels by the maximum of the map are one rule: calibrated on the maxima of the
//! anomaly maps of normal images, a threshold bounds the share of good images that have any pixel
//! above it.
//!
//! ```
//! use nfbmr_calibration::{FalseAlarmRate, RateBasis, SplitConformal};
//!
//! let scores: Vec<f32> = (1..=40).map(|score| score as f32).collect();
//! let calibration = SplitConformal::new(scores)?;
//! let threshold = calibration.default_threshold();
//! assert_eq!((threshold.value, threshold.basis), (39.0, RateBasis::Default));
//!
//! let verdict = calibration.verdict(39.5, &threshold)?;
//! assert_eq!((verdict.p_value, verdict.is_anomalous), (2.0 / 41.0, true));
//!
//! let error = calibration.threshold(FalseAlarmRate::new(0.01)?).unwrap_err();
//! assert!(error.to_string().starts_with("expected at least 99 normal images"));
//! # Ok::<(), nfbmr_calibration::CalibrationError>(())
//! ```

#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod cross;
mod drift;
mod error;
mod martingale;
mod rate;
mod realised;
mod split;
mod stream;
mod threshold;

pub use cross::{CrossBound, CrossConformal};
pub use drift::{DriftAlarm, DriftMonitor, Shift};
pub use error::CalibrationError;
pub use martingale::UniformityTest;
pub use rate::{FalseAlarmRate, RateBasis};
pub use realised::RealisedRate;
pub use split::SplitConformal;
pub use threshold::{Threshold, Verdict};
