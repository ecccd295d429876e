//! `C = epilogue(A B)` for row-major `A` and `C` and a `B` that is packed on the way.
//!
//! The loop nest is that of Goto & van de Geijn (2008), with the roles of rows and columns swapped
//! because `C` is row-major: a block of `B` is packed into panels that stay in the second-level
//! cache while all rows of `A` pass over it.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::activation::Activation;
use crate::columns::split_columns;
use crate::interleave::interleave;
use crate::microkernel::{ForTile, PANEL, for_each_tile, multiply_add};
use crate::scratch::with_scratch;
use crate::simd::{F32s, arch};

/// Depth of a packed block: rows of `A` of one tile stay in the first-level cache.
const DEPTH: usize = 512;
/// Panels of a packed block, which then takes 256 KiB at most.
const PANELS: usize = 8;
/// Multiply-adds below which a product stays on the calling thread.
const SERIAL_WORK: usize = 1 << 18;

/// A source of the columns of `B`.
pub(crate) trait Pack: Sync {
    /// Writes `B[depth, columns]` as panels, `[columns / 16, depth, 16]`, and zeros for the columns
    /// that the last one lacks.
    fn pack<S: Simd>(
        &self,
        simd: S,
        panels: &mut [f32],
        depth: Range<usize>,
        columns: Range<usize>,
    );
}

/// A row-major `B`: `[k, n]`.
pub(crate) struct RowMajor<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) n: usize,
}

impl Pack for RowMajor<'_> {
    #[inline(always)]
    fn pack<S: Simd>(
        &self,
        _simd: S,
        panels: &mut [f32],
        depth: Range<usize>,
        columns: Range<usize>,
    ) {
        let stride = PANEL * depth.len();
        for (i, k) in depth.enumerate() {
            let row = &self.values[k * self.n..][columns.clone()];
            let (full, rest) = row.as_chunks::<PANEL>();
            for (p, values) in full.iter().enumerate() {
                panels[p * stride + i * PANEL..][..PANEL].copy_from_slice(values);
            }
            if !rest.is_empty() {
                let line = &mut panels[full.len() * stride + i * PANEL..][..PANEL];
                line[..rest.len()].copy_from_slice(rest);
                line[rest.len()..].fill(0.0);
            }
        }
    }
}

/// A row-major `B`, `[k, n]`, of which each row is `[images, area]` and multiplied with the gates of
/// its images, `[k, images]`.
pub(crate) struct GatedRowMajor<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) n: usize,
    pub(crate) gates: &'a [f32],
    pub(crate) area: usize,
}

impl Pack for GatedRowMajor<'_> {
    #[inline(always)]
    fn pack<S: Simd>(
        &self,
        _simd: S,
        panels: &mut [f32],
        depth: Range<usize>,
        columns: Range<usize>,
    ) {
        let stride = PANEL * depth.len();
        let images = self.n / self.area;
        let image = columns.start / self.area;
        let one_image = (columns.end - 1) / self.area == image;
        for (i, k) in depth.enumerate() {
            let row = &self.values[k * self.n..][columns.clone()];
            let gates = &self.gates[k * images..][..images];
            let (full, rest) = row.as_chunks::<PANEL>();
            for (p, values) in full.iter().enumerate() {
                let line = &mut panels[p * stride + i * PANEL..][..PANEL];
                for (line, value) in line.iter_mut().zip(values) {
                    *line = value * gates[image];
                }
            }
            if !rest.is_empty() {
                let line = &mut panels[full.len() * stride + i * PANEL..][..PANEL];
                line[rest.len()..].fill(0.0);
                for (line, value) in line.iter_mut().zip(rest) {
                    *line = value * gates[image];
                }
            }
            if !one_image {
                for (offset, column) in columns.clone().enumerate() {
                    let line = &mut panels[offset / PANEL * stride + i * PANEL..][..PANEL];
                    line[offset % PANEL] = row[offset] * gates[column / self.area];
                }
            }
        }
    }
}

/// A column-major `B`, the transpose of a row-major `[n, k]`.
pub(crate) struct ColumnMajor<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) k: usize,
}

impl Pack for ColumnMajor<'_> {
    #[inline(always)]
    fn pack<S: Simd>(
        &self,
        _simd: S,
        panels: &mut [f32],
        depth: Range<usize>,
        columns: Range<usize>,
    ) {
        let stride = PANEL * depth.len();
        if stride == 0 {
            return;
        }
        for (p, panel) in panels.chunks_exact_mut(stride).enumerate() {
            let first = columns.start + p * PANEL;
            let lanes = (columns.end - first).min(PANEL);
            let mut rows: [&[f32]; PANEL] = [&[]; PANEL];
            for (lane, row) in rows[..lanes].iter_mut().enumerate() {
                *row = &self.values[(first + lane) * self.k..][depth.clone()];
            }
            let (panel, _) = panel.as_chunks_mut::<PANEL>();
            interleave(panel, &rows[..lanes]);
            for line in panel {
                line[lanes..].fill(0.0);
            }
        }
    }
}

/// What becomes of `A B` on its way to `C`.
#[derive(Clone, Copy, Default)]
pub(crate) struct Epilogue<'a> {
    /// Add the product to what `C` holds.
    pub(crate) accumulate: bool,
    /// A value per row, added before the activation.
    pub(crate) bias: Option<&'a [f32]>,
    /// The activation.
    pub(crate) activation: Activation,
    /// A matrix like `C`, added after the activation.
    pub(crate) residual: Option<&'a [f32]>,
}

/// `C[m, n] = epilogue(A[m, k] B[k, n])`, shared between the threads of the pool.
///
/// The result doesn't depend on the number of threads.
pub(crate) fn matmul<B: Pack>(
    c: &mut [f32],
    a: &[f32],
    b: &B,
    [m, n, k]: [usize; 3],
    epilogue: Epilogue<'_>,
) {
    let tasks = tasks(m, n, k);
    matmul_in(tasks, c, a, b, [m, n, k], epilogue);
}

/// As [`matmul`], on the calling thread.
pub(crate) fn matmul_here<B: Pack>(
    c: &mut [f32],
    a: &[f32],
    b: &B,
    sizes: [usize; 3],
    epilogue: Epilogue<'_>,
) {
    matmul_in((1, 1), c, a, b, sizes, epilogue);
}

/// The product in so many parts of its rows and columns.
fn matmul_in<B: Pack>(
    (row_tasks, column_tasks): (usize, usize),
    c: &mut [f32],
    a: &[f32],
    b: &B,
    [m, n, k]: [usize; 3],
    epilogue: Epilogue<'_>,
) {
    assert_eq!((c.len(), a.len()), (m * n, m * k), "matrix sizes");
    if m == 0 || n == 0 {
        return;
    }
    let rows_per_task = m.div_ceil(row_tasks);
    let arch = arch();
    let mut jobs = Vec::with_capacity(row_tasks * column_tasks);
    for (i, c) in c.chunks_mut(rows_per_task * n).enumerate() {
        let bounds = split_panels(n, column_tasks);
        for (columns, c) in bounds.iter().cloned().zip(split_columns(c, n, &bounds)) {
            jobs.push(Job { first_row: i * rows_per_task, columns, c, a, b, n, k, epilogue });
        }
    }
    if jobs.len() == 1 {
        jobs.into_iter().for_each(|job| job.run(arch));
    } else {
        jobs.into_par_iter().with_max_len(1).for_each(|job| job.run(arch));
    }
}

/// How many parts rows and columns are cut into.
fn tasks(m: usize, n: usize, k: usize) -> (usize, usize) {
    let threads = rayon::current_num_threads();
    if threads == 1 || m * n * k < SERIAL_WORK {
        return (1, 1);
    }
    let panels = n.div_ceil(PANEL);
    // Columns first, so that no block of `B` is packed twice.
    if panels >= 2 * threads {
        (1, panels.div_ceil(PANELS).next_multiple_of(threads).min(panels))
    } else {
        let columns = panels.min(threads);
        let rows = (2 * threads).div_ceil(columns).min(m.div_ceil(6));
        (rows, columns)
    }
}

/// Cuts `n` columns into at most `parts` ranges of whole panels.
fn split_panels(n: usize, parts: usize) -> Vec<Range<usize>> {
    let panels = n.div_ceil(PANEL);
    let bound = |i: usize| (i * panels / parts * PANEL).min(n);
    (0..parts).map(|i| bound(i)..bound(i + 1)).filter(|part| !part.is_empty()).collect()
}

/// A rectangle of `C`.
struct Job<'a, B> {
    first_row: usize,
    columns: Range<usize>,
    /// The pieces of the rows.
    c: Vec<&'a mut [f32]>,
    a: &'a [f32],
    b: &'a B,
    n: usize,
    k: usize,
    epilogue: Epilogue<'a>,
}

impl<B: Pack> Job<'_, B> {
    /// Parts that the depth is cut into; a depth of 0 still has a bias and an activation.
    fn blocks(&self) -> usize {
        self.k.div_ceil(DEPTH).max(1)
    }

    /// Computes the rectangle.
    fn run(self, arch: pulp::Arch) {
        let depth = self.k.div_ceil(self.blocks());
        let panels = self.columns.len().div_ceil(PANEL).min(PANELS);
        with_scratch(depth * panels * PANEL, |packed| arch.dispatch(Packed { job: self, packed }));
    }
}

/// A job and memory for a packed block.
struct Packed<'a, 'b, B> {
    job: Job<'b, B>,
    packed: &'a mut [f32],
}

impl<B: Pack> WithSimd for Packed<'_, '_, B> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { mut job, packed } = self;
        let width = job.columns.len();
        let panels = width.div_ceil(PANEL);
        let (groups, blocks) = (panels.div_ceil(PANELS), job.blocks());
        for group in 0..groups {
            let first = group * panels / groups * PANEL;
            let last = ((group + 1) * panels / groups * PANEL).min(width);
            let panels = (last - first).div_ceil(PANEL);
            for block in 0..blocks {
                let depth = block * job.k / blocks..(block + 1) * job.k / blocks;
                let packed = &mut packed[..panels * depth.len() * PANEL];
                let columns = job.columns.start + first..job.columns.start + last;
                job.b.pack(simd, packed, depth.clone(), columns);
                let rows = job.c.len();
                let mut tiles = Tiles {
                    job: &mut job,
                    packed,
                    first: block == 0,
                    last: block + 1 == blocks,
                    depth,
                    columns: first..last,
                };
                for_each_tile(simd, rows, panels, &mut tiles);
            }
        }
    }
}

/// The tiles of one packed block.
struct Tiles<'a, 'b, B> {
    job: &'a mut Job<'b, B>,
    packed: &'a [f32],
    first: bool,
    last: bool,
    depth: Range<usize>,
    /// The block's columns within those of the job.
    columns: Range<usize>,
}

impl<B> ForTile for Tiles<'_, '_, B> {
    #[inline(always)]
    fn tile<S: Simd, const P: usize, const W: usize, const R: usize>(
        &mut self,
        simd: S,
        row: usize,
        panel: usize,
    ) {
        let Job { first_row, columns, c, a, n, k, epilogue, .. } = &mut *self.job;
        let depth = self.depth.len();
        let start = self.columns.start + panel * PANEL;
        let width = (self.columns.end - start).min(P * PANEL);
        let full = width == P * PANEL;
        #[expect(clippy::expect_used, reason = "the caller hands over R rows")]
        let c = c[row..].first_chunk_mut::<R>().expect("the rows of the tile");

        let mut acc = [[F32s::splat(simd, 0.0); W]; R];
        if !self.first || epilogue.accumulate {
            for (acc, c) in acc.iter_mut().zip(&*c) {
                load(simd, acc, &c[start..start + width], full);
            }
        } else if let Some(bias) = epilogue.bias {
            #[expect(clippy::expect_used, reason = "its length was checked: one for each row")]
            let bias = bias[*first_row + row..].first_chunk::<R>().expect("a bias for each row");
            for (acc, bias) in acc.iter_mut().zip(bias) {
                *acc = [F32s::splat(simd, *bias); W];
            }
        }
        let mut rows: [&[f32]; R] = [&[]; R];
        for (r, slice) in rows.iter_mut().enumerate() {
            *slice = &a[(*first_row + row + r) * *k + self.depth.start..];
        }
        let mut panels: [&[f32]; P] = [&[]; P];
        for (p, slice) in panels.iter_mut().enumerate() {
            *slice = &self.packed[(panel + p) * depth * PANEL..];
        }
        let mut acc = multiply_add::<S, P, W, R>(simd, depth, rows, 1, panels, acc);
        if self.last {
            epilogue.activation.apply_tile(&mut acc);
            if let Some(residual) = epilogue.residual {
                for (r, acc) in acc.iter_mut().enumerate() {
                    let first = (*first_row + row + r) * *n + columns.start + start;
                    let mut values = [F32s::splat(simd, 0.0); W];
                    load(simd, &mut values, &residual[first..first + width], full);
                    for (acc, value) in acc.iter_mut().zip(values) {
                        *acc = *acc + value;
                    }
                }
            }
        }
        for (acc, c) in acc.iter().zip(c) {
            store(acc, &mut c[start..start + width], full);
        }
    }
}

/// Loads a row of a tile, of which `values` may be only a part.
#[inline(always)]
fn load<S: Simd, const W: usize>(simd: S, row: &mut [F32s<S>; W], values: &[f32], full: bool) {
    for (w, x) in row.iter_mut().enumerate() {
        *x = if full {
            F32s::load(simd, &values[w * S::F32_LANES..])
        } else {
            let start = (w * S::F32_LANES).min(values.len());
            let end = ((w + 1) * S::F32_LANES).min(values.len());
            F32s::load_partial(simd, &values[start..end])
        };
    }
}

/// Stores a row of a tile, of which `values` may be only a part.
#[inline(always)]
fn store<S: Simd, const W: usize>(row: &[F32s<S>; W], values: &mut [f32], full: bool) {
    for (w, x) in row.iter().enumerate() {
        if full {
            x.store(&mut values[w * S::F32_LANES..]);
        } else {
            let start = (w * S::F32_LANES).min(values.len());
            let end = ((w + 1) * S::F32_LANES).min(values.len());
            x.store_partial(&mut values[start..end]);
        }
    }
}
