//! The stem convolution against a direct sum in double precision.

mod common;

use common::{assert_close, at_every_level, uniform};
use nfbmr_kernels::{Activation, ConvLayer, Margins, StemDims, stem};
use proptest::prelude::*;

fn reference(
    dims: StemDims,
    weight: &[f32],
    x: &[f32],
    bias: Option<&[f32]>,
    activation: Activation,
) -> Vec<f64> {
    let StemDims { out_channels, batch, height, width, padding } = dims;
    let (out_height, out_width) = dims.output_size();
    let mut out = Vec::new();
    for o in 0..out_channels {
        for b in 0..batch {
            for i in 0..out_height {
                for j in 0..out_width {
                    let mut sum = bias.map_or(0.0, |bias| f64::from(bias[o]));
                    for tap in 0..27 {
                        let (c, k, l) = (tap / 9, tap / 3 % 3, tap % 3);
                        let row = (2 * i + k).wrapping_sub(padding.top);
                        let column = (2 * j + l).wrapping_sub(padding.left);
                        if row < height && column < width {
                            let x = x[((c * batch + b) * height + row) * width + column];
                            sum += f64::from(weight[o * 27 + tap]) * f64::from(x);
                        }
                    }
                    out.push(match activation {
                        Activation::Identity => sum,
                        Activation::Relu => sum.max(0.0),
                        Activation::Relu6 => sum.clamp(0.0, 6.0),
                        Activation::LeakyRelu(slope) => sum.max(f64::from(slope) * sum),
                        Activation::Silu => sum / (1.0 + (-sum).exp()),
                    });
                }
            }
        }
    }
    out
}

fn check(dims: StemDims, activation: Activation) {
    let StemDims { out_channels, batch, height, width, .. } = dims;
    let x = uniform(3 * batch * height * width, 1);
    let weight = uniform(out_channels * 27, 2);
    let bias = uniform(out_channels, 3);
    let (out_height, out_width) = dims.output_size();
    for bias in [None, Some(&bias[..])] {
        let expected = reference(dims, &weight, &x, bias, activation);
        let mut out = vec![f32::NAN; out_channels * batch * out_height * out_width];
        stem(&mut out, dims, ConvLayer { weight: &weight, bias, activation }, &x);
        assert_close(&format!("{dims:?} {activation:?}"), &out, &expected, 4e-6);
    }
}

#[test]
fn sizes_paddings_and_activations() {
    at_every_level(|| {
        for (height, width) in [(1, 1), (1, 7), (5, 3), (12, 34), (9, 131)] {
            for padding in [
                Margins::uniform(1),
                Margins::same(height, width, 3, 2),
                Margins { top: 3, left: 4, bottom: 2, right: 1 },
            ] {
                for (out_channels, batch) in [(1, 1), (6, 2)] {
                    let dims = StemDims { out_channels, batch, height, width, padding };
                    check(dims, Activation::Silu);
                }
            }
        }
        let dims = StemDims {
            out_channels: 4,
            batch: 1,
            height: 8,
            width: 20,
            padding: Margins::uniform(1),
        };
        for activation in
            [Activation::Identity, Activation::Relu, Activation::Relu6, Activation::LeakyRelu(0.1)]
        {
            check(dims, activation);
        }
    });
}

#[test]
fn several_threads_share_rows() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let dims = StemDims {
        out_channels: 32,
        batch: 2,
        height: 67,
        width: 45,
        padding: Margins::same(67, 45, 3, 2),
    };
    pool.install(|| check(dims, Activation::Relu6));
}

#[test]
#[should_panic(expected = "weight must be [out channels, 3, 3, 3]")]
fn lengths_must_agree() {
    let dims =
        StemDims { out_channels: 1, batch: 1, height: 4, width: 4, padding: Margins::uniform(1) };
    stem(&mut [0.0; 4], dims, ConvLayer::linear(&[0.0; 9]), &[0.0; 48]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_shape(
        out_channels in 1..10usize,
        batch in 1..3usize,
        height in 1..14usize,
        width in 1..60usize,
        edges in prop::array::uniform4(0..4usize),
    ) {
        let [top, left, bottom, right] = edges;
        prop_assume!(height + top + bottom >= 3 && width + left + right >= 3);
        let padding = Margins { top, left, bottom, right };
        check(StemDims { out_channels, batch, height, width, padding }, Activation::Relu);
    }
}
