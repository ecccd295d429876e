//! One folder of normal images, part of it kept out of training. Knows paths, no pixels.

use std::path::PathBuf;

use crate::error::HoldOutError;
use crate::shuffle::shuffle;

/// The fewest images that a detector is trained on.
const MIN_TRAINING: usize = 2;

/// Normal images in two parts that share none, each sorted by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldOut {
    /// To train on.
    pub training: Vec<PathBuf>,
    /// Held out, to calibrate on.
    pub calibration: Vec<PathBuf>,
}

/// Holds out a share of `images` from training, at random: the share of them, rounded to whole
/// images, but at least one.
///
/// The images are sorted by path before they are drawn, so that their order means nothing, and a path
/// that occurs several times counts once. The same paths, share and seed give the same parts on
/// every machine.
///
/// Which files are copies of each other, or show the same part, can't be told from their paths:
/// [`distinct`](crate::distinct) leaves copies out. Where
/// one part was photographed several times, hold out whole parts instead.
///
/// ```
/// use nfbmr_data::hold_out;
///
/// let held_out = hold_out((0..10).map(|i| format!("good/{i}.png")), 0.2, 0)?;
/// assert_eq!((held_out.training.len(), held_out.calibration.len()), (8, 2));
/// # Ok::<(), nfbmr_data::HoldOutError>(())
/// ```
///
/// # Errors
/// [`HoldOutError::Share`] where the share is not above 0 and below 1, [`HoldOutError::TooFewImages`]
/// where fewer than two images would be left to train on.
pub fn hold_out<P: Into<PathBuf>>(
    images: impl IntoIterator<Item = P>,
    share: f64,
    seed: u64,
) -> Result<HoldOut, HoldOutError> {
    if !(share > 0.0 && share < 1.0) {
        return Err(HoldOutError::Share { found: share });
    }
    let mut images: Vec<PathBuf> = images.into_iter().map(Into::into).collect();
    images.sort_unstable();
    images.dedup();
    let held_out = ((share * images.len() as f64).round() as usize).max(1);
    if images.len() < MIN_TRAINING + held_out {
        return Err(HoldOutError::TooFewImages { found: images.len(), held_out });
    }
    shuffle(&mut images, seed);
    let mut training = images.split_off(held_out);
    let mut calibration = images;
    training.sort_unstable();
    calibration.sort_unstable();
    Ok(HoldOut { training, calibration })
}
