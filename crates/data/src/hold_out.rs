//! Normal images, part of them kept out of training. Knows no pixels.

use crate::error::HoldOutError;
use crate::shuffle::shuffle;

/// The fewest images that a detector is trained on.
const MIN_TRAINING: usize = 2;

/// Normal images in two parts that share none, each sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldOut<T = std::path::PathBuf> {
    /// To train on.
    pub training: Vec<T>,
    /// Held out, to calibrate on.
    pub calibration: Vec<T>,
}

/// Holds out a share of `images`, by their paths or indices, from training, at random: the share of them, rounded to
/// whole images, but at least one.
///
/// The images are sorted before they are drawn, so that their order means nothing, and one that occurs several
/// times counts once. The same images, share and seed give the same parts on every machine.
///
/// Which files are copies of each other, or show the same part, can't be told from their paths:
/// [`distinct`](crate::distinct) leaves copies out. Where
/// one part was photographed several times, hold out whole parts instead.
///
/// ```
/// use std::path::PathBuf;
///
/// use nfbmr_data::hold_out;
///
/// let images: Vec<PathBuf> = (0..10).map(|i| format!("good/{i}.png").into()).collect();
/// let held_out = hold_out(images, 0.2, 0)?;
/// assert_eq!((held_out.training.len(), held_out.calibration.len()), (8, 2));
/// # Ok::<(), nfbmr_data::HoldOutError>(())
/// ```
///
/// # Errors
/// [`HoldOutError::Share`] where the share is not above 0 and below 1, [`HoldOutError::TooFewImages`]
/// where fewer than two images would be left to train on.
pub fn hold_out<T: Ord>(
    mut images: Vec<T>,
    share: f64,
    seed: u64,
) -> Result<HoldOut<T>, HoldOutError> {
    if !(share > 0.0 && share < 1.0) {
        return Err(HoldOutError::Share { found: share });
    }
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
