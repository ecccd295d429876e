//! The area under the per-region overlap curve. Knows histograms alone.

use crate::bins::Bins;
use crate::bounded::Bounded;

/// What the histogram holds in all.
pub(crate) struct Totals {
    pub(crate) normal: u64,
    pub(crate) defect: u64,
    pub(crate) components: u64,
}

/// The area up to the false-positive rate `limit`, divided by `limit`.
///
/// At the edges of the bins the curve is exact. Between them it rises somehow within the rectangle
/// of its ends, whose diagonal is taken for it.
pub(crate) fn aupro(bins: &Bins, totals: &Totals, limit: f64) -> Bounded<f64> {
    let (mut area, mut error, mut count) = (0.0, 0.0, 0);
    let (mut normal, mut overlap) = (0, 0.0);
    let (mut fpr, mut pro) = (0.0, 0.0);
    for bin in bins.descending() {
        normal += bin.normal;
        overlap += bin.overlap;
        count += 1;
        let next_fpr = normal as f64 / totals.normal as f64;
        let rise = overlap / totals.components as f64 - pro;
        // The share of the bin's width that lies within the limit.
        let share = if next_fpr > limit { (limit - fpr) / (next_fpr - fpr) } else { 1.0 };
        let width = (next_fpr - fpr) * share;
        area += width * (pro + rise * share / 2.0);
        if bin.is_mixed() {
            error += width * rise * (1.0 - share / 2.0);
        }
        if next_fpr > limit {
            break;
        }
        fpr = next_fpr;
        pro += rise;
    }
    let value = (area / limit).min(1.0);
    // Each addition to an overlap may round.
    let rounding = value * (totals.defect + count) as f64 * f64::EPSILON;
    Bounded { value, error: error / limit + rounding }
}
