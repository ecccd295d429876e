//! Transformed filters, packed for the matrix products. Knows no images.

use half::f16;
use half::slice::HalfFloatSliceExt;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::transform::{AREA, Filter, IN, TAPS, both_sides};
use crate::microkernel::PANEL;
use crate::scratch::Aligned;
use crate::simd::{F32s, arch};

/// Number format of transformed filters in memory; the arithmetic is in `f32` either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// As computed.
    #[default]
    F32,
    /// Rounded to 11 bits: half the memory traffic, which dominates at a few tiles per filter.
    F16,
}

/// Filters of a 3 x 3 convolution, transformed to `U = G g G^T` for [`conv3x3`](super::conv3x3).
///
/// The layout is `[co / 16, 36, ci, 16]`: what one panel of output channels needs is contiguous
/// and read in order, once per block of tiles.
#[derive(Clone)]
pub struct WinogradWeights {
    co: usize,
    ci: usize,
    values: Values,
}

#[derive(Clone)]
enum Values {
    F32(Aligned),
    /// The values times `1 / scale`, a power of two that puts the largest near the top of the
    /// range, far from subnormal numbers.
    F16 {
        values: Vec<f16>,
        scale: f32,
    },
}

impl std::fmt::Debug for WinogradWeights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WinogradWeights")
            .field("co", &self.co)
            .field("ci", &self.ci)
            .field("precision", &self.precision())
            .finish_non_exhaustive()
    }
}

impl WinogradWeights {
    /// Transforms filters, `[co, ci, 3, 3]`.
    ///
    /// # Panics
    ///
    /// If `weight` has another length.
    pub fn new(weight: &[f32], co: usize, ci: usize) -> Self {
        Self::pack(weight, co, ci, false)
    }

    /// Transforms the filters of the adjoint convolution, which maps the gradient of a
    /// convolution's output to that of its input: channels swapped and taps rotated by 180 degrees.
    ///
    /// `weight` are the filters of the convolution, `[co, ci, 3, 3]`; the result has `ci` output
    /// and `co` input channels.
    ///
    /// # Panics
    ///
    /// If `weight` has another length.
    pub fn transposed_from(weight: &[f32], co: usize, ci: usize) -> Self {
        Self::pack(weight, ci, co, true)
    }

    fn pack(weight: &[f32], co: usize, ci: usize, transposed: bool) -> Self {
        assert_eq!(weight.len(), co * ci * TAPS * TAPS, "weight must be [co, ci, 3, 3]");
        let len = AREA * ci * PANEL;
        let mut values = Aligned::zeroed(co.div_ceil(PANEL) * len);
        if ci > 0 {
            let arch = arch();
            values.as_mut_slice().par_chunks_mut(len).enumerate().for_each(|(i, panel)| {
                let first = i * PANEL;
                let lanes = PANEL.min(co - first);
                arch.dispatch(TransformPanel { weight, panel, first, lanes, co, ci, transposed });
            });
        }
        Self { co, ci, values: Values::F32(values) }
    }

    /// The same filters in another number format.
    ///
    /// From [`Precision::F16`] to [`Precision::F32`], the lost bits don't come back.
    pub fn to_precision(self, precision: Precision) -> Self {
        let values = match (self.values, precision) {
            (Values::F32(values), Precision::F16) => {
                let values = values.as_slice();
                let largest = values.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
                let scale = if largest > 0.0 && largest.is_finite() {
                    (largest.log2().floor() - 14.0).clamp(-120.0, 120.0).exp2()
                } else {
                    1.0
                };
                let values = values.iter().map(|x| f16::from_f32(x / scale)).collect();
                Values::F16 { values, scale }
            }
            (Values::F16 { values, scale }, Precision::F32) => {
                let mut wide = Aligned::zeroed(values.len());
                for (wide, x) in wide.as_mut_slice().iter_mut().zip(values) {
                    *wide = x.to_f32() * scale;
                }
                Values::F32(wide)
            }
            (values, _) => values,
        };
        Self { values, ..self }
    }

    /// Output channels.
    pub fn co(&self) -> usize {
        self.co
    }

    /// Input channels.
    pub fn ci(&self) -> usize {
        self.ci
    }

    /// The number format.
    pub fn precision(&self) -> Precision {
        match self.values {
            Values::F32(_) => Precision::F32,
            Values::F16 { .. } => Precision::F16,
        }
    }

    /// Bytes of the transformed filters.
    pub fn size(&self) -> usize {
        match &self.values {
            Values::F32(values) => size_of_val(values.as_slice()),
            Values::F16 { values, .. } => size_of_val(&values[..]),
        }
    }

    /// What products with the stored values are to be multiplied by.
    pub(super) fn scale(&self) -> f32 {
        match self.values {
            Values::F32(_) => 1.0,
            Values::F16 { scale, .. } => scale,
        }
    }

    /// `[ci, 16]` values of one panel at one position of the transformed tile, widened to `wide` if
    /// they're stored narrow.
    #[inline(always)]
    pub(super) fn panel<'a>(
        &'a self,
        panel: usize,
        position: usize,
        wide: &'a mut [f32],
    ) -> &'a [f32] {
        let len = self.ci * PANEL;
        let start = (panel * AREA + position) * len;
        match &self.values {
            Values::F32(values) => &values.as_slice()[start..start + len],
            Values::F16 { values, .. } => {
                let wide = &mut wide[..len];
                values[start..start + len].convert_to_f32_slice(wide);
                wide
            }
        }
    }

    /// Length of the `wide` that [`panel`](Self::panel) needs.
    pub(super) fn wide_len(&self) -> usize {
        match self.values {
            Values::F32(_) => 0,
            Values::F16 { .. } => self.ci * PANEL,
        }
    }
}

/// The transform of up to 16 output channels.
struct TransformPanel<'a> {
    weight: &'a [f32],
    panel: &'a mut [f32],
    first: usize,
    lanes: usize,
    co: usize,
    ci: usize,
    transposed: bool,
}

impl WithSimd for TransformPanel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        const FILTER: usize = TAPS * TAPS;
        let Self { weight, panel, first, lanes, co, ci, transposed } = self;
        let mut taps = [[0.0; PANEL]; FILTER];
        for c in 0..ci {
            for (lane, channel) in (first..first + lanes).enumerate() {
                let filter = if transposed { c * co + channel } else { channel * ci + c };
                let filter = &weight[filter * FILTER..][..FILTER];
                for (i, value) in filter.iter().enumerate() {
                    taps[if transposed { FILTER - 1 - i } else { i }][lane] = *value;
                }
            }
            for start in (0..PANEL).step_by(S::F32_LANES) {
                let mut g = [[F32s::splat(simd, 0.0); TAPS]; TAPS];
                for (i, taps) in taps.iter().enumerate() {
                    g[i / TAPS][i % TAPS] = F32s::load(simd, &taps[start..]);
                }
                both_sides::<Filter, S, _, _>(
                    &g,
                    #[inline(always)]
                    |i, j, u| u.store(&mut panel[((i * IN + j) * ci + c) * PANEL + start..]),
                );
            }
        }
    }
}
