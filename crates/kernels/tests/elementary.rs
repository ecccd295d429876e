//! `exp`, `sigmoid`, `silu` and `atan` against double precision, over all of `f32`.

mod common;

use common::at_every_level;
use nfbmr_kernels::simd::Level;
use nfbmr_kernels::{atan_in_place, exp_in_place, sigmoid_in_place, silu_in_place};

/// Every `STEP`-th bit pattern is tested: coprime to powers of two, so all mantissas come up.
const STEP: usize = if cfg!(debug_assertions) { 40_009 } else { 509 };

/// All signs, magnitudes, infinities and NaN.
fn all_floats() -> Vec<f32> {
    let special =
        [0.0, -0.0, 1.0, -1.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MIN_POSITIVE];
    let sweep = (0..=u32::MAX).step_by(STEP).map(f32::from_bits);
    // The useful range more densely than the exponents' share of bit patterns.
    let dense = (0..=200_000u32).step_by(STEP / 500 + 1).map(|i| i as f32 * 0.001 - 100.0);
    special.into_iter().chain(sweep).chain(dense).collect()
}

/// Distance in units of the last place of the exact value; subnormals have the smallest normal's.
fn ulps(got: f32, exact: f64) -> f64 {
    let rounded = exact as f32;
    if f64::from(got) == exact || got.to_bits() == rounded.to_bits() {
        return 0.0;
    }
    if rounded.is_nan() || got.is_nan() {
        return if rounded.is_nan() && got.is_nan() { 0.0 } else { f64::INFINITY };
    }
    if rounded.is_infinite() || got.is_infinite() {
        return if rounded == got { 0.0 } else { f64::INFINITY };
    }
    let exponent = (rounded.abs().max(f32::MIN_POSITIVE).to_bits() >> 23) as i32 - 127 - 23;
    (f64::from(got) - exact).abs() / 2f64.powi(exponent)
}

/// Largest error in ulps over the inputs that `counts` accepts.
fn check(
    name: &str,
    kernel: impl Fn(&mut [f32]),
    exact: impl Fn(f64) -> f64,
    counts: impl Fn(f64) -> bool,
    bound: f64,
) {
    let inputs = all_floats();
    let mut outputs = inputs.clone();
    kernel(&mut outputs);
    let (mut worst, mut at) = (0.0, 0.0);
    for (&x, &got) in inputs.iter().zip(&outputs) {
        if !counts(f64::from(x)) {
            continue;
        }
        let error = ulps(got, exact(f64::from(x)));
        if error > worst {
            (worst, at) = (error, x);
        }
    }
    println!("{name} at {:?}: {worst:.3} ulp at {at:?}", Level::current());
    assert!(worst <= bound, "{name}: {worst} ulp at {at:?}");
}

#[test]
fn exp_is_accurate_everywhere() {
    at_every_level(|| check("exp", exp_in_place, f64::exp, |_| true, 1.0));
}

#[test]
fn sigmoid_is_accurate() {
    let exact = |x: f64| 1.0 / (1.0 + (-x).exp());
    at_every_level(|| {
        check("sigmoid", sigmoid_in_place, exact, |x| x.is_nan() || x > -87.0, 3.0);
    });
}

#[test]
fn sigmoid_vanishes_far_below_zero() {
    at_every_level(|| {
        let mut x = [-87.5, -88.0, -88.5, -100.0, -1e30, f32::NEG_INFINITY];
        let exact = x.map(|x| 1.0 / (1.0 + (-f64::from(x)).exp()));
        sigmoid_in_place(&mut x);
        for (got, exact) in x.into_iter().zip(exact) {
            assert!((f64::from(got) - exact).abs() < 6e-39, "{got} instead of {exact}");
        }
    });
}

#[test]
fn silu_is_accurate() {
    let exact = |x: f64| if x == f64::INFINITY { x } else { x / (1.0 + (-x).exp()) };
    at_every_level(|| check("silu", silu_in_place, exact, |x| x.is_nan() || x > -87.0, 3.0));
}

#[test]
fn silu_vanishes_far_below_zero() {
    at_every_level(|| {
        let mut x = [-88.0, -100.0, -1e30, f32::MIN];
        silu_in_place(&mut x);
        assert!(x.into_iter().all(|y| y.abs() < 1e-35), "{x:?}");
    });
}

#[test]
fn atan_is_accurate_everywhere() {
    at_every_level(|| check("atan", atan_in_place, f64::atan, |_| true, 2.0));
}

#[test]
fn zero_keeps_its_sign() {
    at_every_level(|| {
        let mut x = [0.0, -0.0];
        atan_in_place(&mut x);
        assert_eq!(x.map(f32::to_bits), [0.0f32, -0.0].map(f32::to_bits));
        silu_in_place(&mut x);
        assert_eq!(x.map(f32::to_bits), [0.0f32, -0.0].map(f32::to_bits));
    });
}

#[test]
fn every_length_has_its_tail() {
    at_every_level(|| {
        for len in 0..67 {
            let mut x: Vec<f32> = (0..len).map(|i| i as f32 * 0.1 - 3.0).collect();
            let exact: Vec<f64> = x.iter().map(|&x| f64::from(x).exp()).collect();
            exp_in_place(&mut x);
            common::assert_close("exp", &x, &exact, 2e-7);
        }
    });
}
