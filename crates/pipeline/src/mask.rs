use std::fmt;

use image::{DynamicImage, Rgb, RgbImage};
use nfbmr_data::Rect;
use serde::{Deserialize, Serialize};

use crate::error::PipelineError;
use crate::map::ScoreMap;

/// The most pixels that a mask has.
const MAX_PIXELS: u64 = 1 << 26;

/// The part of an image that is inspected; what lies outside counts neither in training nor in detection.
///
/// It is laid over each image whatever the size of either, and belongs to cameras and parts that don't
/// move. Pixels outside are painted in the mean colour of the backbone's normalisation before a network sees
/// them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Runs", into = "Runs")]
pub struct Mask {
    width: u32,
    height: u32,
    /// Row by row.
    inspected: Vec<bool>,
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
    /// The bright pixels of an image, as bright as the middle grey or more, are inspected.
    ///
    /// # Errors
    /// [`PipelineError::Config`] for an image without bright pixels, or of more than 2^26 pixels.
    pub fn new(image: &DynamicImage) -> Result<Self, PipelineError> {
        let grey = image.to_luma8();
        let (width, height) = grey.dimensions();
        Self::of(width, height, grey.as_raw().iter().map(|&value| value >= 128).collect())
    }

    fn of(width: u32, height: u32, inspected: Vec<bool>) -> Result<Self, PipelineError> {
        let problem = match inspected.iter().any(|&inside| inside) {
            _ if u64::from(width) * u64::from(height) > MAX_PIXELS => {
                format!("mask: expected at most 2^26 pixels, found {width} x {height}")
            }
            false => {
                "mask: expected bright pixels where images are inspected, found none".to_owned()
            }
            true => return Ok(Self { width, height, inspected }),
        };
        Err(PipelineError::Config(problem))
    }

    /// The share of the image that is inspected.
    pub fn share(&self) -> f64 {
        let inspected = self.inspected.iter().filter(|&&inside| inside).count();
        inspected as f64 / self.inspected.len() as f64
    }

    /// Something is left of it at the size of the network's input.
    pub(crate) fn check(&self, side: u32) -> Result<(), PipelineError> {
        let mut pixels = (0..side).flat_map(|row| (0..side).map(move |column| [column, row]));
        match pixels.any(|at| self.contains(at, [side; 2])) {
            true => Ok(()),
            false => Err(PipelineError::Config(format!(
                "mask: the inspected part is smaller than a pixel of the network's input, {side} x {side}"
            ))),
        }
    }

    /// Whether the pixel at a column and a row of an image of that size is inspected.
    fn contains(&self, [column, row]: [u32; 2], [width, height]: [u32; 2]) -> bool {
        // The mask's pixel under the centre of the image's.
        let under = |at: u32, of: u32, own: u32| {
            ((2 * u64::from(at) + 1) * u64::from(own) / (2 * u64::from(of))).min(u64::from(own) - 1)
        };
        let (x, y) = (under(column, width, self.width), under(row, height, self.height));
        self.inspected[(y * u64::from(self.width) + x) as usize]
    }

    /// Paints what lies outside, where the image's content is in `content`.
    pub(crate) fn paint(&self, image: &mut RgbImage, content: Rect, colour: Rgb<u8>) {
        let size = [content.width, content.height];
        for row in 0..content.height {
            for column in 0..content.width {
                if !self.contains([column, row], size) {
                    image.put_pixel(content.x + column, content.y + row, colour);
                }
            }
        }
    }

    /// Which cells of a map over a network input of side `input` show an inspected pixel of the content.
    pub(crate) fn cells(&self, map: &ScoreMap, content: Rect, input: u32) -> Vec<bool> {
        let size = [content.width, content.height];
        let mut cells = vec![false; map.values.len()];
        let cell =
            |at: u32, cells: u32| (u64::from(at) * u64::from(cells) / u64::from(input)) as usize;
        for row in 0..content.height {
            for column in 0..content.width {
                if self.contains([column, row], size) {
                    let y = cell(content.y + row, map.height);
                    let x = cell(content.x + column, map.width);
                    cells[y * map.width as usize + x] = true;
                }
            }
        }
        cells
    }

    /// Gives the pixels outside the least value of those inspected; the map lies over an image.
    pub(crate) fn clear(&self, map: &mut ScoreMap) {
        let size = [map.width, map.height];
        let positions =
            || (0..map.height).flat_map(|row| (0..map.width).map(move |column| [column, row]));
        let outside: Vec<bool> = positions().map(|at| !self.contains(at, size)).collect();
        let inspected = map.values.iter().zip(&outside).filter(|(_, outside)| !**outside);
        let least = inspected.map(|(value, _)| *value).fold(f32::INFINITY, f32::min);
        let masked = map.values.iter_mut().zip(outside).filter(|(_, outside)| *outside);
        masked.for_each(|(value, _)| *value = least);
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
        for pixel in inspected {
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
        Self::of(width, height, inspected)
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
    fn a_part_that_the_network_cannot_see_is_refused() {
        let mut pixels = [0; 81];
        pixels[10] = 1;
        let mask = mask(9, &pixels);
        mask.check(9).unwrap();
        assert!(mask.check(2).unwrap_err().to_string().contains("smaller than a pixel"));
    }

    #[test]
    fn pixels_outside_are_painted_and_cleared() {
        let mask = mask(2, &[1, 0]);
        assert_eq!(mask.share(), 0.5);
        let mut image = RgbImage::from_pixel(4, 4, Rgb([9; 3]));
        let content = Rect { x: 0, y: 1, width: 4, height: 2 };
        mask.paint(&mut image, content, Rgb([1; 3]));
        let painted = |x, y| image.get_pixel(x, y).0 == [1; 3];
        assert!(painted(2, 1) && painted(3, 2));
        assert!(!painted(1, 1) && !painted(2, 0) && !painted(3, 3));

        let mut map = ScoreMap { width: 2, height: 2, values: vec![3.0, 8.0, 2.0, 1.0] };
        assert_eq!(mask.cells(&map, content, 4), [true, false, true, false]);
        mask.clear(&mut map);
        assert_eq!(map.values, [3.0, 2.0, 2.0, 2.0]);
    }
}
