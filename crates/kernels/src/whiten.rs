//! Whitening of features by position. Knows columns and vectors.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use crate::columns::{column_ranges, run_tasks, split_columns};
use crate::simd::{F32s, arch, for_each_vector};

/// Rows of a matrix that are added to the sums at once.
const ROWS: usize = 8;

/// Features less their mean times an upper triangular matrix, position by position:
/// `out[:, n] = (y[:, n] - mean[n]) * matrices[n]`.
///
/// `out` and `y` are `[channels, positions]`, `mean` is `[positions, channels]` and `matrices` is
/// `[positions, channels, channels]`, 0 below the diagonals, most of which isn't read. The result doesn't
/// depend on the number of threads.
///
/// # Panics
///
/// If the lengths don't fit `channels`.
pub fn whiten(out: &mut [f32], y: &[f32], mean: &[f32], matrices: &[f32], channels: usize) {
    let positions = y.len().checked_div(channels).unwrap_or(0);
    assert_eq!(y.len(), channels * positions, "y must have {channels} whole rows");
    assert_eq!(out.len(), y.len(), "out and y must have equal lengths");
    assert_eq!(mean.len(), y.len(), "a mean for each channel and position");
    assert_eq!(matrices.len(), y.len() * channels, "a matrix for each position");
    let arch = arch();
    let ranges = column_ranges(channels * channels, positions);
    let pieces = split_columns(out, positions, &ranges);
    let tasks = ranges.into_iter().zip(pieces);
    let tasks = tasks.map(|(range, out)| Positions { out, y, mean, matrices, positions, range });
    run_tasks(tasks.collect(), |task| arch.dispatch(task));
}

/// The positions of one task.
struct Positions<'a> {
    /// The range of each channel.
    out: Vec<&'a mut [f32]>,
    y: &'a [f32],
    mean: &'a [f32],
    matrices: &'a [f32],
    positions: usize,
    range: Range<usize>,
}

impl WithSimd for Positions<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { mut out, y, mean, matrices, positions, range } = self;
        let channels = out.len();
        let (mut centered, mut white) = (vec![0.0; channels], vec![0.0; channels]);
        for (index, position) in range.enumerate() {
            white.fill(0.0);
            let mean = &mean[position * channels..][..channels];
            let matrix = &matrices[position * channels * channels..][..channels * channels];
            let values = y.iter().skip(position).step_by(positions);
            for ((centered, value), mean) in centered.iter_mut().zip(values).zip(mean) {
                *centered = value - mean;
            }
            let (factors, last) = centered.as_chunks::<ROWS>();
            let (rows, last_rows) = matrix.split_at(factors.len() * ROWS * channels);
            let rows = rows.chunks_exact((ROWS * channels).max(1));
            for (block, (factors, rows)) in factors.iter().zip(rows).enumerate() {
                add_rows(simd, &mut white, factors, rows, block * ROWS);
            }
            let first = channels - last.len();
            let last = last.iter().zip(last_rows.chunks_exact(channels.max(1)));
            for (row, (&factor, values)) in (first..).zip(last) {
                add_rows(simd, &mut white, &[factor], values, row);
            }
            for (out, &white) in out.iter_mut().zip(&white) {
                out[index] = white;
            }
        }
    }
}

/// Adds `R` rows of a matrix times their factors to the sums, from the column `first` on.
#[inline(always)]
fn add_rows<S: Simd, const R: usize>(
    simd: S,
    sums: &mut [f32],
    factors: &[f32; R],
    rows: &[f32],
    first: usize,
) {
    let channels = sums.len();
    let sums = &mut sums[first..];
    let rows: [&[f32]; R] = std::array::from_fn(|r| &rows[r * channels + first..][..sums.len()]);
    let factors = factors.map(|factor| F32s::splat(simd, factor));
    for_each_vector(
        simd,
        sums.len(),
        #[inline(always)]
        |at| {
            let mut sum = at.load(sums);
            for (row, &factor) in rows.iter().zip(&factors) {
                sum = at.load(row).mul_add(factor, sum);
            }
            at.store(sums, sum);
        },
    );
}
