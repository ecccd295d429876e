use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use nfbmr_data::{Rect, Size};

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
