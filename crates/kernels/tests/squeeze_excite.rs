//! Squeeze-and-excitation against double precision.

mod common;

use common::{assert_close, at_every_level, uniform};
use nfbmr_kernels::{
    Activation, DepthwiseDims, Padding, SqueezeExcite, depthwise, plane_sums, scale_planes,
    squeeze_excite, squeeze_excite_gate,
};
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

    /// The block's output in double precision.
    fn reference(&self, x: &[f32], batch: usize) -> Vec<f64> {
        let channels = self.expand_bias.len();
        let area = x.len().checked_div(channels * batch).unwrap_or(0);
        let mut out: Vec<f64> = common::doubles(x);
        for b in 0..batch {
            let plane = |c: usize| (c * batch + b) * area..(c * batch + b + 1) * area;
            let means: Vec<f64> =
                (0..channels).map(|c| out[plane(c)].iter().sum::<f64>() / area as f64).collect();
            let mut reduced = Self::layer(&self.reduce_weight, &self.reduce_bias, &means);
            for z in &mut reduced {
                *z /= 1.0 + (-*z).exp();
            }
            let gates = Self::layer(&self.expand_weight, &self.expand_bias, &reduced);
            for (c, z) in gates.into_iter().enumerate() {
                for x in &mut out[plane(c)] {
                    *x /= 1.0 + (-z).exp();
                }
            }
        }
        out
    }
}

fn check(channels: usize, squeezed: usize, batch: usize, area: usize) {
    let weights = Weights::new(channels, squeezed);
    let mut x = uniform(channels * batch * area, 1);
    let expected = weights.reference(&x, batch);
    squeeze_excite(&mut x, batch, &weights.borrow());
    let name = format!("{channels} {squeezed} {batch} {area}");
    assert_close(&name, &x, &expected, 2e-6);
}

#[test]
fn blocks_match_double_precision() {
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
fn several_threads_share_planes_and_rows() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    pool.install(|| check(700, 48, 1, 97));
}

#[test]
fn means_are_exact_for_large_offsets() {
    at_every_level(|| {
        // A naive sum in single precision would lose the fractions.
        let x = vec![1000.25; 200_000];
        let mut sums = [0.0];
        plane_sums(&mut sums, &x);
        assert_eq!(sums, [200_050_000.0]);
    });
}

#[test]
fn sums_of_a_depthwise_convolution_give_the_same_gates() {
    let (channels, batch, area) = (6, 2, 15 * 11);
    let weights = Weights::new(channels, 4);
    let dims = DepthwiseDims {
        channels,
        batch,
        height: 15,
        width: 11,
        kernel: 3,
        stride: 1,
        padding: Padding::uniform(1),
    };
    let mut out = vec![0.0; channels * batch * area];
    let mut sums = vec![0.0; channels * batch];
    depthwise(
        &mut out,
        dims,
        &uniform(channels * 9, 1),
        &uniform(channels * batch * area, 2),
        None,
        Activation::Silu,
        Some(&mut sums),
    );
    let expected = weights.reference(&out, batch);
    let mut gate = vec![0.0; channels * batch];
    squeeze_excite_gate(&mut gate, &sums, area, &weights.borrow());
    scale_planes(&mut out, &gate);
    assert_close("out", &out, &expected, 2e-6);
}

#[test]
fn nothing_is_fine() {
    check(3, 2, 1, 0);
    check(3, 2, 0, 0);
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
    squeeze_excite(&mut [0.0; 2], 1, &weights);
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
