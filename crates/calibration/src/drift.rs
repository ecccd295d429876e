//! Whether scores in operation still look like those of the calibration.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{CalibrationError, all_finite};
use crate::martingale::UniformityTest;
use crate::rate::FalseAlarmRate;
use crate::split::SplitConformal;
use crate::stream::StreamRanks;

/// Watches the scores of a stream of images for ones that no longer look like those of the calibration.
///
/// As long as the stream's images are exchangeable with the calibration's, an alarm is ever raised with
/// a probability of at most the rate, however long the stream. A lamp, a lens or a product that
/// changed raises it, and so do defects that are frequent; rare ones do not. The alarm does not tell
/// these apart, nor does its absence prove that nothing changed.
///
/// The state is the calibration's n scores, n tie-breakers and n + 1 counts, and five numbers.
/// Serialised it goes on where it was.
///
/// ```
/// use nfbmr_calibration::{DriftMonitor, FalseAlarmRate, SplitConformal};
///
/// let calibration = SplitConformal::new((0..40).map(|score| score as f32).collect::<Vec<_>>())?;
/// let mut monitor = DriftMonitor::new(&calibration, FalseAlarmRate::new(0.01)?, 7);
/// // A new random number for each image; one is enough here.
/// let alarm = (0..30).find_map(|_| monitor.observe(50.0, 0.5).unwrap()).unwrap();
/// assert!(alarm.to_string().contains("defects do so too"));
/// # Ok::<(), nfbmr_calibration::CalibrationError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriftMonitor {
    rate: FalseAlarmRate,
    stream: StreamRanks,
    test: UniformityTest,
}

/// Which way scores have moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shift {
    /// More of them are high than in the calibration.
    Higher,
    /// More of them are low.
    Lower,
}

/// What a [`DriftMonitor`] found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriftAlarm {
    /// How many images of the stream it took.
    pub images: u64,
    /// Which way their scores have moved.
    pub shift: Shift,
    /// The probability of an alarm, ever, in a stream like the calibration is at most this.
    pub rate: FalseAlarmRate,
}

impl fmt::Display for DriftAlarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shift = match self.shift {
            Shift::Higher => "higher",
            Shift::Lower => "lower",
        };
        write!(
            f,
            "after {} images scores no longer look like those of the calibration: they are {shift}. \
             A camera, light or product that changed raises this alarm, and frequent defects do so \
             too. Without either it is ever raised with a probability of at most {}",
            self.images, self.rate
        )
    }
}

impl DriftMonitor {
    /// A monitor of a stream that begins now, whose probability of a false alarm, ever, is at most `rate`.
    ///
    /// `seed` decides the order of calibration scores that are equal, nothing else.
    pub fn new(calibration: &SplitConformal, rate: FalseAlarmRate, seed: u64) -> Self {
        let stream = StreamRanks::new(calibration, seed);
        Self { rate, stream, test: UniformityTest::new() }
    }

    /// Takes in the score of the next image and returns the alarm, if it is or was raised. Once raised it
    /// stays, and further images change nothing.
    ///
    /// `uniform` is a random number from 0 to 1 that is drawn anew for each image, regardless of scores.
    ///
    /// # Errors
    /// [`CalibrationError::NonFiniteScore`] where the score is infinite or not a number,
    /// [`CalibrationError::UniformNumber`] where the random number is out of range. The image then
    /// takes no part.
    pub fn observe(
        &mut self,
        score: f32,
        uniform: f64,
    ) -> Result<Option<DriftAlarm>, CalibrationError> {
        all_finite(&[score])?;
        if !(0.0..=1.0).contains(&uniform) {
            return Err(CalibrationError::UniformNumber { found: uniform });
        }
        if self.alarm().is_none() {
            self.test.observe(self.stream.p_value(score, uniform))?;
        }
        Ok(self.alarm())
    }

    /// The alarm, if it was raised.
    pub fn alarm(&self) -> Option<DriftAlarm> {
        let shift = if self.test.favours_low() { Shift::Higher } else { Shift::Lower };
        let alarm = DriftAlarm { images: self.test.observed(), shift, rate: self.rate };
        (self.test.evidence() >= self.rate.get().recip()).then_some(alarm)
    }

    /// The evidence so far that scores differ from the calibration's: 1 at first, an alarm at 1 / rate.
    pub fn evidence(&self) -> f64 {
        self.test.evidence()
    }
}
