//! The maps of an image from those of its tiles.

use std::sync::Arc;

use nfbmr_onnx::Matrix;

use super::{LevelMaps, Maps, Rule, ScoreMap};
use crate::input::Tiles;

/// The maps of each image by those of its tiles.
pub(crate) fn stitch(tiles: Tiles, maps: Vec<Maps>) -> Vec<Maps> {
    let (count, mut maps) = (tiles.count(), maps.into_iter().peekable());
    let image = || {
        maps.peek()?;
        Some(stitch_image(tiles, maps.by_ref().take(count)))
    };
    std::iter::from_fn(image).collect()
}

/// The score of an image by a rule of its own is the highest of its tiles.
fn stitch_image(tiles: Tiles, maps: impl Iterator<Item = Maps>) -> Maps {
    let mut levels: Vec<Vec<LevelMaps<ScoreMap>>> = Vec::new();
    let mut of_levels: Option<Arc<Rule>> = None;
    let (mut scored, mut highest) = (Vec::new(), f32::NEG_INFINITY);
    for maps in maps {
        match maps {
            // Kinds are of whole images.
            Maps::Levels { levels: tile, rule, kind: _ } => {
                of_levels.get_or_insert(rule);
                levels.resize_with(tile.len(), Vec::new);
                levels.iter_mut().zip(tile).for_each(|(level, maps)| level.push(maps));
            }
            Maps::Scored { map, score } => {
                highest = highest.max(score);
                scored.push(map);
            }
            Maps::Score(score) => highest = highest.max(score),
        }
    }
    let level = |of_tiles: Vec<LevelMaps<ScoreMap>>| {
        let maps = LevelMaps::gather(of_tiles);
        let [source, target, likelihood] = maps.map(|maps| blend(tiles, &maps));
        LevelMaps { source, target, likelihood }
    };
    match of_levels {
        Some(rule) => {
            let levels = levels.into_iter().map(level).collect();
            Maps::Levels { levels, rule, kind: None }
        }
        None => match blend(tiles, &scored) {
            Some(map) => Maps::Scored { map, score: highest },
            None => Maps::Score(highest),
        },
    }
}

/// The map of an image: a tile counts the less, the nearer its edge, as far as tiles overlap. `None` for no maps.
#[expect(clippy::indexing_slicing, reason = "cells of tiles inside the image")]
fn blend(tiles: Tiles, maps: &[ScoreMap]) -> Option<ScoreMap> {
    let cells = maps.first()?.width;
    let to_cells = |pixels: u32| to_cells(tiles, cells, pixels);
    let side = to_cells(tiles.input);
    let weight = |cell: u32| edge_weight(tiles, cells, cell);
    let mut sum = vec![0.0; (side * side) as usize];
    let mut weights = sum.clone();
    for ([left, top], tile) in tiles.corners().zip(maps) {
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

/// Pixels in cells, of which a tile has as many as there are positions, which divide it evenly.
fn to_cells(tiles: Tiles, cells: u32, pixels: u32) -> u32 {
    pixels * cells / tiles.size
}

/// What a cell of a tile counts for along a side.
fn edge_weight(tiles: Tiles, cells: u32, cell: u32) -> f32 {
    let overlap = to_cells(tiles, cells, tiles.overlap).max(1);
    (cell + 1).min(cells - cell).min(overlap) as f32
}

/// [`blend`] along one side, of the cells of all tiles in a row.
#[expect(clippy::indexing_slicing, reason = "cells of tiles inside the image")]
pub(super) fn blend_weights(tiles: Tiles, cells: u32) -> Matrix {
    let starts = tiles.starts();
    let (to, from) = (to_cells(tiles, cells, tiles.input) as usize, starts.len() * cells as usize);
    let mut values = vec![0.0; to * from];
    for (tile, start) in starts.into_iter().enumerate() {
        for cell in 0..cells {
            let (row, column) = (to_cells(tiles, cells, start) + cell, tile * cells as usize);
            values[row as usize * from + column + cell as usize] = edge_weight(tiles, cells, cell);
        }
    }
    for row in values.chunks_mut(from.max(1)) {
        let sum: f32 = row.iter().sum();
        row.iter_mut().for_each(|weight| *weight /= sum);
    }
    Matrix { to, from, values }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::input::Tiling;

    fn tiles(size: u32, overlap: u32, input: u32) -> Tiles {
        let mut tiling = Tiling::new(size);
        tiling.overlap = overlap;
        tiling.tiles(input, 32).unwrap()
    }

    /// A map over an image, in cells of `stride` pixels.
    fn map(side: u32, stride: u32, value: impl Fn(u32, u32) -> f32) -> ScoreMap {
        let side = side / stride;
        let values = (0..side * side).map(|cell| value(cell % side, cell / side)).collect();
        ScoreMap::new(side, side, values)
    }

    #[test]
    fn seams_are_blended() {
        // Two columns of tiles that disagree by 9: from left to right the map rises evenly where they overlap.
        let tile = |place: u32| map(128, 8, |_, _| 9.0 * (place % 2) as f32);
        let maps: Vec<ScoreMap> = (0..4).map(tile).collect();
        let blended = blend(tiles(128, 64, 192), &maps).unwrap();
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
        let scores = [1.0, 7.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0];
        let maps = scores.map(|score| Maps::Scored { map: map(64, 8, |_, _| score), score });
        let images = stitch(tiles(64, 0, 128), maps.into());
        assert_eq!(images.len(), 2);
        for (image, corners) in images.into_iter().zip([[1.0, 7.0, 3.0], [4.0, 5.0, 0.0]]) {
            let Maps::Scored { map, score } = image else { panic!("a map without levels") };
            assert_eq!((map.width, map.height), (16, 16));
            assert_eq!([map.values[0], map.values[15], map.values[255]], corners);
            assert_eq!(score, map.values.iter().copied().fold(0.0, f32::max));
        }
    }

    #[test]
    fn tiles_without_maps_have_the_highest_score() {
        let images = stitch(tiles(64, 0, 128), [1.0, 7.0, 3.0, 2.0].map(Maps::Score).into());
        assert!(matches!(images[..], [Maps::Score(7.0)]));
    }

    proptest! {
        #[test]
        fn a_map_cut_into_tiles_is_stitched_to_itself(
            size in 1u32..4, overlap in 0u32..3, more in 0u32..6, stride in prop::sample::select(vec![8u32, 16, 32]),
        ) {
            let (size, overlap, input) = (32 * size, 32 * overlap, 32 * (size + more));
            prop_assume!(overlap < size);
            let tiles = tiles(size, overlap, input);
            let value = |x: u32, y: u32| (7 * x + 13 * y) as f32;
            let tile = |[left, top]: [u32; 2]| map(size, stride, |x, y| value(x + left / stride, y + top / stride));
            let maps: Vec<ScoreMap> = tiles.corners().map(tile).collect();
            prop_assert_eq!(maps.len(), tiles.count());
            let (found, expected) = (blend(tiles, &maps).unwrap(), map(input, stride, value));
            // By one step along a side, of the first column of tiles.
            let along = blend_weights(tiles, size / stride);
            prop_assert_eq!(along.to, found.height as usize);
            let rows = tiles.starts().into_iter();
            let rows: Vec<f32> = rows
                .flat_map(|start| (0..size / stride).map(move |cell| value(0, cell + start / stride)))
                .collect();
            for (row, weights) in along.values.chunks(along.from).enumerate() {
                let blended: f32 = weights.iter().zip(&rows).map(|(weight, value)| weight * value).sum();
                prop_assert!((blended - value(0, row as u32)).abs() <= 1e-4 * (1.0 + blended));
            }
            prop_assert_eq!((found.width, found.height), (expected.width, expected.height));
            for (found, expected) in found.values.iter().zip(&expected.values) {
                prop_assert!((found - expected).abs() <= 1e-4 * expected.abs(), "{found} against {expected}");
            }
        }
    }
}
