//! Depthwise convolution against a direct sum in double precision.

mod common;

use common::{assert_close, at_every_level, uniform};
use nfbmr_kernels::{Activation, ConvLayer, DepthwiseDims, Margins, depthwise};
use proptest::prelude::*;

/// Output and plane sums, before rounding.
fn reference(
    dims: DepthwiseDims,
    weight: &[f32],
    x: &[f32],
    bias: Option<&[f32]>,
    activation: Activation,
) -> (Vec<f64>, Vec<f64>) {
    let DepthwiseDims { channels, batch, height, width, kernel, stride, padding } = dims;
    let (out_height, out_width) = dims.output_size();
    let (mut out, mut sums) = (Vec::new(), Vec::new());
    for plane in 0..channels * batch {
        let c = plane / batch;
        let start = out.len();
        for i in 0..out_height {
            for j in 0..out_width {
                let mut sum = bias.map_or(0.0, |bias| f64::from(bias[c]));
                for k in 0..kernel {
                    for l in 0..kernel {
                        let (Some(row), Some(column)) = (
                            (i * stride + k).checked_sub(padding.top),
                            (j * stride + l).checked_sub(padding.left),
                        ) else {
                            continue;
                        };
                        if row < height && column < width {
                            let w = weight[(c * kernel + k) * kernel + l];
                            sum += f64::from(w)
                                * f64::from(x[(plane * height + row) * width + column]);
                        }
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
        sums.push(out[start..].iter().sum());
    }
    (out, sums)
}

fn check(dims: DepthwiseDims, activation: Activation) {
    let DepthwiseDims { channels, batch, height, width, kernel, .. } = dims;
    let x = uniform(channels * batch * height * width, 1);
    let weight = uniform(channels * kernel * kernel, 2);
    let bias = uniform(channels, 3);
    let (out_height, out_width) = dims.output_size();
    for bias in [None, Some(&bias[..])] {
        let (expected, expected_sums) = reference(dims, &weight, &x, bias, activation);
        let mut out = vec![f32::NAN; channels * batch * out_height * out_width];
        let mut sums = vec![f32::NAN; channels * batch];
        let layer: ConvLayer = ConvLayer { weight: &weight, bias, activation };
        depthwise(&mut out, dims, layer, &x, Some(&mut sums));
        assert_close(&format!("{dims:?} {activation:?}"), &out, &expected, 4e-6);
        assert_close(&format!("sums of {dims:?}"), &sums, &expected_sums, 4e-5);
        let mut again = vec![f32::NAN; out.len()];
        depthwise(&mut again, dims, layer, &x, None);
        assert_eq!(out, again);
    }
}

#[test]
fn kernels_strides_paddings_and_sizes() {
    at_every_level(|| {
        for (height, width) in [(1, 1), (1, 7), (5, 3), (7, 13), (12, 24), (17, 41)] {
            for kernel in [1, 3, 5, 7] {
                for stride in [1, 2, 3] {
                    let paddings = [
                        Margins::uniform(kernel / 2),
                        Margins::same(height, width, kernel, stride),
                        Margins { top: kernel, left: kernel - 1, bottom: 0, right: 2 },
                    ];
                    for padding in paddings {
                        let dims = DepthwiseDims {
                            channels: 2,
                            batch: 2,
                            height,
                            width,
                            kernel,
                            stride,
                            padding,
                        };
                        check(dims, Activation::Identity);
                    }
                }
            }
        }
    });
}

#[test]
fn activations_are_fused() {
    at_every_level(|| {
        for activation in
            [Activation::Relu, Activation::Relu6, Activation::LeakyRelu(0.1), Activation::Silu]
        {
            for (kernel, stride) in [(3, 1), (5, 2), (7, 1)] {
                let padding = Margins::uniform(kernel / 2);
                let dims = DepthwiseDims {
                    channels: 3,
                    batch: 1,
                    height: 9,
                    width: 21,
                    kernel,
                    stride,
                    padding,
                };
                check(dims, activation);
            }
        }
    });
}

#[test]
fn large_planes_are_worked_on_in_bands_and_by_several_threads() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    for (kernel, stride) in [(3, 1), (3, 2), (5, 1), (5, 2)] {
        let dims = DepthwiseDims {
            channels: 5,
            batch: 1,
            height: 101,
            width: 93,
            kernel,
            stride,
            padding: Margins::same(101, 93, kernel, stride),
        };
        pool.install(|| check(dims, Activation::Relu6));
    }
}

#[test]
fn infinities_stay_within_reach_of_the_kernel() {
    at_every_level(|| {
        let dims = DepthwiseDims {
            channels: 1,
            batch: 1,
            height: 9,
            width: 9,
            kernel: 3,
            stride: 1,
            padding: Margins::uniform(1),
        };
        let mut x = [0.0; 81];
        x[0] = f32::INFINITY;
        let mut out = [0.0; 81];
        depthwise(&mut out, dims, ConvLayer::linear(&[1.0; 9]), &x, None);
        assert_eq!(out.iter().filter(|y| !y.is_finite()).count(), 4);
    });
}

#[test]
#[should_panic(expected = "must hold the 3 x 3 kernel")]
fn planes_must_hold_the_kernel() {
    let dims = DepthwiseDims {
        channels: 1,
        batch: 1,
        height: 2,
        width: 2,
        kernel: 3,
        stride: 1,
        padding: Margins::default(),
    };
    depthwise(&mut [], dims, ConvLayer::linear(&[0.0; 9]), &[0.0; 4], None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_shape(
        channels in 1..4usize,
        batch in 1..3usize,
        height in 1..20usize,
        width in 1..40usize,
        kernel in prop::sample::select(vec![3usize, 5]),
        stride in 1..3usize,
        edges in prop::array::uniform4(0..4usize),
    ) {
        let [top, left, bottom, right] = edges;
        prop_assume!(height + top + bottom >= kernel && width + left + right >= kernel);
        let padding = Margins { top, left, bottom, right };
        check(
            DepthwiseDims { channels, batch, height, width, kernel, stride, padding },
            Activation::Silu,
        );
    }
}
