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
    /// Of a fixed seed, another than the monitor's: the same images raise the same alarm.
    uniform: ChaCha8Rng,
}

impl Drift {
    /// The fewest calibration images that a watch is worth having by: with 20, scores that are all higher are told
    /// after some 25 images, with 8 after well over a hundred, and with 4 never.
    pub const FEWEST: usize = 20;

    /// A watch that raises a false alarm, ever, with a probability of 0.01 on average over calibrations; `None` for
    /// fewer than [`Self::FEWEST`] calibration images.
    ///
    /// # Errors
    /// None that a calibration gives.
    pub fn new(calibration: &SplitCalibration) -> Result<Option<Self>, CalibrationError> {
        if calibration.image_scores().images() < Self::FEWEST {
            return Ok(None);
        }
        let rate = FalseAlarmRate::new(RATE)?;
        let monitor = DriftMonitor::new(calibration.image_scores(), rate, 0);
        Ok(Some(Self { monitor, uniform: ChaCha8Rng::seed_from_u64(1) }))
    }

    /// Takes in the score of the next image ([`Detection::rank`](crate::Detection::rank)), and returns the alarm where this one raises it.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Images until scores above all of the calibration raise the alarm.
    fn until_the_alarm(images: usize) -> Option<usize> {
        let scores: Vec<f32> = (0..images).map(|score| score as f32).collect();
        let calibration = SplitCalibration::new(scores, None, None).unwrap();
        let mut drift = Drift::new(&calibration).unwrap()?;
        (1..=1000).find(|_| drift.observe(1e6).unwrap().is_some())
    }

    #[test]
    fn a_watch_takes_enough_images_to_tell_anything_soon() {
        assert_eq!(until_the_alarm(Drift::FEWEST - 1), None);
        let fewest = until_the_alarm(Drift::FEWEST).unwrap();
        assert!((10..60).contains(&fewest), "{fewest}");
        assert!(until_the_alarm(100).unwrap() < 30);
    }
}
