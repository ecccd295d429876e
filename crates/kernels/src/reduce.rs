//! Sums of slices.

use pulp::Simd;

use crate::simd::{F32s, for_each_vector};

/// Values that [`sum_squares_blocks`] and the like sum in single precision, 32 or so in each lane of four
/// registers, before the sum goes on in double precision.
pub(crate) const fn block_len<S: Simd>() -> usize {
    128 * S::F32_LANES
}

/// Sum of the squares of the values, as accurate as nearly double precision makes it.
#[inline(always)]
pub(crate) fn sum_squares_blocks<S: Simd>(simd: S, x: &[f32]) -> f64 {
    let mut total = 0.0;
    for x in x.chunks(block_len::<S>()) {
        total += f64::from(dot(simd, x, x));
    }
    total
}

/// `x . y` in four independent chains.
#[inline(always)]
pub(crate) fn dot<S: Simd>(simd: S, x: &[f32], y: &[f32]) -> f32 {
    let mut sums = [F32s::splat(simd, 0.0); 4];
    let step = 4 * F32s::<S>::LANES;
    let (x_groups, y_groups) = (x.chunks_exact(step), y.chunks_exact(step));
    let (x_rest, y_rest) = (x_groups.remainder(), y_groups.remainder());
    for (x, y) in x_groups.zip(y_groups) {
        for (i, sum) in sums.iter_mut().enumerate() {
            let start = i * F32s::<S>::LANES;
            *sum = F32s::load(simd, &x[start..]).mul_add(F32s::load(simd, &y[start..]), *sum);
        }
    }
    let mut sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    for_each_vector(
        simd,
        x_rest.len(),
        #[inline(always)]
        |at| sum = at.load(x_rest).mul_add(at.load(y_rest), sum),
    );
    sum.sum()
}
