//! Residual maps: squares summed over the channels. Knows columns and vectors.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use crate::columns::{column_ranges, run_tasks, split_row};
use crate::simd::{arch, for_each_vector};

/// Squared residuals, summed over the channels: `out[n] = sum_c (x[c, n] - y[c, n])^2`.
///
/// `x` and `y` are `[channels, columns]`, where `columns` is the length of `out`. The result doesn't
/// depend on the number of threads.
///
/// # Panics
///
/// If `x` and `y` have different lengths or no whole number of rows.
pub fn squared_residual(out: &mut [f32], x: &[f32], y: &[f32]) {
    assert_eq!(x.len(), y.len(), "x and y must have equal lengths");
    let columns = out.len();
    let rows = x.len().checked_div(columns).unwrap_or(0);
    assert_eq!(x.len(), rows * columns, "the inputs must have whole rows of {columns} columns");
    let arch = arch();
    let ranges = column_ranges(rows, columns);
    let pieces = split_row(out, &ranges);
    let tasks = ranges.into_iter().zip(pieces);
    let tasks = tasks.map(|(range, out)| ColumnSums { out, x, y, columns, range });
    run_tasks(tasks.collect(), |task| arch.dispatch(task));
}

/// The columns of one task.
struct ColumnSums<'a> {
    out: &'a mut [f32],
    x: &'a [f32],
    y: &'a [f32],
    columns: usize,
    range: Range<usize>,
}

impl WithSimd for ColumnSums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { out, x, y, columns, range } = self;
        out.fill(0.0);
        for (x, y) in x.chunks_exact(columns).zip(y.chunks_exact(columns)) {
            let (x, y) = (&x[range.clone()], &y[range.clone()]);
            for_each_vector(
                simd,
                out.len(),
                #[inline(always)]
                |at| {
                    let residual = at.load(x) - at.load(y);
                    at.store(out, residual.mul_add(residual, at.load(out)));
                },
            );
        }
    }
}
