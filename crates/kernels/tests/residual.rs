//! Residual maps, energies, the mean squared error and the sum of squares.

mod common;

use common::{assert_close, at_every_level, uniform};
use nfbmr_kernels::{energy, mean_squared_error, squared_residual, sum_of_squares};

const SHAPES: [(usize, usize); 6] = [(0, 3), (1, 1), (3, 7), (5, 64), (24, 131), (20, 4100)];

#[test]
fn residual_maps_and_energies_match_double_precision() {
    at_every_level(|| {
        for (channels, columns) in SHAPES {
            let (x, y) = (uniform(channels * columns, 1), uniform(channels * columns, 2));
            let by_column = |f: &dyn Fn(usize) -> f64| -> Vec<f64> {
                (0..columns).map(|n| (0..channels).map(|c| f(c * columns + n)).sum()).collect()
            };
            let mut out = vec![f32::NAN; columns];
            squared_residual(&mut out, &x, &y);
            let expected = by_column(&|i| (f64::from(x[i]) - f64::from(y[i])).powi(2));
            assert_close("residual", &out, &expected, 1e-6);
            energy(&mut out, &x);
            let expected = by_column(&|i| 0.5 * f64::from(x[i]).powi(2));
            assert_close("energy", &out, &expected, 1e-6);
        }
    });
}

#[test]
fn mean_squared_error_and_its_gradient() {
    at_every_level(|| {
        for len in [1, 7, 8, 100, 5000, 70_001] {
            let (x, y) = (uniform(len, 1), uniform(len, 2));
            let difference = |i: usize| f64::from(x[i]) - f64::from(y[i]);
            let mut gradient = vec![f32::NAN; len];
            let loss = mean_squared_error(&mut gradient, &x, &y, 3.0);
            let expected = (0..len).map(|i| difference(i).powi(2)).sum::<f64>() / len as f64;
            assert!((loss - expected).abs() < 1e-6 * expected, "{loss} {expected}");
            // Scaled to the order of 1, where the tolerance is relative.
            let scaled: Vec<f32> = gradient.iter().map(|g| g * len as f32).collect();
            let expected: Vec<f64> = (0..len).map(|i| 6.0 * difference(i)).collect();
            assert_close("gradient", &scaled, &expected, 1e-6);
        }
        assert_eq!(mean_squared_error(&mut [], &[], &[], 1.0), 0.0);
    });
}

#[test]
fn sums_of_squares_keep_their_precision() {
    at_every_level(|| {
        for len in [0, 1, 9, 1025, 300_007] {
            let x = uniform(len, 1);
            let expected: f64 = x.iter().map(|&x| f64::from(x).powi(2)).sum();
            assert!((sum_of_squares(&x) - expected).abs() <= 4e-7 * expected);
        }
    });
}

#[test]
fn residual_maps_do_not_depend_on_the_threads() {
    let (channels, columns) = (37, 2111);
    let (x, y) = (uniform(channels * columns, 1), uniform(channels * columns, 2));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut out = vec![0.0; columns];
        pool.install(|| squared_residual(&mut out, &x, &y));
        out
    };
    assert_eq!(run(1), run(3));
}

#[test]
#[should_panic(expected = "whole rows of 2 columns")]
fn rows_must_be_whole() {
    energy(&mut [0.0; 2], &[0.0; 3]);
}
