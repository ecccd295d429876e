//! The 1 x 1 convolution and its gradients against matrix products in `f64`.

mod reference;

use nfbmr_kernels::simd::{Level, with_level};
use nfbmr_kernels::{
    Activation, Conv1x1Dims, ConvLayer, activation_backward, conv1x1, conv1x1_grad_input,
    conv1x1_grad_weight,
};
use proptest::prelude::*;
use reference::{ACTIVATIONS, activate, dot, normal, relative_error};

/// `W x`, `[co, n]`.
fn product(w: &[f32], x: &[f32], dims: Conv1x1Dims) -> Vec<f64> {
    let mut out = vec![0.0; dims.co * dims.n];
    for o in 0..dims.co {
        let out = &mut out[o * dims.n..][..dims.n];
        for c in 0..dims.ci {
            let w = f64::from(w[o * dims.ci + c]);
            for (out, x) in out.iter_mut().zip(&x[c * dims.n..][..dims.n]) {
                *out += w * f64::from(*x);
            }
        }
    }
    out
}

/// Error of the forward pass relative to the largest output.
fn error(dims: Conv1x1Dims, activation: Activation, extras: bool) -> f64 {
    let Conv1x1Dims { co, ci, n } = dims;
    let (w, x) = (normal(1, co * ci), normal(2, ci * n));
    let (bias, residual) = (normal(3, co), normal(4, co * n));
    let mut expected = product(&w, &x, dims);
    for (i, y) in expected.iter_mut().enumerate() {
        let z = *y + if extras { f64::from(bias[i / n]) } else { 0.0 };
        *y = activate(activation, z) + if extras { f64::from(residual[i]) } else { 0.0 };
    }
    let mut out = vec![f32::NAN; co * n];
    let (bias, residual) = (extras.then_some(&bias[..]), extras.then_some(&residual[..]));
    conv1x1(&mut out, dims, ConvLayer { weight: &w, bias, activation }, &x, residual);
    relative_error(&out, &expected)
}

/// Largest error of the three gradients, each relative to its largest value.
fn gradient_error(dims: Conv1x1Dims) -> f64 {
    let Conv1x1Dims { co, ci, n } = dims;
    let (w, x, dz) = (normal(1, co * ci), normal(2, ci * n), normal(3, co * n));
    let (mut dx, mut dw) = (vec![0.0; ci * n], vec![0.0; co * ci]);
    let mut db = vec![0.0; co];
    for o in 0..co {
        for p in 0..n {
            let dz = f64::from(dz[o * n + p]);
            db[o] += dz;
            for c in 0..ci {
                dx[c * n + p] += dz * f64::from(w[o * ci + c]);
                dw[o * ci + c] += dz * f64::from(x[c * n + p]);
            }
        }
    }
    let mut got = vec![f32::NAN; ci * n];
    conv1x1_grad_input(&mut got, dims, &w, &dz);
    let mut error = relative_error(&got, &dx);
    for accumulate in [false, true] {
        let before = if accumulate { 2.0 } else { 0.0 };
        let start = if accumulate { before as f32 } else { f32::NAN };
        let (mut got, mut got_bias) = (vec![start; co * ci], vec![start; co]);
        conv1x1_grad_weight(&mut got, Some(&mut got_bias), dims, &dz, &x, accumulate);
        let expected: Vec<_> = dw.iter().map(|x| x + before).collect();
        let expected_bias: Vec<_> = db.iter().map(|x| x + before).collect();
        error = error.max(relative_error(&got, &expected));
        error = error.max(relative_error(&got_bias, &expected_bias));
    }
    error
}

fn dims(co: usize, ci: usize, n: usize) -> Conv1x1Dims {
    Conv1x1Dims { co, ci, n }
}

#[test]
fn activations() {
    for activation in ACTIVATIONS {
        for extras in [false, true] {
            let error = error(dims(37, 45, 53), activation, extras);
            assert!(error < 5e-6, "{activation:?}: {error:e}");
        }
    }
}

#[test]
fn instruction_sets_and_threads() {
    for level in Level::available() {
        for threads in [1, 2, 3, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            // Deep, wide and tall, each above the limit for sharing the work.
            for (co, ci, n) in [(33, 1100, 35), (7, 40, 1901), (300, 70, 17), (65, 65, 65)] {
                let dims = dims(co, ci, n);
                let error = pool.install(|| {
                    with_level(level, || error(dims, Activation::Relu, true))
                        .max(with_level(level, || gradient_error(dims)))
                });
                assert!(error < 5e-6, "{level:?}, {threads} threads, {dims:?}: {error:e}");
            }
        }
    }
}

#[test]
fn same_bits_on_any_number_of_threads() {
    let (co, ci, n) = (70, 90, 1100);
    let (w, x, dz) = (normal(1, co * ci), normal(2, ci * n), normal(3, co * n));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (mut y, mut dx) = (vec![0.0; co * n], vec![0.0; ci * n]);
        let (mut dw, mut db) = (vec![0.0; co * ci], vec![0.0; co]);
        pool.install(|| {
            conv1x1(&mut y, dims(co, ci, n), ConvLayer::linear(&w), &x, None);
            conv1x1_grad_input(&mut dx, dims(co, ci, n), &w, &dz);
            conv1x1_grad_weight(&mut dw, Some(&mut db), dims(co, ci, n), &dz, &x, false);
        });
        [y, dx, dw, db]
    };
    let expected = run(1);
    assert!(run(2) == expected && run(8) == expected);
}

#[test]
fn empty_sizes() {
    for (co, ci, n) in [(0, 3, 4), (3, 3, 0), (0, 0, 0)] {
        let (w, x) = (vec![1.0; co * ci], vec![1.0; ci * n]);
        let layer: ConvLayer = ConvLayer { activation: Activation::Relu, ..ConvLayer::linear(&w) };
        conv1x1(&mut vec![0.0; co * n], dims(co, ci, n), layer, &x, None);
        conv1x1_grad_input(&mut vec![0.0; ci * n], dims(co, ci, n), &w, &vec![1.0; co * n]);
    }
    // No input channels leave the bias.
    let mut out = [0.0; 4];
    let (bias, activation) = (Some(&[1.0, -1.0][..]), Activation::Relu);
    let layer: ConvLayer = ConvLayer { weight: &[], bias, activation };
    conv1x1(&mut out, dims(2, 0, 2), layer, &[], None);
    assert_eq!(out, [1.0, 1.0, 0.0, 0.0]);
    // No positions leave zero gradients.
    let mut dw = [1.0; 6];
    conv1x1_grad_weight(&mut dw, None, dims(2, 3, 0), &[], &[], false);
    assert_eq!(dw, [0.0; 6]);
}

#[test]
#[should_panic(expected = "weight must be [co, ci]")]
fn rejects_wrong_lengths() {
    conv1x1(&mut [0.0; 4], dims(2, 2, 2), ConvLayer::linear(&[0.0; 3]), &[0.0; 4], None);
}

/// The whole backward pass against differences of a loss `sum(y v)`.
#[test]
fn finite_differences() {
    let (co, ci, n) = (5, 6, 7);
    let dims = dims(co, ci, n);
    let activation = Activation::LeakyRelu(0.3);
    let (w, x) = (normal(1, co * ci), normal(2, ci * n));
    let (bias, v) = (normal(3, co), normal(4, co * n));
    let forward = |w: &[f32], x: &[f32], bias: &[f32]| {
        let mut y = vec![0.0; co * n];
        let layer = ConvLayer { weight: w, bias: Some(bias), activation };
        conv1x1(&mut y, dims, layer, x, None);
        y
    };
    let mut dz = v.clone();
    activation_backward(&mut dz, &forward(&w, &x, &bias), activation);
    let (mut dx, mut dw, mut db) = (vec![0.0; ci * n], vec![0.0; co * ci], vec![0.0; co]);
    conv1x1_grad_input(&mut dx, dims, &w, &dz);
    conv1x1_grad_weight(&mut dw, Some(&mut db), dims, &dz, &x, false);

    let step = 1e-3;
    let check = |name: &str, values: &[f32], gradient: &[f32], loss: &dyn Fn(&[f32]) -> f64| {
        for i in 0..values.len() {
            let mut moved = values.to_vec();
            moved[i] = values[i] + step;
            let high = loss(&moved);
            moved[i] = values[i] - step;
            let difference = (high - loss(&moved)) / (2.0 * f64::from(step));
            let gradient = f64::from(gradient[i]);
            assert!((difference - gradient).abs() < 1e-2, "{name}: {difference} {gradient}");
        }
    };
    check("dx", &x, &dx, &|x| dot(&forward(&w, x, &bias), &v));
    check("dw", &w, &dw, &|w| dot(&forward(w, &x, &bias), &v));
    check("db", &bias, &db, &|bias| dot(&forward(&w, &x, bias), &v));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_size(co in 1_usize..40, ci in 1_usize..40, n in 1_usize..80, extras: bool) {
        let forward = error(dims(co, ci, n), Activation::LeakyRelu(0.1), extras);
        prop_assert!(forward < 2e-6, "{forward:e}");
        let backward = gradient_error(dims(co, ci, n));
        prop_assert!(backward < 2e-6, "{backward:e}");
    }
}
