//! Tiles to the transformed domain. Knows tilings and transforms, no filters.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::tiling::Tiling;
use super::transform::{AREA, IN, Input, OUT, OutputAdjoint, Transform, both_sides};
use crate::interleave::interleave;
use crate::microkernel::PANEL;
use crate::simd::F32s;

/// `V = B^T d B` for all tiles of a strip and all input channels.
pub(super) struct TransformStrip<'a> {
    pub(super) x: &'a [f32],
    pub(super) tiling: &'a Tiling,
    pub(super) strip: usize,
    /// Scratch memory.
    pub(super) gathered: &'a mut [f32],
    /// `[tiles, 36, stride]`.
    pub(super) out: &'a mut [f32],
}

impl WithSimd for TransformStrip<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, tiling, strip, gathered, out } = self;
        let stride = tiling.stride();
        gathered.fill(0.0);
        for first in (0..tiling.dims.ci).step_by(PANEL) {
            let channels = first..tiling.dims.ci.min(first + PANEL);
            gather(gathered, x, tiling, strip, channels, 1);
            let out = &mut out[first..];
            transform_tiles::<Input, _, _>(
                simd,
                gathered,
                tiling.tiles,
                out,
                AREA * stride,
                stride,
            );
        }
    }
}

/// The transform of both operands of the weights' gradient, for all tiles and 16 channels: either
/// `B^T d B` of inputs or `A dz A^T` of outputs.
pub(super) struct TransformPanel<'a> {
    pub(super) values: &'a [f32],
    pub(super) channels: Range<usize>,
    pub(super) outputs: bool,
    pub(super) tiling: &'a Tiling,
    /// Scratch memory.
    pub(super) gathered: &'a mut [f32],
    /// `[36, tiles, 16]`.
    pub(super) out: &'a mut [f32],
}

impl WithSimd for TransformPanel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { values, channels, outputs, tiling, gathered, out } = self;
        let strips = tiling.dims.batch * tiling.strips;
        let position = strips * tiling.tiles * PANEL;
        for strip in 0..strips {
            let out = &mut out[strip * tiling.tiles * PANEL..];
            // Strips at the edges have padding where others have values.
            gathered.fill(0.0);
            let padding = if outputs { 0 } else { 1 };
            gather(gathered, values, tiling, strip, channels.clone(), padding);
            if outputs {
                transform_tiles::<OutputAdjoint, _, _>(
                    simd,
                    gathered,
                    tiling.tiles,
                    out,
                    PANEL,
                    position,
                );
            } else {
                transform_tiles::<Input, _, _>(simd, gathered, tiling.tiles, out, PANEL, position);
            }
        }
    }
}

/// Copies the rows of a strip's tiles with `padding` on each side to `[rows, columns, 16]`, leaving
/// what is outside alone.
#[inline(always)]
fn gather(
    gathered: &mut [f32],
    values: &[f32],
    tiling: &Tiling,
    strip: usize,
    channels: Range<usize>,
    padding: usize,
) {
    let (height, width) = (tiling.dims.height, tiling.dims.width);
    let columns = tiling.tiles * OUT + 2 * padding;
    let image = strip / tiling.strips * height * width;
    let top = strip % tiling.strips * OUT;
    for (row, gathered) in
        (top..top + OUT + 2 * padding).zip(gathered.chunks_exact_mut(columns * PANEL))
    {
        if row < padding || row >= height + padding {
            continue;
        }
        let start = image + (row - padding) * width;
        let mut rows: [&[f32]; PANEL] = [&[]; PANEL];
        for (slice, channel) in rows.iter_mut().zip(channels.clone()) {
            *slice = &values[channel * tiling.dims.channel() + start..][..width];
        }
        let (gathered, _) = gathered.as_chunks_mut::<PANEL>();
        interleave(&mut gathered[padding..], &rows[..channels.len()]);
    }
}

/// `T d T^T` for tiles of 16 channels, `SIDE` x `SIDE` values each, with the given distances between
/// tiles and positions of the result.
#[inline(always)]
fn transform_tiles<T: Transform<SIDE, IN>, S: Simd, const SIDE: usize>(
    simd: S,
    gathered: &[f32],
    tiles: usize,
    out: &mut [f32],
    tile_stride: usize,
    position_stride: usize,
) {
    let columns = tiles * OUT + SIDE - OUT;
    let (gathered, _) = gathered.as_chunks::<PANEL>();
    for tile in 0..tiles {
        for lane in (0..PANEL).step_by(S::F32_LANES) {
            let mut d = [[F32s::splat(simd, 0.0); SIDE]; SIDE];
            for (row, d) in d.iter_mut().enumerate() {
                let start = row * columns + tile * OUT;
                for (d, values) in d.iter_mut().zip(&gathered[start..start + SIDE]) {
                    *d = F32s::load(simd, &values[lane..]);
                }
            }
            let start = tile * tile_stride + lane;
            both_sides::<T, S, _, _>(
                &d,
                #[inline(always)]
                |i, j, v| v.store(&mut out[start + (i * IN + j) * position_stride..]),
            );
        }
    }
}
