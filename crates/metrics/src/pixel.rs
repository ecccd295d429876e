//! Metrics over the pixels of many images. Knows the metrics, and that scores go into a histogram.

use crate::aupro::{Totals, aupro};
use crate::bins::Bins;
use crate::bounded::Bounded;
use crate::components::for_each_component;
use crate::error::MetricError;
use crate::operating_point::{OperatingPoint, best};
use crate::ranking::{Ranking, Tie};

/// Anomaly maps and masks, taken in one image at a time, for metrics over all of their pixels.
///
/// Scores are counted in bins, so memory does not grow with the number of images. Scores share a
/// bin where their sign, their exponent and the first 15 bits of their mantissa agree: there are
/// 2^15 bins from each power of two to the next, whatever the range of the scores. A bin takes 32
/// bytes once scores fall near it, so scores that span a factor of 1000 take 10 MB, and 512 MB
/// is the most that any can.
///
/// How much the order of scores within a bin could change a metric is computed from the counts and
/// returned beside it. Scores that crowd around a number much larger than their spread share bins;
/// subtract the number where the bound gets too wide. Equal scores are ties and cost no accuracy.
///
/// ```
/// use nfbmr_metrics::{Bounded, PixelHistogram};
///
/// let mut pixels = PixelHistogram::new();
/// pixels.add(&[0.25, 0.5, 0.25, 0.25], 2, 2, None)?;
/// pixels.add(&[0.25, 0.25, 0.5, 1.0], 2, 2, Some(&[false, false, true, true]))?;
/// // The defects win 6 and 5.5 of 6 comparisons.
/// assert_eq!(pixels.auroc()?, Bounded { value: 11.5 / 12.0, error: 0.0 });
/// assert_eq!(pixels.f1_max()?.value.threshold, 0.5);
/// assert!(pixels.aupro(0.3)?.value > 0.86);
/// # Ok::<(), nfbmr_metrics::MetricError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PixelHistogram {
    bins: Bins,
    components: u64,
}

impl Default for PixelHistogram {
    fn default() -> Self {
        Self::new()
    }
}

impl PixelHistogram {
    /// A histogram without pixels.
    pub fn new() -> Self {
        Self { bins: Bins::new(), components: 0 }
    }

    /// Takes in an image: its anomaly map, `width * height` scores row by row, and in the same
    /// order which pixels are defects. `None` means that none is. Images may differ in size.
    ///
    /// An image that is refused leaves the histogram as it was.
    ///
    /// # Errors
    /// [`MetricError::MapSize`] where the map does not have `width * height` scores, at least one;
    /// [`MetricError::MaskSize`] where the mask is not as long, [`MetricError::NanScore`] where a
    /// score is not a number. Infinite scores take part as the lowest and highest.
    pub fn add(
        &mut self,
        map: &[f32],
        width: u32,
        height: u32,
        mask: Option<&[bool]>,
    ) -> Result<(), MetricError> {
        self.add_inspected(map, width, height, mask, None)
    }

    /// As [`add`](Self::add) of the pixels that are `inspected`, as though the image had no others:
    /// a defect that lies outside in part is the rest of it. `None` means all.
    ///
    /// # Errors
    /// As [`add`](Self::add), whose [`MetricError::MaskSize`] goes for `inspected` too.
    pub fn add_inspected(
        &mut self,
        map: &[f32],
        width: u32,
        height: u32,
        mask: Option<&[bool]>,
        inspected: Option<&[bool]>,
    ) -> Result<(), MetricError> {
        MetricError::check_map(map, width, height)?;
        for pixels in [mask, inspected].into_iter().flatten() {
            MetricError::check_mask(pixels, map, width, height)?;
        }
        let all = |of: Option<&[bool]>, value| of.map_or(vec![value; map.len()], <[_]>::to_vec);
        let inspected = all(inspected, true);
        let mut mask = all(mask, false);
        for ((&score, is_defect), inspected) in map.iter().zip(&mut mask).zip(inspected) {
            if inspected && !*is_defect {
                self.bins.at(score).normal += 1;
            }
            *is_defect &= inspected;
        }
        for_each_component(&mask, width as usize, |component| {
            self.components += 1;
            let share = 1.0 / component.len() as f64;
            for &pixel in component {
                let bin = self.bins.at(map[pixel]);
                bin.defect += 1;
                bin.overlap += share;
            }
        });
        Ok(())
    }

    /// The area under the ROC curve over all pixels, as [`auroc`](crate::auroc) defines it.
    ///
    /// Pairs within a bin count half; the error is half of the share of those pairs, without bins
    /// whose scores are all equal.
    ///
    /// # Errors
    /// [`MetricError::OneClass`] where there are no normal or no defect pixels.
    pub fn auroc(&self) -> Result<Bounded<f64>, MetricError> {
        let ranking = self.ranking()?;
        let undecided: u128 = self
            .bins
            .descending()
            .filter(|bin| bin.is_mixed())
            .map(|bin| u128::from(bin.normal) * u128::from(bin.defect))
            .sum();
        let pairs = u128::from(ranking.normal) * u128::from(ranking.defect);
        Ok(Bounded { value: ranking.auroc(), error: undecided as f64 / (2 * pairs) as f64 })
    }

    /// The area under the per-region overlap curve up to the false-positive rate `fpr_limit`,
    /// divided by `fpr_limit`, as anomalib defines it: 1 is perfect. The usual limit is 0.3.
    ///
    /// A region is an 8-connected component of a mask. At a threshold, its overlap is the share of
    /// its pixels that score at least the threshold, and the false-positive rate is the share of
    /// such pixels among the normal ones of all images. The curve is the mean overlap over all
    /// regions, each counting the same whatever its area, joined linearly between thresholds.
    ///
    /// The error adds up, bin by bin, half of how far both rates rise within it (more for a bin
    /// that the limit cuts), without bins whose scores are all equal.
    ///
    /// # Errors
    /// As [`auroc`](Self::auroc); [`MetricError::FprLimit`] where the limit is not above 0 and at
    /// most 1.
    pub fn aupro(&self, fpr_limit: f64) -> Result<Bounded<f64>, MetricError> {
        if !(fpr_limit > 0.0 && fpr_limit <= 1.0) {
            return Err(MetricError::FprLimit { found: fpr_limit });
        }
        let Ranking { normal, defect, .. } = self.ranking()?;
        Ok(aupro(&self.bins, &Totals { normal, defect, components: self.components }, fpr_limit))
    }

    /// The operating point of the highest F1 over all pixels, as [`f1_max`](crate::f1_max) defines
    /// it, among the thresholds that do not split a bin.
    ///
    /// The point is exact for its threshold, so the highest F1 of all thresholds is at most `error`
    /// above its F1, and not below. The error supposes that within a bin all defect pixels score
    /// higher than all normal ones.
    ///
    /// # Errors
    /// As [`auroc`](Self::auroc).
    pub fn f1_max(&self) -> Result<Bounded<OperatingPoint>, MetricError> {
        let ranking = self.ranking()?;
        let value = best(&ranking);
        let inside = self.bins.descending().zip(ranking.flagged()).filter(|(b, _)| b.is_mixed());
        let most = inside.map(|(bin, flagged)| {
            let all = flagged.normal - bin.normal + flagged.defect;
            2.0 * flagged.defect as f64 / (all + ranking.defect) as f64
        });
        Ok(Bounded { value, error: most.fold(value.f1, f64::max) - value.f1 })
    }

    /// The pixels of a bin as a tie at its lowest score: a threshold there flags the whole bin.
    fn ranking(&self) -> Result<Ranking, MetricError> {
        let ties = self.bins.descending().map(|bin| Tie {
            score: bin.lowest.into(),
            normal: bin.normal,
            defect: bin.defect,
        });
        Ranking::from_ties(ties.collect())
    }
}
