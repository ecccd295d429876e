//! Sums of squares over channels: residual maps, energies, and the mean squared error.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::columns::{column_ranges, run_tasks, split_row};
use crate::parallel::chunk_len;
use crate::reduce::{block_len, sum_squares_blocks};
use crate::simd::{F32s, arch, for_each_vector};

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
    sum_of_squares_by_column(out, x, Some(y), 1.0);
}

/// Energy of a standard normal latent: `out[n] = 1/2 sum_c z[c, n]^2`.
///
/// `z` is `[channels, columns]`, where `columns` is the length of `out`. The result doesn't depend
/// on the number of threads.
///
/// # Panics
///
/// If `z` has no whole number of rows.
pub fn energy(out: &mut [f32], z: &[f32]) {
    sum_of_squares_by_column(out, z, None, 0.5);
}

fn sum_of_squares_by_column(out: &mut [f32], x: &[f32], y: Option<&[f32]>, factor: f32) {
    let columns = out.len();
    let rows = x.len().checked_div(columns).unwrap_or(0);
    assert_eq!(x.len(), rows * columns, "the inputs must have whole rows of {columns} columns");
    let arch = arch();
    let ranges = column_ranges(rows, columns);
    let pieces = split_row(out, &ranges);
    let tasks = ranges.into_iter().zip(pieces);
    let tasks = tasks.map(|(range, out)| ColumnSums { out, x, y, columns, range, factor });
    run_tasks(tasks.collect(), |task| arch.dispatch(task));
}

/// The columns of one task.
struct ColumnSums<'a> {
    out: &'a mut [f32],
    x: &'a [f32],
    y: Option<&'a [f32]>,
    columns: usize,
    range: Range<usize>,
    factor: f32,
}

impl WithSimd for ColumnSums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { out, x, y, columns, range, factor } = self;
        out.fill(0.0);
        for (c, x) in x.chunks_exact(columns).enumerate() {
            let x = &x[range.clone()];
            match y {
                Some(y) => {
                    let y = &y[c * columns..][range.clone()];
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
                None => for_each_vector(
                    simd,
                    out.len(),
                    #[inline(always)]
                    |at| {
                        let x = at.load(x);
                        at.store(out, x.mul_add(x, at.load(out)));
                    },
                ),
            }
        }
        for_each_vector(
            simd,
            out.len(),
            #[inline(always)]
            |at| {
                let sum = at.load(out);
                at.store(out, sum * sum.same(factor));
            },
        );
    }
}

/// Mean squared error and its gradient: gives `mean((x - y)^2)`, and
/// `gradient <- scale * 2 (x - y) / len`, the gradient with respect to `x`.
///
/// The loss depends on the number of threads in its last digits; the gradient doesn't.
///
/// # Panics
///
/// If the lengths differ.
pub fn mean_squared_error(gradient: &mut [f32], x: &[f32], y: &[f32], scale: f32) -> f64 {
    assert_eq!(gradient.len(), x.len(), "the gradient must have the length of x");
    assert_eq!(x.len(), y.len(), "x and y must have equal lengths");
    if x.is_empty() {
        return 0.0;
    }
    let arch = arch();
    let factor = (f64::from(scale) * 2.0 / x.len() as f64) as f32;
    let chunk = chunk_len(x.len());
    let sum: f64 = if chunk >= x.len() {
        arch.dispatch(SquaredError { gradient, x, y, factor })
    } else {
        let parts =
            gradient.par_chunks_mut(chunk).zip(x.par_chunks(chunk)).zip(y.par_chunks(chunk));
        let sums: Vec<f64> = parts
            .map(|((gradient, x), y)| arch.dispatch(SquaredError { gradient, x, y, factor }))
            .collect();
        sums.into_iter().sum()
    };
    sum / x.len() as f64
}

/// One task of [`mean_squared_error`].
struct SquaredError<'a> {
    gradient: &'a mut [f32],
    x: &'a [f32],
    y: &'a [f32],
    factor: f32,
}

impl WithSimd for SquaredError<'_> {
    /// Sum of the squared errors.
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let Self { gradient, x, y, factor } = self;
        let mut total = 0.0;
        let block = block_len::<S>();
        let parts = gradient.chunks_mut(block).zip(x.chunks(block)).zip(y.chunks(block));
        for ((gradient, x), y) in parts {
            let mut sum = F32s::splat(simd, 0.0);
            for_each_vector(
                simd,
                x.len(),
                #[inline(always)]
                |at| {
                    let error = at.load(x) - at.load(y);
                    sum = error.mul_add(error, sum);
                    at.store(gradient, error * error.same(factor));
                },
            );
            total += f64::from(sum.sum());
        }
        total
    }
}

/// Sum of the squares of the values, as for the norm of a gradient.
///
/// It depends on the number of threads in its last digits.
pub fn sum_of_squares(x: &[f32]) -> f64 {
    let arch = arch();
    let chunk = chunk_len(x.len());
    if chunk >= x.len() {
        return arch.dispatch(Squares(x));
    }
    let sums: Vec<f64> = x.par_chunks(chunk).map(|x| arch.dispatch(Squares(x))).collect();
    sums.into_iter().sum()
}

/// One task of [`sum_of_squares`].
struct Squares<'a>(&'a [f32]);

impl WithSimd for Squares<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        sum_squares_blocks(simd, self.0)
    }
}
