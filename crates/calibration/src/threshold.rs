//! Thresholds and what they say of an image.

use serde::{Deserialize, Deserializer, Serialize};

use crate::error::CalibrationError;
use crate::rate::{FalseAlarmRate, RateBasis};

/// A score above which an image is anomalous; one that equals it is normal.
///
/// The value may be edited, as can the file that holds it. The rate then still is the one that the
/// value was first computed for; [`SplitConformal::rate_at`](crate::SplitConformal::rate_at) gives that
/// of any value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// The highest score that is normal.
    #[serde(deserialize_with = "finite")]
    pub value: f32,
    /// The false-alarm rate that the value was computed for.
    pub rate: FalseAlarmRate,
    /// Where the rate comes from.
    pub basis: RateBasis,
}

/// What a calibration says of one image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// The anomaly score as the model gave it; of an ensemble, the mean.
    pub score: f32,
    /// The share of normal images that score at least as high, the image itself counted among them;
    /// above 0 and at most 1. A normal image gets one of at most α with a probability of at most α; for
    /// that of folds see [`CrossConformal::bound`](crate::CrossConformal::bound).
    pub p_value: f64,
    /// The verdict.
    pub is_anomalous: bool,
}

fn finite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    let found = f32::deserialize(deserializer)?;
    if found.is_finite() {
        Ok(found)
    } else {
        Err(serde::de::Error::custom(CalibrationError::NonFiniteThreshold { found }))
    }
}
