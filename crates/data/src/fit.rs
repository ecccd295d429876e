//! Images of any shape to the model's input shape. Knows sizes and resampling, no files.

use image::{Rgb, RgbImage, imageops};
use serde::{Deserialize, Serialize};

use crate::error::SizeError;
use crate::resize::{check_sizes, resize_rgb};
use crate::size::{Rect, Size};

/// How an image of another aspect ratio is brought to the model's input size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Fit {
    /// Stretches the image to the target: every target pixel is used, the aspect ratio is lost.
    #[default]
    Squash,
    /// Keeps the aspect ratio: the image is centred, and what it leaves free is filled.
    Letterbox {
        /// The colour of the borders.
        fill: [u8; 3],
    },
}

impl Fit {
    /// Where the content of an image of size `source` lies in a target of size `target`.
    ///
    /// A map computed on the target is cropped to this rectangle and scaled to `source` to lie
    /// over the original image.
    ///
    /// # Errors
    /// [`SizeError`] where source or target has no pixels, or the target more than 2^28.
    pub fn placement(self, source: Size, target: Size) -> Result<Rect, SizeError> {
        check_sizes(source, target)?;
        let Size { width, height } = match self {
            Self::Squash => target,
            Self::Letterbox { .. } => largest_inside(source, target),
        };
        Ok(Rect { x: (target.width - width) / 2, y: (target.height - height) / 2, width, height })
    }
}

/// The largest size with the aspect ratio of `source` that fits in `target`, rounded to whole
/// pixels and at least one pixel wide and high.
fn largest_inside(source: Size, target: Size) -> Size {
    let [sw, sh, tw, th] =
        [source.width, source.height, target.width, target.height].map(u64::from);
    // ceil(a * b / c - 1/2) rounds halves down, so that the result never exceeds the target.
    let scaled = |a: u64, b: u64, c: u64| ((2 * a * b + c - 1) / (2 * c)).max(1) as u32;
    if tw * sh <= th * sw {
        Size { width: target.width, height: scaled(sh, tw, sw) }
    } else {
        Size { width: scaled(sw, th, sh), height: target.height }
    }
}

/// An image brought to the model's input size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitted {
    /// The pixels.
    pub image: RgbImage,
    /// Where the content lies in `image`; all of it for [`Fit::Squash`].
    pub content: Rect,
}

/// Brings `image` to `size` in the way of `fit`, with the filter of [`resize_rgb`].
///
/// # Errors
/// [`SizeError`] where source or target has no pixels, or the target more than 2^28.
pub fn fit_rgb(image: &RgbImage, size: impl Into<Size>, fit: Fit) -> Result<Fitted, SizeError> {
    let size = size.into();
    let content = fit.placement(image.dimensions().into(), size)?;
    let resized = resize_rgb(image, content.width, content.height)?;
    let image = match fit {
        Fit::Squash => resized,
        Fit::Letterbox { fill } => {
            let mut canvas = RgbImage::from_pixel(size.width, size.height, Rgb(fill));
            imageops::replace(&mut canvas, &resized, content.x.into(), content.y.into());
            canvas
        }
    };
    Ok(Fitted { image, content })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LETTERBOX: Fit = Fit::Letterbox { fill: [1, 2, 3] };

    fn placement(source: (u32, u32), target: (u32, u32)) -> (u32, u32, u32, u32) {
        let rect = LETTERBOX.placement(source.into(), target.into()).unwrap();
        (rect.x, rect.y, rect.width, rect.height)
    }

    #[test]
    fn letterbox_keeps_the_aspect_ratio_and_centres() {
        assert_eq!(placement((200, 100), (64, 64)), (0, 16, 64, 32));
        assert_eq!(placement((100, 200), (64, 64)), (16, 0, 32, 64));
        assert_eq!(placement((50, 50), (64, 64)), (0, 0, 64, 64));
        assert_eq!(placement((16, 9), (256, 256)), (0, 56, 256, 144));
        assert_eq!(placement((3, 7), (10, 5)), (4, 0, 2, 5));
        assert_eq!(placement((1, 4_000_000), (64, 64)), (31, 0, 1, 64));
        assert_eq!(placement((u32::MAX, 1), (8, 8)), (0, 3, 8, 1));
    }

    #[test]
    fn letterbox_fills_only_outside_the_content() {
        let image = RgbImage::from_pixel(8, 4, Rgb([200, 100, 50]));
        let fitted = fit_rgb(&image, 6, LETTERBOX).unwrap();
        assert_eq!(fitted.image.dimensions(), (6, 6));
        let Rect { x, y, width, height } = fitted.content;
        assert_eq!((x, y, width, height), (0, 1, 6, 3));
        for (column, row, pixel) in fitted.image.enumerate_pixels() {
            let inside = (x..x + width).contains(&column) && (y..y + height).contains(&row);
            let expected = if inside { [200, 100, 50] } else { [1, 2, 3] };
            assert_eq!(pixel.0, expected, "at {column}, {row}");
        }
    }

    #[test]
    fn squash_fills_the_target() {
        let image = RgbImage::from_pixel(8, 4, Rgb([9; 3]));
        let fitted = fit_rgb(&image, (5, 7), Fit::Squash).unwrap();
        assert_eq!(fitted.image, RgbImage::from_pixel(5, 7, Rgb([9; 3])));
        assert_eq!(fitted.content, Rect { x: 0, y: 0, width: 5, height: 7 });
    }

    #[test]
    fn empty_and_huge_sizes_are_refused() {
        let image = RgbImage::new(2, 2);
        let error = |image: &RgbImage, size: (u32, u32)| fit_rgb(image, size, LETTERBOX);
        let size = Size { width: 0, height: 2 };
        assert_eq!(error(&RgbImage::new(0, 2), (2, 2)), Err(SizeError::EmptySource { size }));
        assert_eq!(error(&image, (0, 2)), Err(SizeError::EmptyTarget { size }));
        assert!(matches!(
            error(&image, (u32::MAX, u32::MAX)),
            Err(SizeError::TargetTooLarge { .. })
        ));
    }
}
