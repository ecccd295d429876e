//! Squeeze-and-excitation against double precision.

mod common;

use common::{assert_close, at_every_level, uniform};
use nfbmr_kernels::{SqueezeExcite, squeeze_excite_gate};
use proptest::prelude::*;

struct Weights {
    reduce_weight: Vec<f32>,
    reduce_bias: Vec<f32>,
    expand_weight: Vec<f32>,
    expand_bias: Vec<f32>,
}

impl Weights {
    fn new(channels: usize, squeezed: usize) -> Self {
        Self {
            reduce_weight: uniform(squeezed * channels, 11),
            reduce_bias: uniform(squeezed, 12),
            expand_weight: uniform(channels * squeezed, 13),
            expand_bias: uniform(channels, 14),
        }
    }

    fn borrow(&self) -> SqueezeExcite<'_> {
        SqueezeExcite {
            reduce_weight: &self.reduce_weight,
            reduce_bias: &self.reduce_bias,
            expand_weight: &self.expand_weight,
            expand_bias: &self.expand_bias,
        }
    }

    fn layer(weight: &[f32], bias: &[f32], x: &[f64]) -> Vec<f64> {
        bias.iter()
            .enumerate()
            .map(|(row, &bias)| {
                let weight = &weight[row * x.len()..][..x.len()];
                let sum: f64 = weight.iter().zip(x).map(|(&w, x)| f64::from(w) * x).sum();
                sum + f64::from(bias)
            })
            .collect()
    }

    /// The gates in double precision.
    fn reference(&self, sums: &[f32], batch: usize, area: usize) -> Vec<f64> {
        let channels = self.expand_bias.len();
        let mut gates = vec![0.0; channels * batch];
        for b in 0..batch {
            let mean = |c: usize| f64::from(sums[c * batch + b]) / area as f64;
            let means: Vec<f64> = (0..channels).map(mean).collect();
            let mut reduced = Self::layer(&self.reduce_weight, &self.reduce_bias, &means);
            for z in &mut reduced {
                *z /= 1.0 + (-*z).exp();
            }
            let expanded = Self::layer(&self.expand_weight, &self.expand_bias, &reduced);
            for (c, z) in expanded.into_iter().enumerate() {
                gates[c * batch + b] = 1.0 / (1.0 + (-z).exp());
            }
        }
        gates
    }
}

fn check(channels: usize, squeezed: usize, batch: usize, area: usize) {
    let weights = Weights::new(channels, squeezed);
    let sums: Vec<f32> =
        uniform(channels * batch, 1).into_iter().map(|sum| sum * area as f32).collect();
    let expected = weights.reference(&sums, batch, area);
    let mut gates = vec![0.0; channels * batch];
    squeeze_excite_gate(&mut gates, &sums, area, &weights.borrow());
    let name = format!("{channels} {squeezed} {batch} {area}");
    assert_close(&name, &gates, &expected, 2e-6);
}

#[test]
fn gates_match_double_precision() {
    at_every_level(|| {
        for (channels, squeezed) in [(1, 1), (7, 3), (32, 8), (75, 19)] {
            for batch in [1, 2] {
                for area in [1, 7, 49, 260] {
                    check(channels, squeezed, batch, area);
                }
            }
        }
    });
}

#[test]
fn several_threads_share_rows() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    pool.install(|| check(700, 48, 1, 97));
}

#[test]
fn nothing_is_fine() {
    check(3, 2, 0, 1);
}

#[test]
#[should_panic(expected = "reducing weight")]
fn weights_must_fit() {
    let weights = SqueezeExcite {
        reduce_weight: &[0.0; 3],
        reduce_bias: &[0.0],
        expand_weight: &[0.0; 2],
        expand_bias: &[0.0; 2],
    };
    squeeze_excite_gate(&mut [0.0; 2], &[0.0; 2], 1, &weights);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_shape(
        channels in 1..40usize,
        squeezed in 1..9usize,
        batch in 1..4usize,
        area in 1..90usize,
    ) {
        check(channels, squeezed, batch, area);
    }
}
