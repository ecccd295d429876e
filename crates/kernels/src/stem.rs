//! The first convolution of an image network: 3 x 3 with stride 2, from 3 channels.
//!
//! With only 27 products per output it's bound by memory, so it works directly: for each output row,
//! the input rows go to a zero-padded buffer, split by column parity ([`PaddedRows`]), and tiles of
//! a few output channels by a few vectors are computed in registers.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use crate::activation::Activation;
use crate::columns::{run_tasks, split_columns};
use crate::conv_layer::ConvLayer;
use crate::margins::Margins;
use crate::padded_rows::PaddedRows;
use crate::parallel::SERIAL_ELEMENTS;
use crate::scratch::with_scratch;
use crate::simd::{F32s, MAX_LANES, arch};

const KERNEL: usize = 3;
const STRIDE: usize = 2;
const CHANNELS: usize = 3;
/// Products per output.
const TAPS: usize = CHANNELS * KERNEL * KERNEL;
/// Output channels of a tile.
const BLOCK: usize = 4;

/// Shape of a stem convolution from `[3, batch, height, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StemDims {
    /// Number of output channels.
    pub out_channels: usize,
    /// Number of images.
    pub batch: usize,
    /// Height of the input.
    pub height: usize,
    /// Width of the input.
    pub width: usize,
    /// Zeros around the input.
    pub padding: Margins,
}

impl StemDims {
    /// Height and width of the output.
    ///
    /// # Panics
    ///
    /// If the padded input is smaller than the kernel.
    pub fn output_size(&self) -> (usize, usize) {
        self.padding.output_size(self.height, self.width, KERNEL, STRIDE)
    }
}

/// 3 x 3 convolution with stride 2 from 3 channels, with a fused bias and activation.
///
/// `out[o, b, i, j] = activation(bias[o] + sum_ckl weight[o, c, k, l] x[c, b, 2 i + k - top,
/// 2 j + l - left])`, with zeros outside of `x`. `x` is `[3, batch, height, width]`, the weight
/// `[out_channels, 3, 3, 3]`, the bias `[out_channels]`, and `out` `[out_channels, batch, out
/// height, out width]`.
///
/// # Panics
///
/// If a slice doesn't have the length that `dims` says, or the padded input is smaller than the
/// kernel.
pub fn stem(out: &mut [f32], dims: StemDims, layer: ConvLayer<'_>, x: &[f32]) {
    let StemDims { out_channels, batch, height, width, padding } = dims;
    let ConvLayer { weight, bias, activation } = layer;
    let (out_height, out_width) = dims.output_size();
    let columns = batch * out_height * out_width;
    assert_eq!(
        out.len(),
        out_channels * columns,
        "output must be [out channels, batch, out height, out width]"
    );
    assert_eq!(
        x.len(),
        CHANNELS * batch * height * width,
        "input must be [3, batch, height, width]"
    );
    assert_eq!(weight.len(), out_channels * TAPS, "weight must be [out channels, 3, 3, 3]");
    if let Some(bias) = bias {
        assert_eq!(bias.len(), out_channels, "bias must be [out channels]");
    }
    if out.is_empty() {
        return;
    }

    let packed = pack(weight);
    let layout =
        PaddedRows::new(width, padding.left, KERNEL, STRIDE, out_width.next_multiple_of(MAX_LANES));
    let arch = arch();
    let rows = batch * out_height;
    let tasks = if out.len() < SERIAL_ELEMENTS { 1 } else { 4 * rayon::current_num_threads() };
    let share = rows.div_ceil(tasks);
    let ranges: Vec<_> =
        (0..rows).step_by(share).map(|first| first..rows.min(first + share)).collect();
    let columns_of: Vec<_> =
        ranges.iter().map(|rows| rows.start * out_width..rows.end * out_width).collect();
    let pieces = split_columns(out, columns, &columns_of);
    run_tasks(ranges.into_iter().zip(pieces).collect(), |(rows, out): (Range<usize>, _)| {
        with_scratch(CHANNELS * KERNEL * layout.pitch(), |padded| {
            padded.fill(0.0);
            let packed = &packed;
            arch.dispatch(Rows { dims, layout, packed, x, bias, activation, rows, out, padded });
        });
    });
}

/// The weight as `[blocks, TAPS, BLOCK]`, with zeros for the channels that the last block lacks.
fn pack(weight: &[f32]) -> Vec<[[f32; BLOCK]; TAPS]> {
    let mut packed = Vec::with_capacity((weight.len() / TAPS).div_ceil(BLOCK));
    for channels in weight.chunks(BLOCK * TAPS) {
        let mut block = [[0.0; BLOCK]; TAPS];
        for (i, weight) in channels.chunks_exact(TAPS).enumerate() {
            for (taps, weight) in block.iter_mut().zip(weight) {
                taps[i] = *weight;
            }
        }
        packed.push(block);
    }
    packed
}

/// One task: some rows of the outputs of all images, counted from the first image on.
struct Rows<'a> {
    dims: StemDims,
    layout: PaddedRows,
    packed: &'a [[[f32; BLOCK]; TAPS]],
    x: &'a [f32],
    bias: Option<&'a [f32]>,
    activation: Activation,
    rows: Range<usize>,
    /// For each output channel, its part of the rows.
    out: Vec<&'a mut [f32]>,
    /// Room for the padded rows of one output row; zeros.
    padded: &'a mut [f32],
}

impl WithSimd for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { dims, layout, packed, x, bias, activation, rows, mut out, padded } = self;
        let StemDims { batch, height, width, padding, .. } = dims;
        let (out_height, out_width) = dims.output_size();
        let layout = layout.with_stride(STRIDE);
        let lanes = F32s::<S>::LANES;
        let taps = tap_offsets(layout);
        for (index, row) in rows.enumerate() {
            let (image, row) = (row / out_height, row % out_height);
            let top = (row * STRIDE) as isize - padding.top as isize;
            for (c, padded) in padded.chunks_exact_mut(KERNEL * layout.pitch()).enumerate() {
                let plane = &x[(c * batch + image) * height * width..][..height * width];
                layout.fill(simd, padded, plane, top);
            }
            for (block, (weight, out)) in packed.iter().zip(out.chunks_mut(BLOCK)).enumerate() {
                let mut start = [0.0; BLOCK];
                if let Some(bias) = bias {
                    for (start, bias) in start.iter_mut().zip(&bias[block * BLOCK..]) {
                        *start = *bias;
                    }
                }
                let tile = Tile { taps: &taps, weight, bias: start, activation, padded };
                let mut column = 0;
                while column < out_width {
                    let vectors = (out_width - column).div_ceil(lanes);
                    let place = (index * out_width, out_width, column);
                    column += lanes
                        * match vectors {
                            1 => tile.run::<S, 1>(simd, out, place),
                            // Tiles of 3 need all of 16 registers, and then some are spilled.
                            3 if S::REGISTER_COUNT >= 32 => tile.run::<S, 3>(simd, out, place),
                            n if n >= 5 && S::REGISTER_COUNT >= 32 => {
                                tile.run::<S, 3>(simd, out, place)
                            }
                            _ => tile.run::<S, 2>(simd, out, place),
                        };
                }
            }
        }
    }
}

/// Where the taps of the output column 0 lie.
fn tap_offsets(layout: PaddedRows) -> [usize; TAPS] {
    std::array::from_fn(|tap| tap / KERNEL * layout.pitch() + layout.tap(tap % KERNEL))
}

/// Inputs of a tile.
#[derive(Clone, Copy)]
struct Tile<'a> {
    taps: &'a [usize; TAPS],
    weight: &'a [[f32; BLOCK]; TAPS],
    bias: [f32; BLOCK],
    activation: Activation,
    padded: &'a [f32],
}

impl Tile<'_> {
    /// Computes `V` vectors from the column on; `place` is the start of the row in its channels,
    /// its length, and the column. Gives `V`.
    #[inline(always)]
    fn run<S: Simd, const V: usize>(
        self,
        simd: S,
        out: &mut [&mut [f32]],
        (row, width, column): (usize, usize, usize),
    ) -> usize {
        let lanes = F32s::<S>::LANES;
        let mut tile = [[F32s::splat(simd, 0.0); V]; BLOCK];
        for (tile, bias) in tile.iter_mut().zip(self.bias) {
            *tile = [F32s::splat(simd, bias); V];
        }
        for (offset, weight) in self.taps.iter().zip(self.weight) {
            let x = &self.padded[offset + column..][..V * lanes];
            let mut vectors = [F32s::splat(simd, 0.0); V];
            for (v, vector) in vectors.iter_mut().enumerate() {
                *vector = F32s::load(simd, &x[v * lanes..]);
            }
            for (tile, weight) in tile.iter_mut().zip(weight) {
                let weight = F32s::splat(simd, *weight);
                for (tile, x) in tile.iter_mut().zip(vectors) {
                    *tile = weight.mul_add(x, *tile);
                }
            }
        }
        self.activation.apply_tile(&mut tile);
        for (out, vectors) in out.iter_mut().zip(tile) {
            let out = &mut out[row..][..width][column..];
            if out.len() >= V * lanes {
                for (v, vector) in vectors.into_iter().enumerate() {
                    vector.store(&mut out[v * lanes..]);
                }
            } else {
                for (out, vector) in out.chunks_mut(lanes).zip(vectors) {
                    vector.store_partial(out);
                }
            }
        }
        V
    }
}
