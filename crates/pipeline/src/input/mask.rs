//! The part of an image that is inspected.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use image::{DynamicImage, Rgb, RgbImage};
use nfbmr_data::{Limits, Marked, Rect, Size};
use serde::{Deserialize, Serialize};

use crate::error::PipelineError;
use crate::input::overlap::overlapping;

/// The most pixels that a mask has.
const MAX_PIXELS: u64 = 1 << 26;

/// The part of an image that is inspected; what lies outside counts neither in training nor in detection.
///
/// It is laid over each image whatever the size of either, and belongs to cameras and parts that don't
/// move. A pixel of an image is inspected where any pixel of the mask that it overlaps is, so that
/// something is in an image of any size. The others are painted in the mean colour of the backbone's
/// normalisation before an image is brought to the network's input, and
/// [`ScoreMap::inspected`](crate::ScoreMap::inspected) tells which they are.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Runs", into = "Runs")]
pub struct Mask {
    width: u32,
    height: u32,
    /// Row by row; shared by those who hold the mask.
    inspected: Arc<[bool]>,
}

/// [`Mask`] as a file has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Runs {
    width: u32,
    height: u32,
    /// Lengths of runs of pixels, row by row: outside, inspected, outside and so on.
    runs: Vec<u64>,
}

impl Mask {
    /// The pixels that an image marks, as [`Marked`] reads masks, are inspected: bright ones, or those that
    /// aren't transparent.
    ///
    /// # Errors
    /// [`PipelineError::Config`] for an image that marks none, or of more than 2^26 pixels.
    pub fn new(image: &DynamicImage) -> Result<Self, PipelineError> {
        Self::of(Marked::of(image)).map_err(PipelineError::Config)
    }

    /// As [`Self::new`], of an image file, whose format may tell more.
    ///
    /// # Errors
    /// Those of [`Self::new`], with the file's name, and [`PipelineError::Data`] for a file that can't be read.
    pub fn load(path: impl AsRef<Path>, limits: &Limits) -> Result<Self, PipelineError> {
        let path = path.as_ref();
        Self::of(Marked::load(path, limits)?)
            .map_err(|problem| PipelineError::Config(format!("{problem} in {}", path.display())))
    }

    /// The error is what is wrong.
    fn of(Marked { size, pixels }: Marked) -> Result<Self, String> {
        let Size { width, height } = size;
        if u64::from(width) * u64::from(height) > MAX_PIXELS {
            return Err(format!("mask: expected at most 2^26 pixels, found {size}"));
        }
        match pixels.contains(&true) {
            true => Ok(Self { width, height, inspected: pixels.into() }),
            false => {
                Err("mask: expected bright pixels, or in a transparent picture opaque ones, where \
                          images are inspected, found none"
                    .to_owned())
            }
        }
    }

    /// The share of the image that is inspected.
    pub fn share(&self) -> f64 {
        let inspected = self.inspected.iter().filter(|&&inside| inside).count();
        inspected as f64 / self.inspected.len() as f64
    }

    /// Whether each pixel of an image of that size is inspected, row by row; at least one is.
    pub(crate) fn at(&self, size: Size) -> Vec<bool> {
        overlapping(&self.inspected, Size { width: self.width, height: self.height }, size)
    }

    /// Paints what lies outside, where the image's content is in `content`.
    pub(crate) fn paint(&self, image: &mut RgbImage, content: Rect, colour: Rgb<u8>) {
        let Rect { x, y, width, height } = content;
        let positions = (0..height).flat_map(|row| (0..width).map(move |column| (column, row)));
        for ((column, row), inspected) in positions.zip(self.at(Size { width, height })) {
            if !inspected {
                image.put_pixel(x + column, y + row, colour);
            }
        }
    }

    /// Which cells of a map of that size over a network input of side `input` show an inspected pixel of the
    /// content, row by row; at least one does.
    pub(crate) fn cells(&self, map: Size, content: Rect, input: u32) -> Vec<bool> {
        let Rect { x, y, width, height } = content;
        let mut shown = vec![false; input as usize * input as usize];
        let lines = shown.chunks_exact_mut(input.max(1) as usize).skip(y as usize);
        let inspected = self.at(Size { width, height });
        for (line, inspected) in lines.zip(inspected.chunks(width.max(1) as usize)) {
            let pixels = line.iter_mut().skip(x as usize).zip(inspected);
            pixels.for_each(|(shown, &inspected)| *shown = inspected);
        }
        overlapping(&shown, input.into(), map)
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { width, height, .. } = self;
        write!(f, "Mask({width} x {height}, {:.1} % inspected)", 100.0 * self.share())
    }
}

impl From<Mask> for Runs {
    fn from(Mask { width, height, inspected }: Mask) -> Self {
        let mut runs = vec![];
        // The first run is outside, of length 0 if need be.
        let mut inside = true;
        for &pixel in &*inspected {
            if inside != pixel || runs.is_empty() {
                if runs.is_empty() && pixel {
                    runs.push(0);
                }
                runs.push(0);
                inside = pixel;
            }
            if let Some(run) = runs.last_mut() {
                *run += 1;
            }
        }
        Self { width, height, runs }
    }
}

impl TryFrom<Runs> for Mask {
    type Error = PipelineError;

    fn try_from(Runs { width, height, runs }: Runs) -> Result<Self, Self::Error> {
        let expected = u64::from(width) * u64::from(height);
        let found = runs.iter().fold(0, |sum: u64, run| sum.saturating_add(*run));
        if expected > MAX_PIXELS || found != expected {
            return Err(PipelineError::Config(format!(
                "mask: expected runs of {width} x {height} pixels, 2^26 at most, found {found}"
            )));
        }
        let mut inspected = Vec::with_capacity(expected as usize);
        for (index, run) in runs.into_iter().enumerate() {
            inspected.extend(std::iter::repeat_n(index % 2 == 1, run as usize));
        }
        Self::of(Marked { size: (width, height).into(), pixels: inspected })
            .map_err(PipelineError::Config)
    }
}

#[cfg(test)]
mod tests {
    use image::GrayImage;
    use proptest::prelude::*;

    use super::*;

    fn mask(width: u32, inspected: &[u8]) -> Mask {
        let height = inspected.len() as u32 / width;
        let values = inspected.iter().map(|value| value * 255).collect();
        Mask::new(&GrayImage::from_raw(width, height, values).unwrap().into()).unwrap()
    }

    proptest! {
        #[test]
        fn files_hold_any_mask(width in 1u32..9, rows in prop::collection::vec(0u8..2, 1..60)) {
            let pixels = &rows[..rows.len() / width as usize * width as usize];
            prop_assume!(pixels.contains(&1));
            let mask = mask(width, pixels);
            let json = serde_json::to_string(&mask).unwrap();
            prop_assert_eq!(serde_json::from_str::<Mask>(&json).unwrap(), mask);
        }
    }

    #[test]
    fn masks_of_files_are_checked() {
        let refused = |json: &str| serde_json::from_str::<Mask>(json).unwrap_err().to_string();
        let wrong = [
            r#"{"width":2,"height":2,"runs":[1,2]}"#,
            r#"{"width":4294967295,"height":4294967295,"runs":[18446744065119617025]}"#,
            r#"{"width":2,"height":1,"runs":[18446744073709551615,3]}"#,
        ];
        for json in wrong {
            assert!(refused(json).contains("mask: expected runs of"), "{json}");
        }
        assert!(refused(r#"{"width":2,"height":2,"runs":[4]}"#).contains("found none"));
        assert!(refused(r#"{"width":0,"height":0,"runs":[]}"#).contains("found none"));
    }

    #[test]
    fn pixels_outside_are_painted() {
        let mask = mask(2, &[1, 0]);
        assert_eq!(mask.share(), 0.5);
        let mut image = RgbImage::from_pixel(4, 4, Rgb([9; 3]));
        let content = Rect { x: 0, y: 1, width: 4, height: 2 };
        mask.paint(&mut image, content, Rgb([1; 3]));
        let painted = |x, y| image.get_pixel(x, y).0 == [1; 3];
        assert!(painted(2, 1) && painted(3, 2));
        assert!(!painted(1, 1) && !painted(2, 0) && !painted(3, 3));
        assert_eq!(mask.cells(2.into(), content, 4), [true, false, true, false]);
        // The cell in the middle shows a pixel that is inspected.
        let cells = mask.cells(3.into(), content, 4);
        assert_eq!(cells, [true, true, false, true, true, false, true, true, false]);
    }

    proptest! {
        #[test]
        fn something_is_inspected_in_an_image_of_any_size(
            width in 1u32..40, rows in prop::collection::vec(0u8..2, 1..60), long in 1u32..5000,
            at in (0u32..30, 0u32..30), side in 1u32..9,
        ) {
            let pixels = &rows[..rows.len() / width as usize * width as usize];
            prop_assume!(pixels.contains(&1));
            let mask = mask(width, pixels);
            prop_assert!(mask.at((1, long).into()).contains(&true));
            prop_assert!(mask.at((long, 1).into()).contains(&true));
            let content = Rect { x: at.0, y: at.1, width: 1, height: 2 };
            prop_assert!(mask.cells(side.into(), content, 32).contains(&true));
        }
    }

    #[test]
    fn a_picture_that_marks_nothing_is_refused() {
        let problem = |image: DynamicImage| Mask::new(&image).unwrap_err().to_string();
        let dark = GrayImage::new(3, 3);
        assert!(problem(dark.into()).contains("mask: expected bright pixels"));
        let clear = image::RgbaImage::from_pixel(3, 3, image::Rgba([255, 255, 255, 0]));
        assert!(problem(clear.into()).ends_with("found none"));
    }
}
