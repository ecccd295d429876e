//! The choice of a coreset. It works on plain numbers and knows nothing of burn, nor of PatchCore.

use pulp::Arch;
use rayon::prelude::*;

use crate::PeerError;
use crate::progress::{ProgressFn, report};

/// Points side by side in a block, so that a vector register holds one dimension of several points.
const LANES: usize = 32;

/// Dimensions between two looks at whether a block can still come nearer.
const STRIDE: usize = 16;

/// Blocks that a thread takes at a time.
const BLOCKS: usize = 32;

/// Indices of `count` of the points, chosen by greedy k-centres: after `start`, each the point farthest
/// from those chosen before. Fewer if the rest are copies of chosen points.
///
/// `points` holds them row by row, `dimension` values each, all finite. The choice doesn't depend on
/// the number of threads; ties go to the lower index. Takes as much memory again as `points`.
pub(crate) fn k_center_greedy(
    points: &[f32],
    dimension: usize,
    count: usize,
    start: usize,
    progress: &mut ProgressFn<'_>,
) -> Result<Vec<usize>, PeerError> {
    let points = Blocks::new(points, dimension);
    let mut distances = points.infinite_distances();
    let mut chosen = vec![start];
    for done in 1..count {
        report(progress, done, count)?;
        let Farthest { distance, index } = points.add_center(chosen[done - 1], &mut distances);
        if distance == 0.0 {
            break;
        }
        chosen.push(index);
    }
    report(progress, count, count)?;
    Ok(chosen)
}

/// Points in blocks `[dimension][LANES]`.
struct Blocks {
    values: Vec<[f32; LANES]>,
    dimension: usize,
    count: usize,
}

/// The point farthest from the centres, by its squared distance to the nearest.
#[derive(Clone, Copy)]
struct Farthest {
    distance: f32,
    index: usize,
}

impl Farthest {
    const NONE: Self = Self { distance: f32::NEG_INFINITY, index: usize::MAX };

    fn or(self, other: Self) -> Self {
        let farther = other.distance > self.distance;
        let first = other.distance == self.distance && other.index < self.index;
        if farther || first { other } else { self }
    }
}

impl Blocks {
    fn new(points: &[f32], dimension: usize) -> Self {
        let mut values = Vec::with_capacity(points.len().div_ceil(LANES));
        for rows in points.chunks(LANES * dimension) {
            let value = |lane, j| rows.get(lane * dimension + j).copied().unwrap_or(0.0);
            values.extend((0..dimension).map(|j| std::array::from_fn(|lane| value(lane, j))));
        }
        Self { values, dimension, count: points.len() / dimension }
    }

    /// What lies beyond the last point is never the farthest.
    fn infinite_distances(&self) -> Vec<[f32; LANES]> {
        let distance = |index| if index < self.count { f32::INFINITY } else { f32::NEG_INFINITY };
        let block = |block| std::array::from_fn(|lane| distance(block * LANES + lane));
        (0..self.count.div_ceil(LANES)).map(block).collect()
    }

    /// Lowers squared distances to those from a new centre, and finds the farthest point.
    fn add_center(&self, center: usize, distances: &mut [[f32; LANES]]) -> Farthest {
        let (block, lane) = (center / LANES * self.dimension, center % LANES);
        let center = &self.values[block..][..self.dimension];
        let center: Vec<f32> = center.iter().map(|lanes| lanes[lane]).collect();
        let arch = Arch::new();
        let parts = self.values.par_chunks(BLOCKS * self.dimension);
        parts
            .zip(distances.par_chunks_mut(BLOCKS))
            .enumerate()
            .map(|(part, (values, distances))| {
                let mut farthest = Farthest::NONE;
                arch.dispatch(|| {
                    let blocks = values.chunks_exact(self.dimension).zip(distances);
                    for (index, (block, distances)) in blocks.enumerate() {
                        lower(block, &center, distances);
                        let first = (part * BLOCKS + index) * LANES;
                        farthest = farthest.or(farthest_of(distances, first));
                    }
                });
                farthest
            })
            .reduce(|| Farthest::NONE, Farthest::or)
    }
}

#[inline(always)]
fn lower(block: &[[f32; LANES]], center: &[f32], distances: &mut [f32; LANES]) {
    let mut sums = [0f32; LANES];
    for (block, center) in block.chunks(STRIDE).zip(center.chunks(STRIDE)) {
        for (lanes, center) in block.iter().zip(center) {
            for (sum, value) in sums.iter_mut().zip(lanes) {
                let difference = value - center;
                *sum += difference * difference;
            }
        }
        // Sums only grow: mostly a few dimensions tell that no point of the block comes nearer.
        let nearer = sums.iter().zip(&*distances).fold(false, |any, (sum, old)| any | (sum < old));
        if !nearer {
            return;
        }
    }
    for (distance, sum) in distances.iter_mut().zip(sums) {
        *distance = distance.min(sum);
    }
}

#[inline(always)]
fn farthest_of(distances: &[f32; LANES], first: usize) -> Farthest {
    let largest = distances.iter().fold(f32::NEG_INFINITY, |largest, d| largest.max(*d));
    let lane = distances.iter().position(|&distance| distance == largest).unwrap_or(0);
    Farthest { distance: largest, index: first + lane }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use nfbmr_test_support::fixture::Fixture;
    use proptest::prelude::*;

    use super::*;

    fn choose(points: &[f32], dimension: usize, count: usize, start: usize) -> Vec<usize> {
        let progress = &mut |_, _| ControlFlow::Continue(());
        k_center_greedy(points, dimension, count, start, progress).unwrap()
    }

    #[test]
    fn choice_is_anomalibs() {
        let fixture = Fixture::open("../../crates/peers/tests/fixtures/anomalib");
        let expected: Vec<usize> = fixture.values("coreset").iter().map(|&i| i as usize).collect();
        assert_eq!(choose(&fixture.values("points"), 12, expected.len(), expected[0]), expected);
    }

    #[test]
    fn copies_are_not_chosen() {
        let points = [1.0, 2.0, 1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0];
        assert_eq!(choose(&points, 2, 5, 3), [3, 2]);
    }

    /// The definition, without blocks, threads or early ends.
    fn by_definition(points: &[f32], dimension: usize, count: usize, start: usize) -> Vec<usize> {
        let points: Vec<&[f32]> = points.chunks(dimension).collect();
        let squared = |a: &[f32], b: &[f32]| {
            a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).fold(0f32, |sum, square| sum + square)
        };
        let mut distances = vec![f32::INFINITY; points.len()];
        let mut chosen = vec![start];
        while chosen.len() < count {
            let center = points[chosen[chosen.len() - 1]];
            for (distance, point) in distances.iter_mut().zip(&points) {
                *distance = distance.min(squared(point, center));
            }
            let farthest = (1..points.len()).fold(0, |farthest, index| {
                if distances[index] > distances[farthest] { index } else { farthest }
            });
            if distances[farthest] == 0.0 {
                break;
            }
            chosen.push(farthest);
        }
        chosen
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        // Small whole numbers, so that distances tie and points coincide.
        #[test]
        fn choice_is_by_definition(
            dimension in 1usize..40,
            values in prop::collection::vec(-3i8..=3, 40..6000),
            share in 0.0..1.0,
            start in any::<prop::sample::Index>(),
        ) {
            let points = values.len() / dimension;
            let values: Vec<f32> =
                values[..points * dimension].iter().map(|&value| f32::from(value)).collect();
            let count = 1 + (share * points as f64) as usize;
            let start = start.index(points);
            let expected = by_definition(&values, dimension, count, start);
            prop_assert_eq!(choose(&values, dimension, count, start), expected);
        }
    }
}
