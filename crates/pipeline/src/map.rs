use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use nfbmr_data::{Rect, Size};
use nfbmr_metrics::{DefectRegion, MetricError, defect_regions};

use crate::error::PipelineError;

/// Scores by position, row by row: high where the image is unlike the normal ones.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreMap {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `width * height` values.
    pub values: Vec<f32>,
}

impl ScoreMap {
    /// The map at another size: bilinear between the centres of its cells (`align_corners = false`),
    /// with antialiasing where it shrinks.
    ///
    /// # Errors
    /// [`PipelineError::Size`] if a side of either size is 0.
    pub fn resize(&self, width: u32, height: u32) -> Result<Self, PipelineError> {
        let whole = [0.0, 0.0, f64::from(self.width), f64::from(self.height)];
        self.resize_window(whole, (width, height).into())
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

    /// The 8-connected regions whose values are above `threshold`, the highest peak first, in pixels of
    /// the map. A model's own threshold is [`Calibration::pixel_threshold`](crate::Calibration::pixel_threshold).
    ///
    /// # Errors
    /// As [`defect_regions`].
    pub fn regions(&self, threshold: f32) -> Result<Vec<DefectRegion>, MetricError> {
        defect_regions(&self.values, self.width, self.height, threshold)
    }

    /// The 8-connected regions of the pixels that `anomalous` is true of, the highest peak first.
    pub(crate) fn regions_of(&self, anomalous: &[bool]) -> Result<Vec<DefectRegion>, MetricError> {
        let values = self.values.iter().zip(anomalous);
        let inside =
            |(&value, &inside): (&f32, &bool)| if inside { value } else { f32::NEG_INFINITY };
        let values: Vec<f32> = values.map(inside).collect();
        defect_regions(&values, self.width, self.height, f32::NEG_INFINITY)
    }

    /// The part of the map that lies over `content` of a network input of side `input`, at `size`.
    pub(crate) fn resize_content(
        &self,
        content: Rect,
        input: u32,
        size: Size,
    ) -> Result<Self, PipelineError> {
        let scale_x = f64::from(self.width) / f64::from(input);
        let scale_y = f64::from(self.height) / f64::from(input);
        let window = [
            f64::from(content.x) * scale_x,
            f64::from(content.y) * scale_y,
            f64::from(content.width) * scale_x,
            f64::from(content.height) * scale_y,
        ];
        self.resize_window(window, size)
    }

    /// `window` is left, top, width and height in cells.
    fn resize_window(&self, window: [f64; 4], size: Size) -> Result<Self, PipelineError> {
        use nfbmr_data::SizeError;
        let own = Size { width: self.width, height: self.height };
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
        Ok(Self { width: size.width, height: size.height, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> ScoreMap {
        ScoreMap { width: 3, height: 2, values: vec![1.0, 4.0, 2.0, 8.0, -3.0, 5.0] }
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
        let empty = ScoreMap { width: 0, height: 2, values: Vec::new() };
        assert!(matches!(empty.resize(3, 3), Err(PipelineError::Size(_))));
        let short = ScoreMap { values: vec![1.0], ..map() };
        assert!(matches!(short.resize(3, 3), Err(PipelineError::Config(_))));
    }
}
