//! The false-alarm rate that one set of calibration images brings about.

use statrs::distribution::{Beta, ContinuousCDF};

use crate::error::CalibrationError;
use crate::rate::FalseAlarmRate;

/// How the false-alarm rate of one threshold is distributed over the draws of its n calibration images.
///
/// The asked rate holds on average over such draws. One draw has a rate of its own, the probability
/// that a normal image scores above its threshold. Where scores are never tied that rate follows
/// Beta(k, n + 1 - k), k = ⌊rate · (n + 1)⌋; ties make it smaller.
///
/// ```
/// use nfbmr_calibration::{FalseAlarmRate, RealisedRate};
///
/// let (low, high) = RealisedRate::new(40, FalseAlarmRate::DEFAULT)?.interval(0.9)?;
/// // With 40 images, asked 5 %, the realised rate lies between these in 90 % of cases.
/// let text = format!("{:.1} % and {:.1} %", 100.0 * low, 100.0 * high);
/// assert_eq!(text, "0.9 % and 11.3 %");
/// # Ok::<(), nfbmr_calibration::CalibrationError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RealisedRate {
    law: Beta,
}

impl RealisedRate {
    /// The law of a threshold for `rate` from `images`.
    ///
    /// # Errors
    /// [`CalibrationError::UnsupportedRate`] where the images are too few for the rate.
    pub fn new(images: usize, rate: FalseAlarmRate) -> Result<Self, CalibrationError> {
        let rank = rate.rank(images)?;
        #[expect(clippy::expect_used, reason = "both shapes are at least 1, as 1 <= k <= n")]
        let law = Beta::new(rank as f64, (images - rank) as f64 + 1.0).expect("shapes above 0");
        Ok(Self { law })
    }

    /// The mean over draws, k / (n + 1): at most the asked rate.
    pub fn mean(&self) -> f64 {
        self.law.shape_a() / (self.law.shape_a() + self.law.shape_b())
    }

    /// The probability that the realised rate is at most `rate`; NaN of NaN.
    pub fn probability_at_most(&self, rate: f64) -> f64 {
        if rate.is_nan() { rate } else { self.law.cdf(rate) }
    }

    /// The interval, lower end first, that the realised rate lies in with probability `confidence`, and
    /// below and above of which it lies with equal probability.
    ///
    /// # Errors
    /// [`CalibrationError::Confidence`] where the confidence is not above 0 and below 1.
    pub fn interval(&self, confidence: f64) -> Result<(f64, f64), CalibrationError> {
        if !(confidence > 0.0 && confidence < 1.0) {
            return Err(CalibrationError::Confidence { found: confidence });
        }
        let tail = (1.0 - confidence) / 2.0;
        Ok((self.quantile(tail), self.quantile(1.0 - tail)))
    }

    /// By bisection: `inverse_cdf` of statrs 0.19 does not return for some laws, Beta(1, 10^7) among them.
    fn quantile(&self, probability: f64) -> f64 {
        let (mut low, mut high) = (0.0, 1.0);
        loop {
            let middle = f64::midpoint(low, high);
            if middle <= low || middle >= high {
                return high;
            }
            if self.law.cdf(middle) < probability {
                low = middle;
            } else {
                high = middle;
            }
        }
    }
}
