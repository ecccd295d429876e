//! The one-dimensional transforms of F(4, 3) and their two-dimensional use.
//!
//! The interpolation points are 0, 3/4, -3/4, 3/2, -3/2 and infinity. Pairs of opposite points
//! share their even and odd parts, and with the points that close to 1 in magnitude, the largest
//! error is a quarter of that with the usual 1 and 2, whose powers reach 8, and three times less
//! than with 1/2 and 1.
//!
//! A tile is an array of vectors, each lane of which belongs to another channel.

use pulp::Simd;

use crate::simd::F32s;

/// Outputs of a tile per dimension.
pub(super) const OUT: usize = 4;
/// Inputs of a tile per dimension, and side of a transformed tile.
pub(super) const IN: usize = 6;
/// Values of a transformed tile.
pub(super) const AREA: usize = IN * IN;
/// Taps of the filter per dimension.
pub(super) const TAPS: usize = 3;

/// The smaller positive interpolation point.
const A: f32 = 0.75;
/// The larger positive interpolation point.
const B: f32 = 1.5;
const A2: f32 = A * A;
const B2: f32 = B * B;
/// For each magnitude of a point, the inverse of the product of its distances to the others.
const N_0: f32 = 1.0 / (A2 * B2);
const N_A: f32 = 1.0 / (2.0 * A2 * (A2 - B2));
const N_B: f32 = 1.0 / (2.0 * B2 * (B2 - A2));

/// A linear map of vectors of length `N` to vectors of length `M`.
pub(super) trait Transform<const N: usize, const M: usize> {
    /// The map.
    fn apply<S: Simd>(x: [F32s<S>; N]) -> [F32s<S>; M];
}

/// Calls `out(i, j, y)` for each `y` of `T X T^T`, where `T` is the matrix of a transform.
///
/// Results leave through `out` at once because an array of them wouldn't fit the registers.
#[inline(always)]
pub(super) fn both_sides<T: Transform<N, M>, S: Simd, const N: usize, const M: usize>(
    x: &[[F32s<S>; N]; N],
    mut out: impl FnMut(usize, usize, F32s<S>),
) {
    let zero = x[0][0].same(0.0);
    let mut half = [[zero; M]; N];
    for (half, x) in half.iter_mut().zip(x) {
        *half = T::apply(*x);
    }
    for j in 0..M {
        let mut column = [zero; N];
        for (value, half) in column.iter_mut().zip(&half) {
            *value = half[j];
        }
        for (i, value) in T::apply(column).into_iter().enumerate() {
            out(i, j, value);
        }
    }
}

/// `B^T`: inputs to the transformed domain.
pub(super) struct Input;

impl Transform<IN, IN> for Input {
    #[inline(always)]
    fn apply<S: Simd>([d0, d1, d2, d3, d4, d5]: [F32s<S>; IN]) -> [F32s<S>; IN] {
        let (sum, product) = (d0.same(-(A2 + B2)), d0.same(A2 * B2));
        let even_a = d2.mul_add(d0.same(-B2), d4);
        let odd_a = d1.mul_add(d0.same(-B2), d3);
        let even_b = d2.mul_add(d0.same(-A2), d4);
        let odd_b = d1.mul_add(d0.same(-A2), d3);
        [
            d0.mul_add(product, d2.mul_add(sum, d4)),
            odd_a.mul_add(d0.same(A), even_a),
            odd_a.mul_add(d0.same(-A), even_a),
            odd_b.mul_add(d0.same(B), even_b),
            odd_b.mul_add(d0.same(-B), even_b),
            d1.mul_add(product, d3.mul_add(sum, d5)),
        ]
    }
}

/// `G`: filter taps to the transformed domain.
pub(super) struct Filter;

impl Transform<TAPS, IN> for Filter {
    #[inline(always)]
    fn apply<S: Simd>([g0, g1, g2]: [F32s<S>; TAPS]) -> [F32s<S>; IN] {
        let even_a = g2.mul_add(g0.same(A2), g0) * g0.same(N_A);
        let even_b = g2.mul_add(g0.same(B2), g0) * g0.same(N_B);
        let (odd_a, odd_b) = (g0.same(A * N_A), g0.same(B * N_B));
        [
            g0 * g0.same(N_0),
            g1.mul_add(odd_a, even_a),
            g1.mul_add(-odd_a, even_a),
            g1.mul_add(odd_b, even_b),
            g1.mul_add(-odd_b, even_b),
            g2,
        ]
    }
}

/// `A^T`: the transformed domain to outputs.
pub(super) struct Output;

impl Transform<IN, OUT> for Output {
    #[inline(always)]
    fn apply<S: Simd>([m0, m1, m2, m3, m4, m5]: [F32s<S>; IN]) -> [F32s<S>; OUT] {
        let (even_a, odd_a) = (m1 + m2, m1 - m2);
        let (even_b, odd_b) = (m3 + m4, m3 - m4);
        [
            m0 + even_a + even_b,
            odd_a.mul_add(m0.same(A), odd_b * m0.same(B)),
            even_a.mul_add(m0.same(A2), even_b * m0.same(B2)),
            odd_a.mul_add(m0.same(A2 * A), odd_b.mul_add(m0.same(B2 * B), m5)),
        ]
    }
}

/// `A`, the adjoint of [`Output`].
pub(super) struct OutputAdjoint;

impl Transform<OUT, IN> for OutputAdjoint {
    #[inline(always)]
    fn apply<S: Simd>([y0, y1, y2, y3]: [F32s<S>; OUT]) -> [F32s<S>; IN] {
        let even_a = y2.mul_add(y0.same(A2), y0);
        let odd_a = y3.mul_add(y0.same(A2), y1);
        let even_b = y2.mul_add(y0.same(B2), y0);
        let odd_b = y3.mul_add(y0.same(B2), y1);
        [
            y0,
            odd_a.mul_add(y0.same(A), even_a),
            odd_a.mul_add(y0.same(-A), even_a),
            odd_b.mul_add(y0.same(B), even_b),
            odd_b.mul_add(y0.same(-B), even_b),
            y3,
        ]
    }
}

/// `G^T`, the adjoint of [`Filter`].
pub(super) struct FilterAdjoint;

impl Transform<IN, TAPS> for FilterAdjoint {
    #[inline(always)]
    fn apply<S: Simd>([u0, u1, u2, u3, u4, u5]: [F32s<S>; IN]) -> [F32s<S>; TAPS] {
        let (even_a, odd_a) = (u1 + u2, u1 - u2);
        let (even_b, odd_b) = (u3 + u4, u3 - u4);
        let (n_0, n_a, n_b) = (u0.same(N_0), u0.same(N_A), u0.same(N_B));
        [
            u0.mul_add(n_0, even_a.mul_add(n_a, even_b * n_b)),
            odd_a.mul_add(u0.same(A * N_A), odd_b * u0.same(B * N_B)),
            even_a.mul_add(u0.same(A2 * N_A), even_b.mul_add(u0.same(B2 * N_B), u5)),
        ]
    }
}
