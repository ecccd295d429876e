//! Work split over the columns of `[rows, columns]` matrices.
//!
//! Reductions over the rows, such as a log-determinant per column, then need no second pass and
//! come out the same for any number of threads.

use std::ops::Range;

use rayon::prelude::*;

use crate::parallel::SERIAL_ELEMENTS;

/// Columns of a task are a multiple of this, a cache line, so that threads share no lines.
const ALIGNMENT: usize = 16;

/// Ranges of columns, one per task, of a kernel on `rows * columns` elements.
pub(crate) fn column_ranges(rows: usize, columns: usize) -> Vec<Range<usize>> {
    let tasks = if rows * columns < SERIAL_ELEMENTS { 1 } else { 2 * rayon::current_num_threads() };
    let step = columns.div_ceil(tasks).next_multiple_of(ALIGNMENT).max(ALIGNMENT);
    (0..columns).step_by(step).map(|start| start..columns.min(start + step)).collect()
}

/// The pieces of a row that lie in each of the ranges, which must tile the row.
pub(crate) fn split_row<'a>(row: &'a mut [f32], ranges: &[Range<usize>]) -> Vec<&'a mut [f32]> {
    let columns = row.len();
    split_columns(row, columns, ranges).into_iter().flatten().collect()
}

/// Runs the tasks, on the pool if there are several; gives their results in order.
pub(crate) fn run_tasks<T: Send, R: Send>(
    tasks: Vec<T>,
    run: impl Fn(T) -> R + Send + Sync,
) -> Vec<R> {
    if tasks.len() <= 1 {
        tasks.into_iter().map(run).collect()
    } else {
        tasks.into_par_iter().map(run).collect()
    }
}

/// The pieces of every row of a matrix of `columns` columns that lie in each of the ranges, which
/// must tile the columns.
pub(crate) fn split_columns<'a>(
    matrix: &'a mut [f32],
    columns: usize,
    ranges: &[Range<usize>],
) -> Vec<Vec<&'a mut [f32]>> {
    let rows = matrix.len().checked_div(columns).unwrap_or(0);
    let mut parts: Vec<_> = ranges.iter().map(|_| Vec::with_capacity(rows)).collect();
    for mut row in matrix.chunks_exact_mut(columns.max(1)) {
        for (part, range) in parts.iter_mut().zip(ranges) {
            let (piece, rest) = row.split_at_mut(range.len());
            part.push(piece);
            row = rest;
        }
    }
    parts
}
