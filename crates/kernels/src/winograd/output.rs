//! Products to output tiles. Knows tilings and transforms, no filters.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::tiling::Tiling;
use super::transform::{AREA, IN, OUT, Output, both_sides};
use crate::activation::Activation;
use crate::interleave::deinterleave;
use crate::microkernel::PANEL;
use crate::simd::F32s;

/// What is added to and done with the convolution's output.
#[derive(Clone, Copy)]
pub(super) struct Epilogue<'a> {
    /// A value per output channel.
    pub(super) bias: Option<&'a [f32]>,
    pub(super) activation: Activation,
    /// Like the output, added last.
    pub(super) residual: Option<&'a [f32]>,
}

/// `activation(A^T M A + bias) + residual` for a few panels of output channels.
pub(super) struct TransformPanels<'a, 'b> {
    /// `[panels, tiles, 36, 16]`.
    pub(super) products: &'a [f32],
    pub(super) tiling: &'a Tiling,
    pub(super) strips: Range<usize>,
    pub(super) first_panel: usize,
    /// Factor of the products.
    pub(super) scale: f32,
    pub(super) epilogue: Epilogue<'a>,
    /// Scratch memory for a strip's output, `[4, columns, 16]`.
    pub(super) strip: &'a mut [f32],
    /// The strips of each of the panels' output channels.
    pub(super) out: &'a mut [&'b mut [f32]],
}

impl WithSimd for TransformPanels<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { products, tiling, strips, first_panel, scale, epilogue, strip, out } = self;
        let tiles = strips.len() * tiling.tiles;
        let columns = tiling.tiles * OUT;
        let (y, _) = strip.as_chunks_mut::<PANEL>();
        let parts = products.chunks_exact(AREA * tiles * PANEL).zip(out.chunks_mut(PANEL));
        for (i, (products, out)) in parts.enumerate() {
            let (products, _) = products.as_chunks::<PANEL>();
            let first_channel = (first_panel + i) * PANEL;
            let mut bias = [0.0; PANEL];
            if let Some(values) = epilogue.bias {
                bias[..out.len()].copy_from_slice(&values[first_channel..][..out.len()]);
            }
            let mut products = products.as_chunks::<AREA>().0.chunks_exact(tiling.tiles);
            for strip in strips.clone() {
                #[expect(clippy::expect_used, reason = "the products were made for these strips")]
                let products = products.next().expect("the products of each strip");
                for (tile, products) in products.iter().enumerate() {
                    for lane in (0..PANEL).step_by(S::F32_LANES) {
                        let mut m = [[F32s::splat(simd, 0.0); IN]; IN];
                        for (m, products) in m.as_flattened_mut().iter_mut().zip(products) {
                            *m = F32s::load(simd, &products[lane..]);
                        }
                        let mut values = [[F32s::splat(simd, 0.0); OUT]; OUT];
                        let bias = F32s::load(simd, &bias[lane..]);
                        both_sides::<Output, S, _, _>(
                            &m,
                            #[inline(always)]
                            |i, j, y| values[i][j] = y.mul_add(y.same(scale), bias),
                        );
                        epilogue.activation.apply_tile(&mut values);
                        for (row, values) in values.iter().enumerate() {
                            let y = &mut y[row * columns + tile * OUT..][..OUT];
                            for (y, value) in y.iter_mut().zip(values) {
                                value.store(&mut y[lane..]);
                            }
                        }
                    }
                }
                let offset = tiling.offset(strip);
                let piece = tiling.offset(strips.start);
                let width = tiling.dims.width;
                let rows = (tiling.dims.height - strip % tiling.strips * OUT).min(OUT);
                for row in 0..rows {
                    let start = offset + row * width;
                    let mut parts: [&mut [f32]; PANEL] = Default::default();
                    let lanes = out.len();
                    for (part, out) in parts.iter_mut().zip(out.iter_mut()) {
                        *part = &mut out[start - piece..][..width];
                    }
                    let parts = &mut parts[..lanes];
                    deinterleave(parts, &y[row * columns..][..columns]);
                    let Some(residual) = epilogue.residual else { continue };
                    for (lane, part) in parts.iter_mut().enumerate() {
                        let channel = (first_channel + lane) * tiling.dims.channel();
                        let residual = &residual[channel + start..][..width];
                        for (value, residual) in part.iter_mut().zip(residual) {
                            *value += residual;
                        }
                    }
                }
            }
        }
    }
}
