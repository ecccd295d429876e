//! What the tests of the convolutions share.

use nfbmr_kernels::Activation;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// One of each activation.
pub const ACTIVATIONS: [Activation; 5] = [
    Activation::Identity,
    Activation::Relu,
    Activation::Relu6,
    Activation::LeakyRelu(0.2),
    Activation::Silu,
];

/// Standard normal values.
pub fn normal(seed: u64, len: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut uniform = || rng.random_range(f64::MIN_POSITIVE..1.0_f64);
    // Box & Muller.
    let mut next = || (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos();
    (0..len).map(|_| next() as f32).collect()
}

/// The activation in `f64`.
pub fn activate(activation: Activation, z: f64) -> f64 {
    match activation {
        Activation::Identity => z,
        Activation::Relu => z.max(0.0),
        Activation::Relu6 => z.clamp(0.0, 6.0),
        Activation::LeakyRelu(slope) => {
            if z > 0.0 {
                z
            } else {
                z * f64::from(slope)
            }
        }
        Activation::Silu => z / (1.0 + (-z).exp()),
    }
}

/// Largest difference relative to the largest expected value; NaN if a value is.
pub fn relative_error(values: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(values.len(), expected.len());
    let largest = expected.iter().fold(1e-30_f64, |largest, x| largest.max(x.abs()));
    let mut error = 0.0_f64;
    for (value, expected) in values.iter().zip(expected) {
        let difference = (f64::from(*value) - expected).abs();
        if difference.is_nan() {
            return f64::NAN;
        }
        error = error.max(difference);
    }
    error / largest
}

/// Inner product.
pub fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}
