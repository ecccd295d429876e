//! Vectorised elementary functions: `exp`, `sigmoid`, `silu` and `atan`.
//!
//! All are branch-free. `exp` uses the additive range reduction of Cody and Waite (*Software Manual
//! for the Elementary Functions*, 1980): with `n = round(x / ln 2)` and `ln 2` split into a short
//! head, whose product with `n` is exact, and a tail, `exp(x) = 2^n exp(r)` with
//! `|r| <= ln(2) / 2`. `atan` uses `atan(x) = pi / 2 - atan(1 / x)` beyond 1. The polynomials are
//! relative minimax fits from a Remez exchange, `tests/minimax.py`, rounded to `f32`.

use pulp::Simd;

use crate::parallel::{SliceKernel, for_each_chunk};
use crate::simd::F32s;

/// `1.5 * 2^23`: adding it rounds to an integer and leaves that integer in the low mantissa bits.
const ROUND: f32 = 12_582_912.0;
/// Head of `ln 2`, 9 bits long.
const LN_2_HEAD: f32 = 0.693_359_4;
/// `ln 2 - LN_2_HEAD`.
const LN_2_TAIL: f32 = -2.121_944_4e-4;

/// `q` of `exp(r) = 1 + r + r^2 q(r)` on `|r| <= ln(2) / 2`, constant term first; relative error of
/// `exp` 3.1e-9 before rounding.
const EXP: [f32; 5] = [0.499_999_94, 0.166_665_21, 0.041_668_39, 0.008_368_71, 0.001_381_461_3];

/// `q` of `atan(t) = t + t^3 q(t^2)` on `|t| <= 1`, constant term first; relative error of `atan`
/// 1.7e-8 before rounding.
const ATAN: [f32; 8] = [
    -0.333_331_53,
    0.199_937_73,
    -0.142_110_56,
    0.106_660_04,
    -0.075_522_13,
    0.043_211_85,
    -0.016_367_922,
    0.002_920_690_7,
];

/// Polynomial with the coefficients `c`, constant term first, by Horner's rule.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(c: [f32; N], x: F32s<S>) -> F32s<S> {
    let mut sum = x.same(c[N - 1]);
    for k in (0..N - 1).rev() {
        sum = sum.mul_add(x, x.same(c[k]));
    }
    sum
}

/// `(exp(r), t)` of `x = n ln 2 + r`, where the low bits of `t` are the integer `n`.
#[inline(always)]
fn reduced_exp<S: Simd>(x: F32s<S>) -> (F32s<S>, F32s<S>) {
    let t = x.mul_add(x.same(std::f32::consts::LOG2_E), x.same(ROUND));
    let n = t - x.same(ROUND);
    let r = n.mul_add(x.same(-LN_2_HEAD), x);
    let r = n.mul_add(x.same(-LN_2_TAIL), r);
    let q = polynomial(EXP, r);
    ((r * r).mul_add(q, r) + x.same(1.0), t)
}

/// `exp(x)`: at most 1 ulp off, subnormals included; 0, infinity and NaN as they should be.
#[inline(always)]
pub(crate) fn exp<S: Simd>(x: F32s<S>) -> F32s<S> {
    // Beyond these bounds the result is 0 or infinite anyway, and n fits the exponents below.
    let x = x.at_least(x.same(-104.0)).at_most(x.same(89.0));
    let (p, t) = reduced_exp(x);
    // 2^n in two factors, so that neither leaves the normal range where 2^n does. Their biased
    // exponents are the halves of n + 2 * 127.
    let exponents = t.map_bits(
        #[inline(always)]
        |simd, bits| simd.sub_u32s(bits, simd.splat_u32s(ROUND.to_bits() - 254)),
    );
    let low = exponents.map_bits(
        #[inline(always)]
        |simd, sum| {
            let half = simd.wrapping_dyn_shr_u32s(sum, simd.splat_u32s(1));
            simd.wrapping_dyn_shl_u32s(half, simd.splat_u32s(23))
        },
    );
    let high = exponents.map_bits(
        #[inline(always)]
        |simd, sum| {
            let half = simd.wrapping_dyn_shr_u32s(sum, simd.splat_u32s(1));
            simd.wrapping_dyn_shl_u32s(simd.sub_u32s(sum, half), simd.splat_u32s(23))
        },
    );
    p * low * high
}

/// `exp(x)` for denominators: 0 below `-127.5 ln 2` and infinite above `127.5 ln 2`.
#[inline(always)]
fn exp_flushed<S: Simd>(x: F32s<S>) -> F32s<S> {
    // n is within -127..=128, whose biased exponents are those of zero and infinity.
    let x = x.at_least(x.same(-87.9)).at_most(x.same(88.8));
    let (p, t) = reduced_exp(x);
    // The shift drops all bits of `ROUND`.
    let scale = t.map_bits(
        #[inline(always)]
        |simd, bits| {
            let n = simd.wrapping_dyn_shl_u32s(bits, simd.splat_u32s(23));
            simd.add_u32s(n, simd.splat_u32s(1.0f32.to_bits()))
        },
    );
    p * scale
}

/// `1 / (1 + exp(-x))`: at most 3 ulp off down to `2^-127`, 0 below.
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(x: F32s<S>) -> F32s<S> {
    x.same(1.0) / (x.same(1.0) + exp_flushed(-x))
}

/// `x sigmoid(x)`: at most 3 ulp off down to `x = -88`, `-0` below; NaN at negative infinity.
#[inline(always)]
pub(crate) fn silu<S: Simd>(x: F32s<S>) -> F32s<S> {
    x / (x.same(1.0) + exp_flushed(-x))
}

/// `atan(x)`: at most 2 ulp off.
#[inline(always)]
pub(crate) fn atan<S: Simd>(x: F32s<S>) -> F32s<S> {
    let one = x.same(1.0);
    let size = x.abs();
    // t = -1 / |x| beyond 1 and |x| up to it.
    let numerator = size.select_greater(one, -one, size);
    let denominator = size.select_greater(one, size, one);
    let offset = size.select_greater(one, x.same(std::f32::consts::FRAC_PI_2), x.same(0.0));
    let t = numerator / denominator;
    let square = t * t;
    let series = (square * t).mul_add(polynomial(ATAN, square), t);
    (offset + series).or_sign_of(x)
}

/// Declares the public slice form of an elementary function.
macro_rules! slice_function {
    ($(#[$doc:meta])* $name:ident, $kernel:ident) => {
        $(#[$doc])*
        pub fn $name(x: &mut [f32]) {
            #[derive(Clone, Copy)]
            struct Kernel;

            impl SliceKernel for Kernel {
                #[inline(always)]
                fn map<S: Simd>(self, x: F32s<S>) -> F32s<S> {
                    $kernel(x)
                }
            }

            for_each_chunk(x, Kernel);
        }
    };
}

slice_function!(
    /// `x <- exp(x)`, at most 1 ulp off, subnormals included.
    exp_in_place, exp
);
slice_function!(
    /// `x <- 1 / (1 + exp(-x))`, at most 3 ulp off down to `2^-127`, 0 below.
    sigmoid_in_place, sigmoid
);
slice_function!(
    /// `x <- x / (1 + exp(-x))`, at most 3 ulp off down to `x = -88`, `-0` below.
    silu_in_place, silu
);
slice_function!(
    /// `x <- atan(x)`, at most 2 ulp off.
    atan_in_place, atan
);
