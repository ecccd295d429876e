//! Overlapping tiles that the network's input is cut into.

use image::RgbImage;
use image::imageops::crop_imm;
use serde::{Deserialize, Serialize};

use crate::error::PipelineError;

/// Overlapping tiles that the square of side `input_size` is cut into; each is an image to the networks, which learn one
/// tile for all of them.
///
/// For small defects of surfaces that look alike everywhere: a model is no larger than one of `input_size = size`, and
/// sees each texture as often as there are tiles. Time is that of as many images. Where a part has places that
/// look different, a larger `input_size` without tiles has statistics of its own for each.
///
/// The maps of the tiles are blended where these overlap. [`Pooling::TopFraction`](crate::Pooling) counts the cells of one tile:
/// a defect weighs the same in an image of more tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Tiling {
    /// Side of a tile in pixels, a multiple of the stride of the backbone's last block in use, as `input_size` has
    /// to be.
    pub size: u32,
    /// Pixels that neighbours share at least, a multiple of that stride.
    #[serde(default = "overlap")]
    pub overlap: u32,
}

fn overlap() -> u32 {
    32
}

impl Tiling {
    /// Tiles of this side that overlap by 32 pixels.
    pub fn new(size: u32) -> Self {
        Self { size, overlap: overlap() }
    }

    /// The tiles of an input of this side. They start at multiples of `step` pixels, so that the features of each
    /// lie where those of the whole input would.
    pub(crate) fn tiles(self, input: u32, step: u32) -> Result<Tiles, PipelineError> {
        let Self { size, overlap } = self;
        let multiples = [input, size, overlap].iter().all(|pixels| pixels % step == 0);
        if multiples && overlap < size && size <= input {
            return Ok(Tiles { size, overlap, input, step });
        }
        Err(PipelineError::Config(format!(
            "tiling: expected multiples of {step} with overlap < size <= input_size, found an overlap of {overlap}, a size of \
             {size} and an input_size of {input}"
        )))
    }
}

/// The tiles of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tiles {
    /// Side of a tile in pixels.
    pub(crate) size: u32,
    /// Pixels that neighbours share at least.
    pub(crate) overlap: u32,
    /// Side of the input in pixels.
    pub(crate) input: u32,
    /// Tiles start at multiples of this many pixels.
    step: u32,
}

impl Tiles {
    /// Where tiles start along a side.
    pub(crate) fn starts(self) -> Vec<u32> {
        let (rest, stride) = (self.input - self.size, self.size - self.overlap);
        let gaps = rest.div_ceil(stride);
        (0..=gaps).map(|tile| rest * tile / gaps.max(1) / self.step * self.step).collect()
    }

    /// The corners of the tiles, row by row.
    pub(crate) fn corners(self) -> impl Iterator<Item = [u32; 2]> {
        let starts = self.starts();
        let rows = starts.clone().into_iter();
        rows.flat_map(move |y| starts.clone().into_iter().map(move |x| [x, y]))
    }

    /// How many tiles there are.
    pub(crate) fn count(self) -> usize {
        self.starts().len().pow(2)
    }

    /// The tiles of an image as the networks would see it, row by row.
    pub(crate) fn cut(self, image: &RgbImage) -> Vec<RgbImage> {
        let tile = |[x, y]: [u32; 2]| crop_imm(image, x, y, self.size, self.size).to_image();
        self.corners().map(tile).collect()
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use proptest::prelude::*;

    use super::*;

    fn tiles(size: u32, overlap: u32, input: u32) -> Result<Tiles, PipelineError> {
        Tiling { size, overlap }.tiles(input, 32)
    }

    #[test]
    fn settings_that_cut_nothing_even_are_refused() {
        tiles(64, 32, 64).unwrap();
        tiles(64, 0, 640).unwrap();
        Tiling { size: 48, overlap: 16 }.tiles(112, 16).unwrap();
        for (size, overlap, input) in
            [(64, 64, 128), (96, 32, 64), (60, 32, 128), (64, 16, 128), (64, 32, 100), (0, 0, 64)]
        {
            let problem = tiles(size, overlap, input).unwrap_err().to_string();
            assert!(problem.contains("multiples of 32"), "{problem}");
        }
    }

    #[test]
    fn tiles_are_parts_of_the_image() {
        let image = RgbImage::from_fn(128, 128, |x, y| Rgb([x as u8, y as u8, 0]));
        let cut = tiles(64, 32, 128).unwrap().cut(&image);
        assert_eq!(cut.len(), 9);
        let corners: Vec<[u8; 2]> =
            cut.iter().map(|tile| [tile.get_pixel(0, 0)[0], tile.get_pixel(0, 0)[1]]).collect();
        assert_eq!(corners[..4], [[0, 0], [32, 0], [64, 0], [0, 32]]);
        assert!(cut.iter().all(|tile| tile.dimensions() == (64, 64)));
        assert_eq!(tiles(128, 32, 128).unwrap().cut(&image), [image]);
    }

    proptest! {
        #[test]
        fn tiles_cover_the_image_and_overlap_enough(
            size in 1u32..12, overlap in 0u32..12, more in 0u32..40, step in prop::sample::select(vec![8u32, 16, 32]),
        ) {
            let (size, overlap, input) = (step * size, step * overlap, step * (size + more));
            prop_assume!(overlap < size);
            let starts = Tiling { size, overlap }.tiles(input, step).unwrap().starts();
            prop_assert_eq!((starts[0], starts[starts.len() - 1] + size), (0, input));
            for pair in starts.windows(2) {
                prop_assert!(pair[0] < pair[1] && pair[1] + overlap <= pair[0] + size, "{:?}", starts);
            }
            prop_assert!(starts.iter().all(|start| start % step == 0));
        }
    }
}
