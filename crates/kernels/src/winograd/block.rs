//! Blocks of tiles and the work that threads share on them. Knows both transforms and the packed
//! filters.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::input::TransformStrip;
use super::output::{Epilogue, TransformPanels};
use super::tiling::Tiling;
use super::transform::AREA;
use super::weights::WinogradWeights;
use crate::columns::split_columns;
use crate::microkernel::{ForTile, PANEL, for_each_tile, max_panels, multiply_add};
use crate::scratch::with_scratch;
use crate::simd::{F32s, arch};

/// Bytes of the transformed inputs of a block that the last-level cache surely holds.
const INPUT_BYTES: usize = 12 << 20;
/// Bytes of the products of one task, part of a second-level cache.
const PRODUCT_BYTES: usize = 192 << 10;
/// Bytes of filters up to which each thread reads them all.
const SMALL_FILTER_BYTES: usize = 1 << 20;
/// Bytes of both transformed inputs and products in that case.
const SMALL_BLOCK_BYTES: usize = 256 << 10;

/// The convolution of [`conv3x3`](super::conv3x3), on a non-empty output.
pub(super) fn convolve(
    out: &mut [f32],
    weights: &WinogradWeights,
    x: &[f32],
    tiling: &Tiling,
    epilogue: Epilogue<'_>,
) {
    let threads = rayon::current_num_threads();
    let strips = tiling.dims.batch * tiling.strips;
    let tile_inputs = AREA * tiling.stride() * size_of::<f32>();
    let tile_products = AREA * tiling.dims.co.next_multiple_of(PANEL) * size_of::<f32>();
    let small = weights.size() <= SMALL_FILTER_BYTES && strips >= threads;
    let blocks = if small {
        let bytes = strips * tiling.tiles * (tile_inputs + tile_products);
        bytes.div_ceil(SMALL_BLOCK_BYTES).next_multiple_of(threads)
    } else {
        let most = PRODUCT_BYTES / (AREA * PANEL * size_of::<f32>());
        let tiles = (INPUT_BYTES / tile_inputs).clamp(1, most);
        (strips * tiling.tiles).div_ceil(tiles)
    };
    let blocks = tiling.split(blocks);
    let ranges: Vec<_> =
        blocks.iter().map(|s| tiling.offset(s.start)..tiling.offset(s.end)).collect();
    let pieces = split_columns(out, tiling.dims.channel(), &ranges);
    let arch = arch();
    let blocks = blocks.into_iter().zip(pieces).map(|(strips, out)| Block {
        arch,
        weights,
        x,
        tiling,
        epilogue,
        strips,
        out,
        parallel: !small && threads > 1,
    });
    if small && threads > 1 {
        let blocks: Vec<_> = blocks.collect();
        blocks.into_par_iter().with_max_len(1).for_each(Block::run);
    } else {
        blocks.for_each(Block::run);
    }
}

/// A range of strips, with the piece of each output channel.
struct Block<'a> {
    arch: Arch,
    weights: &'a WinogradWeights,
    x: &'a [f32],
    tiling: &'a Tiling,
    epilogue: Epilogue<'a>,
    strips: Range<usize>,
    out: Vec<&'a mut [f32]>,
    parallel: bool,
}

impl Block<'_> {
    fn run(mut self) {
        let tiles = self.strips.len() * self.tiling.tiles;
        with_scratch(tiles * AREA * self.tiling.stride(), |inputs| {
            self.transform_inputs(inputs);
            self.multiply(inputs);
        });
    }

    /// Fills `inputs`, `[tiles, 36, stride]`.
    fn transform_inputs(&self, inputs: &mut [f32]) {
        let Self { arch, x, tiling, .. } = *self;
        let transform = |(strip, out): (usize, &mut [f32])| {
            with_scratch(tiling.gathered(), |gathered| {
                arch.dispatch(TransformStrip { x, tiling, strip, gathered, out });
            });
        };
        let strip = tiling.tiles * AREA * tiling.stride();
        if self.parallel {
            let strips = self.strips.clone().into_par_iter();
            strips.zip(inputs.par_chunks_exact_mut(strip)).with_max_len(1).for_each(transform);
        } else {
            self.strips.clone().zip(inputs.chunks_exact_mut(strip)).for_each(transform);
        }
    }

    /// From transformed inputs to outputs.
    fn multiply(&mut self, inputs: &[f32]) {
        let Self { arch, weights, tiling, epilogue, .. } = *self;
        let strips = self.strips.clone();
        let tiles = strips.len() * tiling.tiles;
        let panels = self.out.len().div_ceil(PANEL);
        let panel_products = AREA * tiles * PANEL;
        let group = if self.parallel {
            // Several panels use the inputs at a position before the next position's turn.
            let balanced = panels / (2 * rayon::current_num_threads());
            (PRODUCT_BYTES / size_of::<f32>() / panel_products).min(balanced).clamp(1, 4)
        } else {
            panels.min(4)
        };
        let job = |(i, out): (usize, &mut [&mut [f32]])| {
            let group_products = panel_products * out.len().div_ceil(PANEL);
            let len = group_products + tiling.scattered() + 2 * weights.wide_len();
            with_scratch(len, |scratch| {
                let (products, scratch) = scratch.split_at_mut(group_products);
                let (strip, wide) = scratch.split_at_mut(tiling.scattered());
                let first_panel = i * group;
                arch.dispatch(Multiply { weights, inputs, products, wide, tiling, first_panel });
                let strips = strips.clone();
                let scale = weights.scale();
                arch.dispatch(TransformPanels {
                    products,
                    tiling,
                    strips,
                    first_panel,
                    scale,
                    epilogue,
                    strip,
                    out,
                });
            });
        };
        if self.parallel {
            self.out.par_chunks_mut(group * PANEL).enumerate().for_each(job);
        } else {
            self.out.chunks_mut(group * PANEL).enumerate().for_each(job);
        }
    }
}

/// The products of a few panels of output channels: `[panels, tiles, 36, 16]`.
struct Multiply<'a> {
    weights: &'a WinogradWeights,
    /// `[tiles, 36, stride]`.
    inputs: &'a [f32],
    products: &'a mut [f32],
    wide: &'a mut [f32],
    tiling: &'a Tiling,
    first_panel: usize,
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { weights, inputs, products, wide, tiling, first_panel } = self;
        let stride = tiling.stride();
        let tiles = inputs.len() / (AREA * stride);
        let panel_len = tiles * AREA * PANEL;
        let panels = products.len() / panel_len;
        let (wide0, wide1) = wide.split_at_mut(wide.len() / 2);
        for position in 0..AREA {
            let mut panel = 0;
            while panel < panels {
                let count = (panels - panel).min(max_panels::<S>());
                let first = weights.panel(first_panel + panel, position, wide0);
                let second = if count == 2 {
                    weights.panel(first_panel + panel + 1, position, wide1)
                } else {
                    &[]
                };
                let mut tile = Products {
                    inputs,
                    stride,
                    position,
                    depth: weights.ci(),
                    panels: [first, second],
                    panel_len,
                    products: &mut products[panel * panel_len..],
                };
                for_each_tile(simd, tiles, count, &mut tile);
                panel += count;
            }
        }
    }
}

/// The products at one position, of one or two panels.
struct Products<'a> {
    inputs: &'a [f32],
    stride: usize,
    position: usize,
    depth: usize,
    panels: [&'a [f32]; 2],
    /// Distance between the products of the two panels.
    panel_len: usize,
    products: &'a mut [f32],
}

impl ForTile for Products<'_> {
    #[inline(always)]
    fn tile<S: Simd, const P: usize, const W: usize, const R: usize>(
        &mut self,
        simd: S,
        row: usize,
        panel: usize,
    ) {
        let mut rows: [&[f32]; R] = [&[]; R];
        for (r, slice) in rows.iter_mut().enumerate() {
            *slice = &self.inputs[((row + r) * AREA + self.position) * self.stride..];
        }
        let mut panels: [&[f32]; P] = [&[]; P];
        for (p, slice) in panels.iter_mut().enumerate() {
            *slice = self.panels[panel + p];
        }
        let acc = [[F32s::splat(simd, 0.0); W]; R];
        let acc = multiply_add::<S, P, W, R>(simd, self.depth, rows, 1, panels, acc);
        for (r, acc) in acc.iter().enumerate() {
            for (w, acc) in acc.iter().enumerate() {
                let (p, lane) = (panel + w / (W / P), w % (W / P) * S::F32_LANES);
                let tile = p * self.panel_len + ((row + r) * AREA + self.position) * PANEL;
                acc.store(&mut self.products[tile + lane..]);
            }
        }
    }
}
