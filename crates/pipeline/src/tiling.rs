use image::RgbImage;
use image::imageops::crop_imm;
use serde::{Deserialize, Serialize};

use crate::error::PipelineError;
use crate::map::ScoreMap;
use crate::maps::{LevelMaps, Maps};

/// Tiles start at multiples of this many pixels: the coarsest features of a backbone have a position for each.
const STEP: u32 = 32;

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
    /// Side of a tile in pixels, a multiple of 32 as `input_size` has to be.
    pub size: u32,
    /// Pixels that neighbours share at least, a multiple of 32.
    #[serde(default = "overlap")]
    pub overlap: u32,
}

fn overlap() -> u32 {
    STEP
}

impl Tiling {
    /// Tiles of this side that overlap by 32 pixels.
    pub fn new(size: u32) -> Self {
        Self { size, overlap: overlap() }
    }

    pub(crate) fn check(self, input: u32) -> Result<(), PipelineError> {
        let Self { size, overlap } = self;
        let multiples = [input, size, overlap].iter().all(|pixels| pixels % STEP == 0);
        if multiples && overlap < size && size <= input {
            return Ok(());
        }
        Err(PipelineError::Config(format!(
            "tiling: expected multiples of {STEP} with overlap < size <= input_size, found an overlap of {overlap}, a size of \
             {size} and an input_size of {input}"
        )))
    }

    /// Where tiles start along a side.
    fn starts(self, input: u32) -> Vec<u32> {
        let (rest, stride) = (input - self.size, self.size - self.overlap);
        let gaps = rest.div_ceil(stride);
        (0..=gaps).map(|tile| rest * tile / gaps.max(1) / STEP * STEP).collect()
    }

    /// The corners of the tiles, row by row.
    fn corners(self, input: u32) -> impl Iterator<Item = [u32; 2]> {
        let starts = self.starts(input);
        let rows = starts.clone().into_iter();
        rows.flat_map(move |y| starts.clone().into_iter().map(move |x| [x, y]))
    }

    /// How many tiles there are.
    pub(crate) fn count(self, input: u32) -> usize {
        self.starts(input).len().pow(2)
    }

    /// The tiles of an image as the networks would see it, row by row.
    pub(crate) fn cut(self, image: &RgbImage) -> Vec<RgbImage> {
        let tile = |[x, y]: [u32; 2]| crop_imm(image, x, y, self.size, self.size).to_image();
        self.corners(image.width()).map(tile).collect()
    }

    /// The maps of each image by those of its tiles.
    pub(crate) fn stitch(self, input: u32, tiles: Vec<Maps>) -> Vec<Maps> {
        let (count, mut tiles) = (self.count(input), tiles.into_iter().peekable());
        let image = || {
            tiles.peek()?;
            Some(self.stitch_image(input, tiles.by_ref().take(count)))
        };
        std::iter::from_fn(image).collect()
    }

    /// The score of an image by a rule of its own is the highest of its tiles.
    fn stitch_image(self, input: u32, tiles: impl Iterator<Item = Maps>) -> Maps {
        let (mut levels, mut scored): (Vec<Vec<LevelMaps<ScoreMap>>>, _) = (Vec::new(), Vec::new());
        let mut highest = f32::NEG_INFINITY;
        for maps in tiles {
            match maps {
                Maps::Levels(tile) => {
                    levels.resize_with(tile.len(), Vec::new);
                    levels.iter_mut().zip(tile).for_each(|(level, maps)| level.push(maps));
                }
                Maps::Scored { map, score } => {
                    highest = highest.max(score);
                    scored.push(map);
                }
            }
        }
        if let Some(map) = self.blend(input, &scored) {
            return Maps::Scored { map, score: highest };
        }
        let level = |tiles: Vec<LevelMaps<ScoreMap>>| {
            let maps = LevelMaps::gather(tiles);
            let [source, target, likelihood] = maps.map(|maps| self.blend(input, &maps));
            LevelMaps { source, target, likelihood }
        };
        Maps::Levels(levels.into_iter().map(level).collect())
    }

    /// The map of an image of side `input`: a tile counts the less, the nearer its edge, as far as tiles overlap.
    /// `None` of no maps.
    #[expect(clippy::indexing_slicing, reason = "cells of tiles inside the image")]
    fn blend(self, input: u32, tiles: &[ScoreMap]) -> Option<ScoreMap> {
        let cells = tiles.first()?.width;
        // As many as there are positions, which divide a tile evenly.
        let to_cells = |pixels: u32| pixels * cells / self.size;
        let (side, overlap) = (to_cells(input), to_cells(self.overlap).max(1));
        let weight = |cell: u32| (cell + 1).min(cells - cell).min(overlap) as f32;
        let mut sum = vec![0.0; (side * side) as usize];
        let mut weights = sum.clone();
        for ([left, top], tile) in self.corners(input).zip(tiles) {
            let (left, top) = (to_cells(left), to_cells(top));
            for (row, values) in (0..).zip(tile.values.chunks_exact(cells as usize)) {
                for (column, value) in (0..).zip(values) {
                    let weight = weight(row) * weight(column);
                    let at = ((top + row) * side + left + column) as usize;
                    sum[at] += weight * value;
                    weights[at] += weight;
                }
            }
        }
        let values = sum.iter().zip(weights).map(|(sum, weight)| sum / weight).collect();
        Some(ScoreMap::new(side, side, values))
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use proptest::prelude::*;

    use super::*;

    fn tiling(size: u32, overlap: u32) -> Tiling {
        Tiling { size, overlap }
    }

    /// A map over an image, in cells of `stride` pixels.
    fn map(side: u32, stride: u32, value: impl Fn(u32, u32) -> f32) -> ScoreMap {
        let side = side / stride;
        let values = (0..side * side).map(|cell| value(cell % side, cell / side)).collect();
        ScoreMap::new(side, side, values)
    }

    #[test]
    fn settings_that_cut_nothing_even_are_refused() {
        tiling(64, 32).check(64).unwrap();
        tiling(64, 0).check(640).unwrap();
        for (size, overlap, input) in
            [(64, 64, 128), (96, 32, 64), (60, 32, 128), (64, 16, 128), (64, 32, 100), (0, 0, 64)]
        {
            let problem = tiling(size, overlap).check(input).unwrap_err().to_string();
            assert!(problem.contains("multiples of 32"), "{problem}");
        }
    }

    #[test]
    fn tiles_are_parts_of_the_image() {
        let image = RgbImage::from_fn(128, 128, |x, y| Rgb([x as u8, y as u8, 0]));
        let tiles = tiling(64, 32).cut(&image);
        assert_eq!(tiles.len(), 9);
        let corners: Vec<[u8; 2]> =
            tiles.iter().map(|tile| [tile.get_pixel(0, 0)[0], tile.get_pixel(0, 0)[1]]).collect();
        assert_eq!(corners[..4], [[0, 0], [32, 0], [64, 0], [0, 32]]);
        assert!(tiles.iter().all(|tile| tile.dimensions() == (64, 64)));
        assert_eq!(tiling(128, 32).cut(&image), [image]);
    }

    #[test]
    fn seams_are_blended() {
        let tiling = tiling(128, 64);
        // Two columns of tiles that disagree by 9: from left to right the map rises evenly where they overlap.
        let tile = |place: u32| map(128, 8, |_, _| 9.0 * (place % 2) as f32);
        let tiles: Vec<ScoreMap> = (0..4).map(tile).collect();
        let blended = tiling.blend(192, &tiles).unwrap();
        assert_eq!((blended.width, blended.height), (24, 24));
        for row in blended.values.chunks(24) {
            for (column, value) in row.iter().enumerate() {
                let expected = (column as f32 - 7.0).clamp(0.0, 9.0);
                assert!((value - expected).abs() < 1e-5, "{row:?}");
            }
        }
    }

    #[test]
    fn the_highest_score_of_a_tile_is_that_of_the_image() {
        let tiles = [1.0, 7.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0];
        let tiles = tiles.map(|score| Maps::Scored { map: map(64, 8, |_, _| score), score });
        let images = tiling(64, 0).stitch(128, tiles.into());
        assert_eq!(images.len(), 2);
        for (image, corners) in images.into_iter().zip([[1.0, 7.0, 3.0], [4.0, 5.0, 0.0]]) {
            let Maps::Scored { map, score } = image else { panic!("a map without levels") };
            assert_eq!((map.width, map.height), (16, 16));
            assert_eq!([map.values[0], map.values[15], map.values[255]], corners);
            assert_eq!(score, map.values.iter().copied().fold(0.0, f32::max));
        }
    }

    proptest! {
        #[test]
        fn tiles_cover_the_image_and_overlap_enough(size in 1u32..12, overlap in 0u32..12, more in 0u32..40) {
            let (size, overlap, input) = (32 * size, 32 * overlap, 32 * (size + more));
            prop_assume!(overlap < size);
            let tiling = tiling(size, overlap);
            tiling.check(input).unwrap();
            let starts = tiling.starts(input);
            prop_assert_eq!((starts[0], starts[starts.len() - 1] + size), (0, input));
            for pair in starts.windows(2) {
                prop_assert!(pair[0] < pair[1] && pair[1] + overlap <= pair[0] + size, "{:?}", starts);
            }
            prop_assert!(starts.iter().all(|start| start % 32 == 0));
        }

        #[test]
        fn a_map_cut_into_tiles_is_stitched_to_itself(
            size in 1u32..4, overlap in 0u32..3, more in 0u32..6, stride in prop::sample::select(vec![8u32, 16, 32]),
        ) {
            let (size, overlap, input) = (32 * size, 32 * overlap, 32 * (size + more));
            prop_assume!(overlap < size);
            let tiling = tiling(size, overlap);
            let value = |x: u32, y: u32| (7 * x + 13 * y) as f32;
            let tile = |[left, top]: [u32; 2]| map(size, stride, |x, y| value(x + left / stride, y + top / stride));
            let tiles: Vec<ScoreMap> = tiling.corners(input).map(tile).collect();
            prop_assert_eq!(tiles.len(), tiling.count(input));
            let (found, expected) = (tiling.blend(input, &tiles).unwrap(), map(input, stride, value));
            prop_assert_eq!((found.width, found.height), (expected.width, expected.height));
            for (found, expected) in found.values.iter().zip(&expected.values) {
                prop_assert!((found - expected).abs() <= 1e-4 * expected.abs(), "{found} against {expected}");
            }
        }
    }
}
