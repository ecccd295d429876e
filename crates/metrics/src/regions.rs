//! Defect regions of an anomaly map. Knows connected components, no labels.

use serde::{Deserialize, Serialize};

use crate::components::for_each_component;
use crate::error::MetricError;

/// A connected part of an anomaly map that is above a threshold. Positions are in pixels from the upper
/// left corner of the map.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefectRegion {
    /// Left-most column of the bounding box.
    pub x: u32,
    /// Top-most row of the bounding box.
    pub y: u32,
    /// Columns of the bounding box.
    pub width: u32,
    /// Rows of the bounding box.
    pub height: u32,
    /// The number of pixels of the region itself, at most `width * height`.
    pub area: u64,
    /// The highest score.
    pub peak: f32,
    /// The column of the highest score; of several, that of the first in the order of rows.
    pub peak_x: u32,
    /// The row of the highest score.
    pub peak_y: u32,
}

/// The 8-connected regions of the pixels whose score is above `threshold`, the highest peak first.
///
/// `map` has `width * height` scores, row by row. A score that equals the threshold is outside, as a
/// calibrated threshold is the highest score that is normal. Regions of equal peaks are in the order of the
/// rows, then the columns, that their peaks are in.
///
/// ```
/// use nfbmr_metrics::defect_regions;
///
/// let map = [
///     0.1, 0.7, 0.1, 0.1, //
///     0.1, 0.1, 0.9, 0.1, //
///     0.6, 0.1, 0.1, 0.5,
/// ];
/// let regions = defect_regions(&map, 4, 3, 0.5)?;
/// assert_eq!(regions.len(), 2);
/// let first = regions[0];
/// assert_eq!((first.x, first.y, first.width, first.height, first.area), (1, 0, 2, 2, 2));
/// assert_eq!((first.peak, first.peak_x, first.peak_y), (0.9, 2, 1));
/// # Ok::<(), nfbmr_metrics::MetricError>(())
/// ```
///
/// # Errors
/// [`MetricError::MapSize`] where the map does not have `width * height` scores, at least one;
/// [`MetricError::NanScore`] where a score, [`MetricError::NanThreshold`] where the threshold is not a
/// number.
pub fn defect_regions(
    map: &[f32],
    width: u32,
    height: u32,
    threshold: f32,
) -> Result<Vec<DefectRegion>, MetricError> {
    if threshold.is_nan() {
        return Err(MetricError::NanThreshold);
    }
    let above: Vec<bool> = map.iter().map(|&score| score > threshold).collect();
    marked_regions(map, width, height, &above)
}

/// The 8-connected regions of the pixels that are marked, whatever their scores: those of
/// [`defect_regions`] where the pixels above a threshold are.
///
/// # Errors
/// [`MetricError::MapSize`] and [`MetricError::NanScore`] as [`defect_regions`],
/// [`MetricError::MaskSize`] where there is not a mark for each pixel.
pub fn marked_regions(
    map: &[f32],
    width: u32,
    height: u32,
    marked: &[bool],
) -> Result<Vec<DefectRegion>, MetricError> {
    MetricError::check_map(map, width, height)?;
    MetricError::check_mask(marked, map, width, height)?;
    let mut regions = Vec::new();
    for_each_component(marked, width as usize, |pixels| regions.extend(region(map, width, pixels)));
    regions.sort_by(|a, b| {
        b.peak.total_cmp(&a.peak).then((a.peak_y, a.peak_x).cmp(&(b.peak_y, b.peak_x)))
    });
    Ok(regions)
}

/// The region of some pixels of a map that is `width` wide; none of none.
fn region(map: &[f32], width: u32, pixels: &[usize]) -> Option<DefectRegion> {
    // Both fit, as they are less than the width and the height of the map.
    let position =
        |pixel: usize| ((pixel % width as usize) as u32, (pixel / width as usize) as u32);
    let (mut left, mut top) = position(*pixels.first()?);
    let (mut right, mut bottom, mut highest) = (left, top, pixels[0]);
    for &pixel in pixels {
        let (x, y) = position(pixel);
        (left, right) = (left.min(x), right.max(x));
        (top, bottom) = (top.min(y), bottom.max(y));
        if map[pixel] > map[highest] || (map[pixel] == map[highest] && pixel < highest) {
            highest = pixel;
        }
    }
    let (peak_x, peak_y) = position(highest);
    Some(DefectRegion {
        x: left,
        y: top,
        width: right - left + 1,
        height: bottom - top + 1,
        area: pixels.len() as u64,
        peak: map[highest],
        peak_x,
        peak_y,
    })
}
