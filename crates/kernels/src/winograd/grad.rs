//! Gradient of the filters, in the transformed domain.
//!
//! The forward pass is linear in the filters, so its adjoint runs its steps backwards: with
//! `V = B^T d B` as there and `W = A dz A^T`, the gradient of the transformed filters at each of the
//! 36 positions is the matrix product `dU = sum_tiles W V`, and `dg = G^T dU G`.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::input::TransformPanel;
use super::tiling::Tiling;
use super::transform::{AREA, FilterAdjoint, IN, TAPS, both_sides};
use crate::columns::split_columns;
use crate::microkernel::{ForTile, PANEL, for_each_tile, multiply_add};
use crate::scratch::with_scratch;
use crate::simd::{F32s, arch};

/// Taps of a filter.
const FILTER: usize = TAPS * TAPS;
/// Panels of output channels of a task, which share what it reads of the inputs.
const OUT_PANELS: usize = 4;
/// Panels of input channels of a task, the most that a tile of registers spans.
const IN_PANELS: usize = 2;

/// `dw += ` or `= ` the gradient of the filters, `[co, ci, 3, 3]`, not empty.
pub(super) fn grad_weight(
    dw: &mut [f32],
    dz: &[f32],
    x: &[f32],
    tiling: &Tiling,
    accumulate: bool,
) {
    let (co, ci) = (tiling.dims.co, tiling.dims.ci);
    let (out_panels, in_panels) = (co.div_ceil(PANEL), ci.div_ceil(PANEL));
    let panel = AREA * tiling.dims.batch * tiling.strips * tiling.tiles * PANEL;
    let threads = rayon::current_num_threads();
    let arch = arch();
    with_scratch((out_panels + in_panels) * panel, |transformed| {
        let transform = |(i, out): (usize, &mut [f32])| {
            let outputs = i < out_panels;
            let (values, count) = if outputs { (dz, co) } else { (x, ci) };
            let first = PANEL * if outputs { i } else { i - out_panels };
            let channels = first..count.min(first + PANEL);
            with_scratch(tiling.gathered(), |gathered| {
                arch.dispatch(TransformPanel { values, channels, outputs, tiling, gathered, out });
            });
        };
        if threads > 1 {
            let panels = transformed.par_chunks_exact_mut(panel).enumerate();
            panels.with_max_len(1).for_each(transform);
        } else {
            transformed.chunks_exact_mut(panel).enumerate().for_each(transform);
        }

        let (outputs, inputs) = transformed.split_at(out_panels * panel);
        let in_group = if out_panels * in_panels > 2 * threads { IN_PANELS } else { 1 };
        let tasks = out_panels * in_panels.div_ceil(in_group);
        let out_group = (tasks / (2 * threads)).clamp(1, OUT_PANELS);
        let columns: Vec<_> = (0..ci)
            .step_by(in_group * PANEL)
            .map(|c| c * FILTER..ci.min(c + in_group * PANEL) * FILTER)
            .collect();
        let mut jobs = Vec::new();
        for (i, dw) in dw.chunks_mut(out_group * PANEL * ci * FILTER).enumerate() {
            let outputs = &outputs[i * out_group * panel..];
            let pieces = split_columns(dw, ci * FILTER, &columns);
            for ((dw, columns), inputs) in
                pieces.into_iter().zip(&columns).zip(inputs.chunks(in_group * panel))
            {
                let columns = columns.clone();
                jobs.push(Job { outputs, inputs, panel, columns, dw, accumulate });
            }
        }
        let run = |job: Job<'_>| {
            let len = AREA * job.dw.len() * job.inputs.len() / panel * PANEL;
            with_scratch(len, |du| arch.dispatch(WithMemory { job, du }));
        };
        if threads > 1 {
            jobs.into_par_iter().with_max_len(1).for_each(run);
        } else {
            jobs.into_iter().for_each(run);
        }
    });
}

/// Some panels of output channels and some of input channels.
struct Job<'a> {
    /// Transformed output gradients, `[panels, 36, tiles, 16]`.
    outputs: &'a [f32],
    /// Transformed inputs, `[panels, 36, tiles, 16]`.
    inputs: &'a [f32],
    /// Length of a panel.
    panel: usize,
    columns: Range<usize>,
    /// The pieces of the filters of each output channel.
    dw: Vec<&'a mut [f32]>,
    accumulate: bool,
}

/// A job and memory for gradients in the transformed domain, `[co, in_panels, 36, 16]`.
struct WithMemory<'a, 'b> {
    job: Job<'a>,
    du: &'b mut [f32],
}

impl WithSimd for WithMemory<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { job: Job { outputs, inputs, panel, columns, mut dw, accumulate }, du } = self;
        let in_panels = inputs.len() / panel;
        for position in 0..AREA {
            let mut products = Products { outputs, inputs, panel, position, in_panels, du };
            for_each_tile(simd, dw.len(), in_panels, &mut products);
        }
        let (du, _) = du.as_chunks::<PANEL>();
        let (du, _) = du.as_chunks::<AREA>();
        let channels = columns.len() / FILTER;
        for (dw, du) in dw.iter_mut().zip(du.chunks_exact(in_panels)) {
            for (in_panel, du) in du.iter().enumerate() {
                let mut taps = [[0.0; PANEL]; FILTER];
                for lane in (0..PANEL).step_by(S::F32_LANES) {
                    let mut u = [[F32s::splat(simd, 0.0); IN]; IN];
                    for (u, du) in u.as_flattened_mut().iter_mut().zip(du) {
                        *u = F32s::load(simd, &du[lane..]);
                    }
                    both_sides::<FilterAdjoint, S, _, _>(
                        &u,
                        #[inline(always)]
                        |i, j, g| g.store(&mut taps[i * TAPS + j][lane..]),
                    );
                }
                let first = in_panel * PANEL;
                let lanes = (channels - first).min(PANEL);
                let filters = dw[first * FILTER..][..lanes * FILTER].as_chunks_mut::<FILTER>().0;
                for (lane, filter) in filters.iter_mut().enumerate() {
                    for (value, tap) in filter.iter_mut().zip(&taps) {
                        *value = if accumulate { *value + tap[lane] } else { tap[lane] };
                    }
                }
            }
        }
    }
}

/// The products at one position.
struct Products<'a> {
    outputs: &'a [f32],
    inputs: &'a [f32],
    panel: usize,
    position: usize,
    in_panels: usize,
    du: &'a mut [f32],
}

impl ForTile for Products<'_> {
    #[inline(always)]
    fn tile<S: Simd, const P: usize, const W: usize, const R: usize>(
        &mut self,
        simd: S,
        row: usize,
        panel: usize,
    ) {
        let tiles = self.panel / (AREA * PANEL);
        let start = self.position * tiles * PANEL;
        let mut rows: [&[f32]; R] = [&[]; R];
        for (r, slice) in rows.iter_mut().enumerate() {
            let (out_panel, lane) = ((row + r) / PANEL, (row + r) % PANEL);
            *slice = &self.outputs[out_panel * self.panel + start + lane..];
        }
        let mut panels: [&[f32]; P] = [&[]; P];
        for (p, slice) in panels.iter_mut().enumerate() {
            *slice = &self.inputs[(panel + p) * self.panel + start..];
        }
        let acc = [[F32s::splat(simd, 0.0); W]; R];
        let acc = multiply_add::<S, P, W, R>(simd, tiles, rows, PANEL, panels, acc);
        for (r, acc) in acc.iter().enumerate() {
            for (w, acc) in acc.iter().enumerate() {
                let (p, lane) = (panel + w / (W / P), w % (W / P) * S::F32_LANES);
                let du = (((row + r) * self.in_panels + p) * AREA + self.position) * PANEL;
                acc.store(&mut self.du[du + lane..]);
            }
        }
    }
}
