//! False-alarm rates and the images that they take.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::CalibrationError;

/// The share of normal images that may be called anomalous, above 0 and below 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct FalseAlarmRate(f64);

/// Where a false-alarm rate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RateBasis {
    /// It was asked for.
    Asked,
    /// It is [`FalseAlarmRate::DEFAULT`].
    Default,
    /// It is the smallest that the images support, as they are too few for the default.
    SmallestSupported,
}

impl FalseAlarmRate {
    /// 5 %.
    pub const DEFAULT: Self = Self(0.05);

    /// The rate as a fraction.
    ///
    /// # Errors
    /// [`CalibrationError::Rate`] where it is not above 0 and below 1.
    pub fn new(rate: f64) -> Result<Self, CalibrationError> {
        if rate > 0.0 && rate < 1.0 {
            Ok(Self(rate))
        } else {
            Err(CalibrationError::Rate { found: rate })
        }
    }

    /// The fraction.
    pub fn get(self) -> f64 {
        self.0
    }

    /// The fewest calibration images that support this rate: the smallest n with 1 / (n + 1) at most
    /// the rate.
    pub fn images_needed(self) -> u64 {
        let estimate = self.0.recip();
        // Beyond this, whole numbers are not exact, and no collection of images is as large.
        if estimate > 1e15 {
            return estimate as u64;
        }
        // The rounded reciprocal may be off by one; the rounded quotients of `rank` decide.
        let mut needed = (estimate as u64).max(1);
        while needed > 1 && 1.0 / needed as f64 <= self.0 {
            needed -= 1;
        }
        while 1.0 / (needed + 1) as f64 > self.0 {
            needed += 1;
        }
        needed
    }

    /// Checks that so many images of good parts support this rate.
    ///
    /// # Errors
    /// [`CalibrationError::UnsupportedRate`] where they are fewer than [`Self::images_needed`].
    pub fn check(self, images: usize) -> Result<(), CalibrationError> {
        let needed = self.images_needed();
        if (images as u64) < needed {
            return Err(CalibrationError::UnsupportedRate { rate: self.0, images, needed });
        }
        Ok(())
    }

    /// The largest k with k / (n + 1) at most this rate, of n = `images`: how many of n + 1 images may
    /// be called anomalous.
    ///
    /// Quotients are compared, not products: k / (n + 1) is then rounded as the p-value is, and equals
    /// the literal of a rate that it is meant to equal. 0.29 · 100 is less than 29.
    ///
    /// # Errors
    /// [`CalibrationError::UnsupportedRate`] where that is 0.
    pub(crate) fn rank(self, images: usize) -> Result<usize, CalibrationError> {
        self.check(images)?;
        let all = images as f64 + 1.0;
        let allowed = |rank: usize| rank as f64 / all <= self.0;
        let mut rank = ((self.0 * all) as usize).min(images);
        while rank < images && allowed(rank + 1) {
            rank += 1;
        }
        while !allowed(rank) {
            rank -= 1;
        }
        Ok(rank)
    }

    /// The smallest rate that `images`, at least one, support.
    pub(crate) fn smallest(images: usize) -> Self {
        Self((images as f64 + 1.0).recip())
    }

    /// [`Self::DEFAULT`], or the smallest rate that `images`, at least one, support.
    pub(crate) fn default_for(images: usize) -> (Self, RateBasis) {
        let smallest = Self::smallest(images);
        if smallest <= Self::DEFAULT {
            (Self::DEFAULT, RateBasis::Default)
        } else {
            (smallest, RateBasis::SmallestSupported)
        }
    }
}

impl TryFrom<f64> for FalseAlarmRate {
    type Error = CalibrationError;

    fn try_from(rate: f64) -> Result<Self, Self::Error> {
        Self::new(rate)
    }
}

impl From<FalseAlarmRate> for f64 {
    fn from(rate: FalseAlarmRate) -> Self {
        rate.0
    }
}

impl fmt::Display for FalseAlarmRate {
    /// The fraction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
