//! Depthwise convolution.
//!
//! Each plane is worked on in bands of rows: a band's input rows go to a zero-padded buffer that
//! stays in the first-level cache, [`PaddedRows`], so that the inner loops have no edges. They
//! compute tiles of a few rows by a few vectors in registers, so that a loaded value serves all
//! output rows of the tile that its row reaches.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::activation::Activation;
use crate::conv_layer::ConvLayer;
use crate::margins::Margins;
use crate::padded_rows::PaddedRows;
use crate::parallel::SERIAL_ELEMENTS;
use crate::scratch::with_scratch;
use crate::simd::{F32s, MAX_LANES, arch};

/// Output rows of a tile.
const ROWS: usize = 3;
/// Values that the padded rows of a band should not exceed: half of a first-level cache.
const BAND: usize = 4096;

/// Shape of a depthwise convolution from `[channels, batch, height, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepthwiseDims {
    /// Number of channels.
    pub channels: usize,
    /// Number of images.
    pub batch: usize,
    /// Height of the input.
    pub height: usize,
    /// Width of the input.
    pub width: usize,
    /// Height and width of the kernel.
    pub kernel: usize,
    /// Step between outputs, down and across.
    pub stride: usize,
    /// Zeros around the input.
    pub padding: Margins,
}

impl DepthwiseDims {
    /// Height and width of the output.
    ///
    /// # Panics
    ///
    /// If the padded input is smaller than the kernel or the stride is 0.
    pub fn output_size(&self) -> (usize, usize) {
        self.padding.output_size(self.height, self.width, self.kernel, self.stride)
    }
}

/// Depthwise convolution with a fused bias and activation, and optionally the sums of its planes.
///
/// `out[c, b, i, j] = activation(bias[c] + sum_kl weight[c, k, l] x[c, b, s i + k - top, s j + l -
/// left])`, with zeros outside of `x`. `x` is `[channels, batch, height, width]`, the weight
/// `[channels, kernel, kernel]`, the bias `[channels]`, and `out` `[channels, batch, out height,
/// out width]`. Kernels of 3 and 5 with strides of 1 and 2 have code of their own.
///
/// `plane_sums`, `[channels, batch]`, receives the sum of each output plane, which
/// [`squeeze_excite_gate`](crate::squeeze_excite_gate) needs, without another pass.
///
/// # Panics
///
/// If a slice doesn't have the length that `dims` says, or the padded input is smaller than the
/// kernel.
pub fn depthwise(
    out: &mut [f32],
    dims: DepthwiseDims,
    layer: ConvLayer<'_>,
    x: &[f32],
    plane_sums: Option<&mut [f32]>,
) {
    let tasks = if out.len() < SERIAL_ELEMENTS { 1 } else { 4 * rayon::current_num_threads() };
    depthwise_in(tasks, out, dims, layer, x, plane_sums);
}

/// As [`depthwise`], on the calling thread.
pub(crate) fn depthwise_here(
    out: &mut [f32],
    dims: DepthwiseDims,
    layer: ConvLayer<'_>,
    x: &[f32],
    plane_sums: Option<&mut [f32]>,
) {
    depthwise_in(1, out, dims, layer, x, plane_sums);
}

/// The convolution in so many parts of its planes.
fn depthwise_in(
    tasks: usize,
    out: &mut [f32],
    dims: DepthwiseDims,
    layer: ConvLayer<'_>,
    x: &[f32],
    plane_sums: Option<&mut [f32]>,
) {
    let DepthwiseDims { channels, batch, height, width, kernel, .. } = dims;
    let ConvLayer { weight, bias, .. } = layer;
    let (out_height, out_width) = dims.output_size();
    let planes = channels * batch;
    let area = out_height * out_width;
    assert_eq!(out.len(), planes * area, "output must be [channels, batch, out height, out width]");
    assert_eq!(x.len(), planes * height * width, "input must be [channels, batch, height, width]");
    assert_eq!(
        weight.len(),
        channels * kernel * kernel,
        "weight must be [channels, kernel, kernel]"
    );
    if let Some(bias) = bias {
        assert_eq!(bias.len(), channels, "bias must be [channels]");
    }
    if let Some(sums) = &plane_sums {
        assert_eq!(sums.len(), planes, "plane sums must be [channels, batch]");
    }
    if planes == 0 {
        return;
    }

    let arch = arch();
    let share = planes.div_ceil(tasks);
    let bands = Bands::new(&dims);
    let run = |task: usize, out: &mut [f32], sums: Option<&mut [f32]>| {
        let first = task * share;
        with_scratch(bands.len(), |padded| {
            padded.fill(0.0);
            let task = Planes { dims, layer, x, bands, first, out, sums, padded };
            match (dims.kernel, dims.stride) {
                (3, 1) => arch.dispatch(Run(task, Fixed::<3, 1>)),
                (3, 2) => arch.dispatch(Run(task, Fixed::<3, 2>)),
                (5, 1) => arch.dispatch(Run(task, Fixed::<5, 1>)),
                (5, 2) => arch.dispatch(Run(task, Fixed::<5, 2>)),
                (kernel, stride) => arch.dispatch(Run(task, Dynamic { kernel, stride })),
            }
        });
    };
    match plane_sums {
        None if tasks == 1 => run(0, out, None),
        None => out
            .par_chunks_mut(share * area)
            .enumerate()
            .for_each(|(task, out)| run(task, out, None)),
        Some(sums) if tasks == 1 => run(0, out, Some(sums)),
        Some(sums) => out
            .par_chunks_mut(share * area)
            .zip(sums.par_chunks_mut(share))
            .enumerate()
            .for_each(|(task, (out, sums))| run(task, out, Some(sums))),
    }
}

/// How planes are cut into bands.
#[derive(Clone, Copy)]
struct Bands {
    layout: PaddedRows,
    /// Output rows of a band.
    rows: usize,
    /// Input rows of a band, or of a tile if that has more.
    input_rows: usize,
}

impl Bands {
    fn new(dims: &DepthwiseDims) -> Self {
        let DepthwiseDims { width, kernel, stride, padding, .. } = *dims;
        let (out_height, out_width) = dims.output_size();
        let outputs = out_width.next_multiple_of(MAX_LANES);
        let layout = PaddedRows::new(width, padding.left, kernel, stride, outputs);
        // As many output rows as keep the padded rows in the cache; whole tiles.
        let rows = (BAND / layout.pitch()).saturating_sub(kernel) / stride + 1;
        let rows = rows.next_multiple_of(ROWS).min(out_height.max(ROWS));
        Self { layout, rows, input_rows: (rows - 1) * stride + kernel }
    }

    /// Values of the padded rows.
    fn len(&self) -> usize {
        self.input_rows * self.layout.pitch()
    }
}

/// One task: the planes from `first` on that fill `out`.
struct Planes<'a> {
    dims: DepthwiseDims,
    layer: ConvLayer<'a>,
    x: &'a [f32],
    bands: Bands,
    first: usize,
    out: &'a mut [f32],
    sums: Option<&'a mut [f32]>,
    /// Room for the padded rows of a band; zeros.
    padded: &'a mut [f32],
}

/// A task with the inner loops for it.
struct Run<'a, T>(Planes<'a>, T);

impl<T: Taps> WithSimd for Run<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.0.run(simd, self.1);
    }
}

impl Planes<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S, taps: impl Taps) {
        let Self { dims, layer, x, bands, first, out, mut sums, padded } = self;
        let ConvLayer { weight, bias, activation } = layer;
        let DepthwiseDims { batch, height, width, kernel, stride, padding, .. } = dims;
        let rows = bands.rows;
        let layout = bands.layout.with_stride(taps.size().1);
        let (out_height, out_width) = dims.output_size();
        let area = out_height * out_width;
        for (index, out) in out.chunks_exact_mut(area).enumerate() {
            let plane = first + index;
            let channel = plane / batch;
            let x = &x[plane * height * width..][..height * width];
            let filter = Filter {
                weight: &weight[channel * kernel * kernel..][..kernel * kernel],
                bias: bias.map_or(
                    0.0,
                    #[inline(always)]
                    |bias| bias[channel],
                ),
                activation,
                layout,
                summed: sums.is_some(),
            };
            let mut sum = 0.0;
            for (band, out) in out.chunks_mut(rows * out_width).enumerate() {
                let top = (band * rows * stride) as isize - padding.top as isize;
                // A band too low for a tile computes a whole one all the same.
                let filled = ((out.len() / out_width).max(ROWS) - 1) * stride + kernel;
                layout.fill(simd, &mut padded[..filled * layout.pitch()], x, top);
                sum += filter.band(simd, taps, padded, out, out_width);
            }
            if let Some(sums) = &mut sums {
                sums[index] = sum as f32;
            }
        }
    }
}

/// The filter of one channel.
#[derive(Clone, Copy)]
struct Filter<'a> {
    weight: &'a [f32],
    bias: f32,
    activation: Activation,
    layout: PaddedRows,
    /// Whether sums are wanted.
    summed: bool,
}

impl Filter<'_> {
    /// Computes the rows `out` from the padded rows; gives their sum, if wanted.
    #[inline(always)]
    fn band<S: Simd>(
        self,
        simd: S,
        taps: impl Taps,
        padded: &[f32],
        out: &mut [f32],
        width: usize,
    ) -> f64 {
        let rows = out.len() / width;
        let lanes = F32s::<S>::LANES;
        let mut sum = 0.0;
        let mut done = 0;
        while done < rows {
            // The last tile overlaps the one before, unless it's the only one.
            let top = done.min(rows.saturating_sub(ROWS));
            let mut place = Place { top, new: done, column: 0, width };
            let mut tile_sum = F32s::splat(simd, 0.0);
            while place.column < width {
                // Neither 3 + 1 nor 1 + 1, where tiles of 2 do.
                match (width - place.column).div_ceil(lanes) {
                    1 => self.tile::<S, 1>(simd, taps, padded, out, place, &mut tile_sum),
                    2 | 4 => self.tile::<S, 2>(simd, taps, padded, out, place, &mut tile_sum),
                    _ => self.tile::<S, 3>(simd, taps, padded, out, place, &mut tile_sum),
                }
                place.column += match (width - place.column).div_ceil(lanes) {
                    1 => lanes,
                    2 | 4 => 2 * lanes,
                    _ => 3 * lanes,
                };
            }
            if self.summed {
                sum += f64::from(tile_sum.sum());
            }
            done = top + ROWS;
        }
        sum
    }

    /// Computes one tile, and adds its values to `sum`, if wanted.
    #[inline(always)]
    fn tile<S: Simd, const V: usize>(
        self,
        simd: S,
        taps: impl Taps,
        padded: &[f32],
        out: &mut [f32],
        place: Place,
        sum: &mut F32s<S>,
    ) {
        let Place { top, new, column, width } = place;
        let lanes = F32s::<S>::LANES;
        let (kernel, stride) = taps.size();
        let pitch = self.layout.pitch();
        let last = (top * stride + (ROWS - 1) * stride + kernel - 1) * pitch;
        assert!(last + self.layout.reach(kernel) + column + V * lanes <= padded.len());
        assert!(self.weight.len() == kernel * kernel);
        let mut tile = [[F32s::splat(simd, self.bias); V]; ROWS];
        // SAFETY: the assertions cover the furthest read, that of the last row's furthest tap and
        // last vector, and the weights.
        unsafe {
            let origin = padded.as_ptr().add(top * stride * pitch + column);
            taps.accumulate(simd, &mut tile, self.weight, self.layout, origin);
        }
        self.activation.apply_tile(&mut tile);

        let start = top * width + column;
        if column + V * lanes <= width && start + (ROWS - 1) * width + V * lanes <= out.len() {
            // SAFETY: the condition covers the last vector of the last row.
            unsafe {
                let target = out.as_mut_ptr().add(start);
                for (row, vectors) in tile.into_iter().enumerate() {
                    for (v, vector) in vectors.into_iter().enumerate() {
                        vector.store_ptr(target.add(row * width + v * lanes));
                    }
                }
            }
            if self.summed {
                for (row, vectors) in (top..).zip(tile) {
                    if row >= new {
                        for vector in vectors {
                            *sum = *sum + vector;
                        }
                    }
                }
            }
            return;
        }
        for ((row, out), vectors) in (top..).zip(out[top * width..].chunks_mut(width)).zip(tile) {
            for (out, vector) in out[column..].chunks_mut(lanes).zip(vectors) {
                vector.store_partial(out);
                if self.summed && row >= new {
                    *sum = *sum + F32s::load_partial(simd, out);
                }
            }
        }
    }
}

/// Where a tile goes.
#[derive(Clone, Copy)]
struct Place {
    /// Its first row.
    top: usize,
    /// Its first row that no other tile computed.
    new: usize,
    /// Its first column.
    column: usize,
    /// Columns of the plane.
    width: usize,
}

/// The inner loops of a kernel size and stride.
trait Taps: Copy {
    /// Kernel size and stride.
    fn size(self) -> (usize, usize);

    /// `tile += weight * x`.
    ///
    /// # Safety
    ///
    /// From `origin`, which is where the tile's first output has its first tap, all padded rows of
    /// the tile must be readable, `weight` must have a value per tap.
    unsafe fn accumulate<S: Simd, const V: usize>(
        self,
        simd: S,
        tile: &mut [[F32s<S>; V]; ROWS],
        weight: &[f32],
        layout: PaddedRows,
        origin: *const f32,
    );
}

/// Unrolled loops.
#[derive(Clone, Copy)]
struct Fixed<const K: usize, const STRIDE: usize>;

/// Repeats the block with the constant set to each of the numbers.
macro_rules! unroll {
    ($index:ident in $($value:literal)*; $body:block) => {
        $({
            const $index: usize = $value;
            $body
        })*
    };
}

impl<const K: usize, const STRIDE: usize> Taps for Fixed<K, STRIDE> {
    #[inline(always)]
    fn size(self) -> (usize, usize) {
        (K, STRIDE)
    }

    #[inline(always)]
    unsafe fn accumulate<S: Simd, const V: usize>(
        self,
        simd: S,
        tile: &mut [[F32s<S>; V]; ROWS],
        weight: &[f32],
        layout: PaddedRows,
        origin: *const f32,
    ) {
        // Unrolled by hand: left to itself, the compiler keeps a loop over the rows, and with it
        // the tile in memory.
        unroll!(ROW in 0 1 2 3 4 5 6 7 8; {
            if ROW < (ROWS - 1) * STRIDE + K {
                unroll!(J in 0 1 2 3 4; {
                    if J < K {
                        let offset = ROW * layout.pitch() + layout.tap(J);
                        let mut x = [F32s::splat(simd, 0.0); V];
                        for (v, x) in x.iter_mut().enumerate() {
                            // SAFETY: the caller vouches for the rows of the tile.
                            *x = unsafe {
                                F32s::load_ptr(simd, origin.add(offset + v * F32s::<S>::LANES))
                            };
                        }
                        for (row, tile) in tile.iter_mut().enumerate() {
                            let k = ROW.wrapping_sub(row * STRIDE);
                            if k < K {
                                // SAFETY: the caller vouches for the weights.
                                let w = unsafe { *weight.get_unchecked(k * K + J) };
                                let w = F32s::splat(simd, w);
                                for (tile, x) in tile.iter_mut().zip(x) {
                                    *tile = w.mul_add(x, *tile);
                                }
                            }
                        }
                    }
                });
            }
        });
    }
}

/// Loops for any size.
#[derive(Clone, Copy)]
struct Dynamic {
    kernel: usize,
    stride: usize,
}

impl Taps for Dynamic {
    #[inline(always)]
    fn size(self) -> (usize, usize) {
        (self.kernel, self.stride)
    }

    #[inline(always)]
    unsafe fn accumulate<S: Simd, const V: usize>(
        self,
        simd: S,
        tile: &mut [[F32s<S>; V]; ROWS],
        weight: &[f32],
        layout: PaddedRows,
        origin: *const f32,
    ) {
        let Self { kernel, stride } = self;
        for k in 0..kernel {
            for j in 0..kernel {
                let w = F32s::splat(simd, weight[k * kernel + j]);
                for (row, tile) in tile.iter_mut().enumerate() {
                    let offset = (row * stride + k) * layout.pitch() + layout.tap(j);
                    for (v, tile) in tile.iter_mut().enumerate() {
                        // SAFETY: the caller vouches for the rows of the tile.
                        let x = unsafe {
                            F32s::load_ptr(simd, origin.add(offset + v * F32s::<S>::LANES))
                        };
                        *tile = w.mul_add(x, *tile);
                    }
                }
            }
        }
    }
}
