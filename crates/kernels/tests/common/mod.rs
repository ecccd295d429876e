//! What the tests of the kernels share.
#![allow(dead_code, reason = "each test file uses its own part")]

use nfbmr_kernels::simd::{Level, with_level};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Runs `test` once at every level that this machine has.
pub fn at_every_level(test: impl Fn()) {
    for level in Level::available() {
        with_level(level, &test);
    }
}

/// `len` values between -1 and 1.
pub fn uniform(len: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..len).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// Asserts that all values agree to `tolerance`, relative to the reference where that is above 1.
#[track_caller]
pub fn assert_close(name: &str, got: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{name}");
    for (i, (&got, &expected)) in got.iter().zip(expected).enumerate() {
        let error = (f64::from(got) - expected).abs();
        assert!(
            error <= tolerance * expected.abs().max(1.0),
            "{name}[{i}] = {got}, expected {expected}"
        );
    }
}

/// `values` in double precision.
pub fn doubles(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}
