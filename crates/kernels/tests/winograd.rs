//! The 3 x 3 convolution against a direct one in `f64`.

mod reference;

use nfbmr_kernels::simd::{Level, with_level};
use nfbmr_kernels::{
    Activation, Conv3x3Dims, ConvLayer, Precision, WinogradWeights, activation_backward, conv3x3,
    conv3x3_grad_input, conv3x3_grad_weight,
};
use proptest::prelude::*;
use reference::{ACTIVATIONS, activate, dot, normal, relative_error};

/// Direct convolution, `[co, batch, height, width]`.
fn direct(w: &[f32], x: &[f32], dims: Conv3x3Dims) -> Vec<f64> {
    let Conv3x3Dims { co, ci, batch, height, width } = dims;
    let image = height * width;
    // One padded channel at a time keeps the innermost loop free of conditions.
    let padded_width = width + 2;
    let mut out = vec![0.0; co * batch * image];
    for c in 0..ci {
        for b in 0..batch {
            let mut padded = vec![0.0_f64; (height + 2) * padded_width];
            for row in 0..height {
                let x = &x[(c * batch + b) * image + row * width..][..width];
                for (padded, x) in padded[(row + 1) * padded_width + 1..].iter_mut().zip(x) {
                    *padded = f64::from(*x);
                }
            }
            for o in 0..co {
                let w = &w[(o * ci + c) * 9..][..9];
                for row in 0..height {
                    let out = &mut out[(o * batch + b) * image + row * width..][..width];
                    for (tap, w) in w.iter().enumerate() {
                        let start = (row + tap / 3) * padded_width + tap % 3;
                        for (out, x) in out.iter_mut().zip(&padded[start..]) {
                            *out += f64::from(*w) * x;
                        }
                    }
                }
            }
        }
    }
    out
}

/// Runs everything on one convolution and gives the error relative to the largest output.
fn error(dims: Conv3x3Dims, activation: Activation, extras: bool, precision: Precision) -> f64 {
    let Conv3x3Dims { co, ci, batch, height, width } = dims;
    let n = batch * height * width;
    let w = normal(1, co * ci * 9);
    let x = normal(2, ci * n);
    let bias = normal(3, co);
    let residual = normal(4, co * n);
    let mut expected = direct(&w, &x, dims);
    for (i, y) in expected.iter_mut().enumerate() {
        let z = *y + if extras { f64::from(bias[i / n]) } else { 0.0 };
        *y = activate(activation, z) + if extras { f64::from(residual[i]) } else { 0.0 };
    }
    let weights = WinogradWeights::new(&w, co, ci).to_precision(precision);
    let mut out = vec![f32::NAN; co * n];
    let (bias, residual) = (extras.then_some(&bias[..]), extras.then_some(&residual[..]));
    conv3x3(&mut out, dims, ConvLayer { weight: &weights, bias, activation }, &x, residual);
    relative_error(&out, &expected)
}

/// Largest error of the three gradients, each relative to its largest value.
fn gradient_error(dims: Conv3x3Dims) -> f64 {
    let Conv3x3Dims { co, ci, batch, height, width } = dims;
    let image = height * width;
    let n = batch * image;
    let (w, x, dz) = (normal(1, co * ci * 9), normal(2, ci * n), normal(3, co * n));
    let (mut dx, mut dw) = (vec![0.0; ci * n], vec![0.0; co * ci * 9]);
    for (o, c) in (0..co).flat_map(|o| (0..ci).map(move |c| (o, c))) {
        for p in 0..n {
            let dz = f64::from(dz[o * n + p]);
            for tap in 0..9 {
                let (row, column) = (p / width % height + tap / 3, p % width + tap % 3);
                if (1..=height).contains(&row) && (1..=width).contains(&column) {
                    let from = c * n + p / image * image + (row - 1) * width + column - 1;
                    let filter = (o * ci + c) * 9 + tap;
                    dx[from] += dz * f64::from(w[filter]);
                    dw[filter] += dz * f64::from(x[from]);
                }
            }
        }
    }
    let db: Vec<f64> =
        dz.chunks_exact(n).map(|dz| dz.iter().map(|dz| f64::from(*dz)).sum()).collect();

    let mut got = vec![f32::NAN; ci * n];
    let transposed = WinogradWeights::transposed_from(&w, co, ci);
    conv3x3_grad_input(&mut got, dims, &transposed, &dz);
    let mut error = relative_error(&got, &dx);
    for accumulate in [false, true] {
        let before = if accumulate { 2.0 } else { 0.0 };
        let start = if accumulate { before as f32 } else { f32::NAN };
        let (mut got, mut got_bias) = (vec![start; co * ci * 9], vec![start; co]);
        conv3x3_grad_weight(&mut got, Some(&mut got_bias), dims, &dz, &x, accumulate);
        let expected: Vec<_> = dw.iter().map(|x| x + before).collect();
        let expected_bias: Vec<_> = db.iter().map(|x| x + before).collect();
        error = error.max(relative_error(&got, &expected));
        error = error.max(relative_error(&got_bias, &expected_bias));
    }
    error
}

fn dims([co, ci, batch, height, width]: [usize; 5]) -> Conv3x3Dims {
    Conv3x3Dims { co, ci, batch, height, width }
}

#[test]
fn odd_sizes() {
    for [height, width] in [[1, 1], [1, 7], [5, 3], [4, 4], [8, 5], [10, 9], [2, 33]] {
        for [co, ci, batch] in [[1, 1, 1], [3, 2, 2], [17, 16, 1], [32, 33, 3], [40, 5, 1]] {
            let dims = dims([co, ci, batch, height, width]);
            let error = error(dims, Activation::Identity, true, Precision::F32);
            assert!(error < 5e-6, "{dims:?}: {error:e}");
        }
    }
}

#[test]
fn activations() {
    for activation in ACTIVATIONS {
        for extras in [false, true] {
            let error = error(dims([20, 24, 2, 9, 10]), activation, extras, Precision::F32);
            assert!(error < 2e-5, "{activation:?}: {error:e}");
        }
    }
}

#[test]
fn instruction_sets_and_threads() {
    for level in Level::available() {
        for threads in [1, 2, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            // Few enough channels for each thread to read all filters, and too many.
            for channels in [[20, 24], [97, 80]] {
                let dims = dims([channels[0], channels[1], 2, 5, 6]);
                let error = pool.install(|| {
                    with_level(level, || error(dims, Activation::Relu, true, Precision::F32))
                        .max(with_level(level, || gradient_error(dims)))
                });
                assert!(error < 1e-5, "{level:?}, {threads} threads, {dims:?}: {error:e}");
            }
        }
    }
}

#[test]
fn same_bits_on_any_number_of_threads() {
    let dims = dims([48, 40, 2, 12, 11]);
    let (co, ci, n) = (48, 40, 264);
    let (w, x, dz) = (normal(1, co * ci * 9), normal(2, ci * n), normal(3, co * n));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (mut y, mut dw, mut db) = (vec![0.0; co * n], vec![0.0; w.len()], vec![0.0; co]);
        pool.install(|| {
            let weights = WinogradWeights::new(&w, co, ci);
            conv3x3(&mut y, dims, ConvLayer::linear(&weights), &x, None);
            conv3x3_grad_weight(&mut dw, Some(&mut db), dims, &dz, &x, false);
        });
        [y, dw, db]
    };
    let expected = run(1);
    assert!(run(2) == expected && run(8) == expected);
}

#[test]
fn gradients() {
    for [height, width] in [[1, 1], [1, 7], [5, 3], [8, 4], [10, 9]] {
        for [co, ci, batch] in [[1, 1, 1], [3, 2, 2], [17, 16, 1], [16, 33, 3]] {
            let dims = dims([co, ci, batch, height, width]);
            let error = gradient_error(dims);
            assert!(error < 1e-5, "{dims:?}: {error:e}");
        }
    }
}

/// `<conv(x), dz> = <x, conv^T(dz)> = <w, grad_weight>` at a size of training.
#[test]
fn gradients_are_adjoint() {
    let dims = dims([128, 96, 1, 16, 16]);
    let (co, ci, n) = (dims.co, dims.ci, 256);
    let (w, x, dz) = (normal(1, co * ci * 9), normal(2, ci * n), normal(3, co * n));
    let (mut y, mut dx, mut dw) = (vec![0.0; co * n], vec![0.0; ci * n], vec![0.0; w.len()]);
    let weights = WinogradWeights::new(&w, co, ci);
    conv3x3(&mut y, dims, ConvLayer::linear(&weights), &x, None);
    conv3x3_grad_input(&mut dx, dims, &WinogradWeights::transposed_from(&w, co, ci), &dz);
    conv3x3_grad_weight(&mut dw, None, dims, &dz, &x, false);
    let forward = dot(&y, &dz);
    let scale = (dot(&y, &y) * dot(&dz, &dz)).sqrt();
    for backward in [dot(&dx, &x), dot(&dw, &w)] {
        assert!((forward - backward).abs() < 1e-6 * scale, "{forward} {backward} {scale}");
    }
}

/// The whole backward pass against differences of a loss `sum(y v)`.
#[test]
fn finite_differences() {
    let dims = dims([3, 2, 1, 5, 6]);
    let (co, ci, n) = (3, 2, 30);
    let activation = Activation::LeakyRelu(0.3);
    let (w, x) = (normal(1, co * ci * 9), normal(2, ci * n));
    let (bias, v) = (normal(3, co), normal(4, co * n));
    let forward = |w: &[f32], x: &[f32], bias: &[f32]| {
        let mut y = vec![0.0; co * n];
        let weights = WinogradWeights::new(w, co, ci);
        let layer = ConvLayer { weight: &weights, bias: Some(bias), activation };
        conv3x3(&mut y, dims, layer, x, None);
        y
    };
    let mut dz = v.clone();
    activation_backward(&mut dz, &forward(&w, &x, &bias), activation);
    let (mut dx, mut dw, mut db) = (vec![0.0; ci * n], vec![0.0; w.len()], vec![0.0; co]);
    conv3x3_grad_input(&mut dx, dims, &WinogradWeights::transposed_from(&w, co, ci), &dz);
    conv3x3_grad_weight(&mut dw, Some(&mut db), dims, &dz, &x, false);

    let step = 1e-3;
    let check = |name: &str, values: &[f32], gradient: &[f32], loss: &dyn Fn(&[f32]) -> f64| {
        for i in 0..values.len() {
            let mut moved = values.to_vec();
            moved[i] = values[i] + step;
            let high = loss(&moved);
            moved[i] = values[i] - step;
            let difference = (high - loss(&moved)) / (2.0 * f64::from(step));
            let gradient = f64::from(gradient[i]);
            assert!((difference - gradient).abs() < 2e-2, "{name}: {difference} {gradient}");
        }
    };
    check("dx", &x, &dx, &|x| dot(&forward(&w, x, &bias), &v));
    check("dw", &w, &dw, &|w| dot(&forward(w, &x, &bias), &v));
    check("db", &bias, &db, &|bias| dot(&forward(&w, &x, bias), &v));
}

#[test]
fn several_blocks() {
    // There are 90 tiles, and products of at most 85 fit a block.
    let error = error(dims([1, 512, 1, 24, 60]), Activation::Relu, true, Precision::F32);
    assert!(error < 1e-5, "{error:e}");
}

#[test]
fn error_at_1024_channels() {
    let dims = dims([16, 1024, 1, 16, 16]);
    let single = error(dims, Activation::Identity, false, Precision::F32);
    println!("f32: {single:e}");
    assert!(single < 1e-5, "{single:e}");
    let half = error(dims, Activation::Identity, false, Precision::F16);
    println!("f16: {half:e}");
    assert!(half < 2e-3, "{half:e}");
}

#[test]
fn half_precision_keeps_small_filters() {
    let (co, ci) = (16, 8);
    let n = 64;
    let dims = dims([co, ci, 1, 8, 8]);
    let x = normal(2, ci * n);
    for scale in [1e-9, 1.0, 1e9] {
        let w: Vec<f32> = normal(1, co * ci * 9).iter().map(|w| w * scale).collect();
        let weights = WinogradWeights::new(&w, co, ci).to_precision(Precision::F16);
        let mut out = vec![0.0; co * n];
        conv3x3(&mut out, dims, ConvLayer::linear(&weights), &x, None);
        let error = relative_error(&out, &direct(&w, &x, dims));
        assert!(error < 4e-3, "{scale:e}: {error:e}");
    }
}

#[test]
fn nothing_in_nothing_out() {
    for [co, ci, batch, height] in [[0, 3, 1, 4], [3, 3, 0, 4], [3, 3, 1, 0]] {
        let dims = dims([co, ci, batch, height, 5]);
        let weights = WinogradWeights::new(&vec![1.0; co * ci * 9], co, ci);
        let x = vec![1.0; ci * batch * height * 5];
        let mut out = vec![0.0; co * batch * height * 5];
        conv3x3(&mut out, dims, ConvLayer::linear(&weights), &x, None);
    }
    // No input channels leave the bias.
    let dims = dims([2, 0, 1, 3, 3]);
    let weights = WinogradWeights::new(&[], 2, 0);
    let mut out = vec![0.0; 18];
    let layer = ConvLayer { bias: Some(&[1.0, -2.0]), ..ConvLayer::linear(&weights) };
    conv3x3(&mut out, dims, layer, &[], None);
    assert!(out[..9].iter().all(|x| *x == 1.0) && out[9..].iter().all(|x| *x == -2.0));
}

#[test]
#[should_panic(expected = "input must be [ci, batch, height, width]")]
fn rejects_wrong_lengths() {
    let weights = WinogradWeights::new(&[0.0; 9], 1, 1);
    let dims = dims([1, 1, 1, 2, 2]);
    conv3x3(&mut [0.0; 4], dims, ConvLayer::linear(&weights), &[0.0; 3], None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_size(co in 1_usize..36, ci in 1_usize..20, batch in 1_usize..4,
                height in 1_usize..11, width in 1_usize..11, extras: bool) {
        let dims = dims([co, ci, batch, height, width]);
        let error = error(dims, Activation::LeakyRelu(0.1), extras, Precision::F32);
        prop_assert!(error < 5e-6, "{error:e}");
        let error = gradient_error(dims);
        prop_assert!(error < 1e-5, "{error:e}");
    }
}
