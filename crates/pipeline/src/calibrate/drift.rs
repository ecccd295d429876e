//! Whether scores still look like those of the calibration, image after image.

use nfbmr_calibration::{CalibrationError, DriftAlarm, DriftMonitor, FalseAlarmRate, Shift};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::SplitCalibration;

/// The probability of an alarm, ever, where nothing has changed.
const RATE: f64 = 0.01;

/// Watches the scores of a stream of images for drift from those of a calibration.
#[derive(Clone, Debug)]
pub struct Drift {
    monitor: DriftMonitor,
    /// Of a fixed seed: the same images raise the same alarm.
    uniform: ChaCha8Rng,
}

impl Drift {
    /// A watch that raises a false alarm, ever, with a probability of 0.01.
    ///
    /// # Errors
    /// None that a calibration gives.
    pub fn new(calibration: &SplitCalibration) -> Result<Self, CalibrationError> {
        let rate = FalseAlarmRate::new(RATE)?;
        let monitor = DriftMonitor::new(calibration.image_scores(), rate, 0);
        Ok(Self { monitor, uniform: ChaCha8Rng::seed_from_u64(0) })
    }

    /// Takes in the score of the next image, and returns the alarm where this one raises it.
    ///
    /// # Errors
    /// [`CalibrationError::NonFiniteScore`] where the score is infinite or not a number.
    pub fn observe(&mut self, score: f32) -> Result<Option<DriftAlarm>, CalibrationError> {
        let raised = self.monitor.alarm().is_some();
        let alarm = self.monitor.observe(score, self.uniform.random())?;
        Ok(alarm.filter(|_| !raised))
    }

    /// Which way scores have moved, once the alarm was raised.
    pub fn shift(&self) -> Option<Shift> {
        self.monitor.alarm().map(|alarm| alarm.shift)
    }
}
