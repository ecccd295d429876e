//! Scores by position.

use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use nfbmr_data::{Rect, Size};
use nfbmr_metrics::{DefectRegion, MetricError, marked_regions};

use crate::error::PipelineError;
use crate::input::overlapping;

/// Scores by position, row by row: high where the image is unlike the normal ones.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreMap {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `width * height` values; what they are outside of the inspected part says nothing of the image.
    pub values: Vec<f32>,
    /// Whether each value is of the inspected part, by a model that has a [`Mask`](crate::Mask); `None` where
    /// all are.
    pub inspected: Option<Vec<bool>>,
}

impl ScoreMap {
    /// A map that is inspected everywhere, of `width * height` values.
    pub fn new(width: u32, height: u32, values: Vec<f32>) -> Self {
        Self { width, height, values, inspected: None }
    }

    /// No map, as of a system that gives a score alone.
    pub fn none() -> Self {
        Self::new(0, 0, Vec::new())
    }

    /// Whether there is no map.
    pub fn is_none(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether the value at an index, row by row, is of the inspected part.
    pub fn is_inspected(&self, index: usize) -> bool {
        let inspected = self.inspected.as_ref();
        inspected.is_none_or(|inspected| inspected.get(index).copied().unwrap_or(false))
    }

    /// The values of the inspected part, row by row.
    pub fn inspected_values(&self) -> impl Iterator<Item = f32> {
        let values = self.values.iter().enumerate();
        values.filter(|(index, _)| self.is_inspected(*index)).map(|(_, &value)| value)
    }

    /// The map at another size: bilinear between the centres of its cells (`align_corners = false`),
    /// with antialiasing where it shrinks. A cell is inspected where any that it overlaps is.
    ///
    /// # Errors
    /// [`PipelineError::Size`] if a side of either size is 0.
    pub fn resize(&self, width: u32, height: u32) -> Result<Self, PipelineError> {
        let whole = [0.0, 0.0, f64::from(self.width), f64::from(self.height)];
        let size = Size { width, height };
        let mut resized = self.resize_window(whole, size)?;
        resized.inspected = self.inspected.as_ref().map(|set| overlapping(set, self.size(), size));
        Ok(resized)
    }

    /// The value at a place in cells, bilinear between their centres; that of the nearest cell outside.
    pub(crate) fn at(&self, [x, y]: [f64; 2]) -> f32 {
        let place = |at: f64, side: u32| {
            let last = side.saturating_sub(1);
            let at = (at - 0.5).clamp(0.0, f64::from(last));
            (at as usize, (at as usize + 1).min(last as usize), (at - at.floor()) as f32)
        };
        let ((left, right, u), (top, bottom, v)) = (place(x, self.width), place(y, self.height));
        let width = self.width as usize;
        let value = |row: usize, column: usize| {
            self.values.get(row * width + column).copied().unwrap_or_default()
        };
        let line = |row| value(row, left) + u * (value(row, right) - value(row, left));
        line(top) + v * (line(bottom) - line(top))
    }

    pub(super) fn size(&self) -> Size {
        Size { width: self.width, height: self.height }
    }

    /// The sum of maps, each times its factor, on the grid of the first; `None` of no maps.
    pub(crate) fn weighted_sum(
        maps: impl IntoIterator<Item = (Self, f32)>,
    ) -> Result<Option<Self>, PipelineError> {
        let mut maps = maps.into_iter();
        let Some((mut sum, factor)) = maps.next() else { return Ok(None) };
        sum.values.iter_mut().for_each(|value| *value *= factor);
        for (map, factor) in maps {
            let map = map.resize(sum.width, sum.height)?;
            sum.values.iter_mut().zip(map.values).for_each(|(sum, value)| *sum += factor * value);
        }
        Ok(Some(sum))
    }

    /// The 8-connected regions of the inspected part whose values are above `threshold`, the highest peak first,
    /// in pixels of the map. A model's own threshold is
    /// [`Calibration::pixel_threshold`](crate::Calibration::pixel_threshold).
    ///
    /// # Errors
    /// As [`defect_regions`](nfbmr_metrics::defect_regions).
    pub fn regions(&self, threshold: f32) -> Result<Vec<DefectRegion>, MetricError> {
        if threshold.is_nan() {
            return Err(MetricError::NanThreshold);
        }
        self.regions_of(&self.values.iter().map(|&value| value > threshold).collect::<Vec<_>>())
    }

    /// The 8-connected regions of the inspected pixels that `anomalous` is true of, the highest peak first.
    pub(crate) fn regions_of(&self, anomalous: &[bool]) -> Result<Vec<DefectRegion>, MetricError> {
        let pixels = anomalous.iter().enumerate();
        let marked: Vec<bool> =
            pixels.map(|(index, &anomalous)| anomalous && self.is_inspected(index)).collect();
        marked_regions(&self.values, self.width, self.height, &marked)
    }

    /// The values of the part of the map that lies over `content` of a network input of side `input`, at `size`.
    pub(crate) fn resize_content(
        &self,
        content: Rect,
        input: u32,
        size: Size,
    ) -> Result<Self, PipelineError> {
        self.resize_window(content_window(self.size(), content, input), size)
    }

    /// `window` is left, top, width and height in cells.
    fn resize_window(&self, window: [f64; 4], size: Size) -> Result<Self, PipelineError> {
        use nfbmr_data::SizeError;
        let own = self.size();
        if own.width == 0 || own.height == 0 {
            return Err(SizeError::EmptySource { size: own }.into());
        }
        if size.width == 0 || size.height == 0 {
            return Err(SizeError::EmptyTarget { size }.into());
        }
        let bytes = self.values.iter().flat_map(|value| value.to_ne_bytes()).collect();
        let failed = |error: &dyn std::fmt::Display| {
            PipelineError::Config(format!("a map of {own} can't be resized to {size}: {error}"))
        };
        let source = Image::from_vec_u8(self.width, self.height, bytes, PixelType::F32)
            .map_err(|error| failed(&error))?;
        let mut resized = Image::new(size.width, size.height, PixelType::F32);
        let [left, top, width, height] = window;
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
            .crop(left, top, width, height);
        Resizer::new().resize(&source, &mut resized, &options).map_err(|error| failed(&error))?;
        let values = resized
            .buffer()
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| f32::from_ne_bytes(*bytes))
            .collect();
        Ok(Self::new(size.width, size.height, values))
    }
}

/// The part of a map of this size that lies over `content` of a network input of side `input`:
/// left, top, width and height in cells.
pub(super) fn content_window(map: Size, content: Rect, input: u32) -> [f64; 4] {
    let scale_x = f64::from(map.width) / f64::from(input);
    let scale_y = f64::from(map.height) / f64::from(input);
    [
        f64::from(content.x) * scale_x,
        f64::from(content.y) * scale_y,
        f64::from(content.width) * scale_x,
        f64::from(content.height) * scale_y,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> ScoreMap {
        ScoreMap::new(3, 2, vec![1.0, 4.0, 2.0, 8.0, -3.0, 5.0])
    }

    #[test]
    fn upsampling_matches_pytorch() {
        // torch.nn.functional.interpolate(x, (5, 7), mode="bilinear", align_corners=False)
        #[rustfmt::skip]
        let expected = [
            1.0000, 1.4286, 2.7143, 4.0000, 3.1429, 2.2857, 2.0000,
            1.7000, 1.9286, 2.6143, 3.3000, 2.8714, 2.4429, 2.3000,
            4.5000, 3.9286, 2.2143, 0.5000, 1.7857, 3.0714, 3.5000,
            7.3000, 5.9286, 1.8143, -2.3000, 0.7000, 3.7000, 4.7000,
            8.0000, 6.4286, 1.7143, -3.0000, 0.4286, 3.8571, 5.0000,
        ];
        let resized = map().resize(7, 5).unwrap();
        assert_eq!((resized.width, resized.height), (7, 5));
        for (found, expected) in resized.values.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-4, "{found} against {expected}");
        }
    }

    #[test]
    fn sizes_without_cells_are_refused() {
        assert!(matches!(map().resize(0, 5), Err(PipelineError::Size(_))));
        let empty = ScoreMap::new(0, 2, Vec::new());
        assert!(matches!(empty.resize(3, 3), Err(PipelineError::Size(_))));
        let short = ScoreMap { values: vec![1.0], ..map() };
        assert!(matches!(short.resize(3, 3), Err(PipelineError::Config(_))));
    }

    /// The pixels above the threshold are all that is inspected, or all that isn't.
    #[test]
    fn regions_are_parts_of_what_is_inspected() {
        let inspected = [false, true, false, true, false, false].to_vec();
        let map = ScoreMap { inspected: Some(inspected), ..map() };
        let boxes = |threshold: f32| {
            let regions = map.regions(threshold).unwrap();
            regions.iter().map(|r| (r.x, r.y, r.area, r.peak)).collect::<Vec<_>>()
        };
        // By their corners, 4 and 8 are one region.
        assert_eq!(boxes(3.9), [(0, 0, 2, 8.0)]);
        assert_eq!(boxes(f32::NEG_INFINITY), [(0, 0, 2, 8.0)]);
        assert_eq!(boxes(4.0), [(0, 1, 1, 8.0)]);
        assert_eq!(boxes(8.0), []);
        assert_eq!(map.regions(f32::NAN), Err(MetricError::NanThreshold));
        assert_eq!(map.inspected_values().collect::<Vec<_>>(), [4.0, 8.0]);
        assert_eq!(map.regions_of(&[true; 6]).unwrap(), map.regions(0.0).unwrap());
        let resized = map.resize(1, 2).unwrap();
        assert_eq!(resized.inspected, Some(vec![true, true]));
        let short = ScoreMap { inspected: Some(vec![true]), ..map };
        assert_eq!(short.regions(0.0).unwrap().len(), 1);
    }
}
