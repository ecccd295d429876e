//! Residual maps.

mod common;

use common::{assert_close, at_every_level, uniform};
use nfbmr_kernels::squared_residual;

const SHAPES: [(usize, usize); 6] = [(0, 3), (1, 1), (3, 7), (5, 64), (24, 131), (20, 4100)];

#[test]
fn residual_maps_match_double_precision() {
    at_every_level(|| {
        for (channels, columns) in SHAPES {
            let (x, y) = (uniform(channels * columns, 1), uniform(channels * columns, 2));
            let square = |i: usize| (f64::from(x[i]) - f64::from(y[i])).powi(2);
            let sum = |n: usize| (0..channels).map(|c| square(c * columns + n)).sum();
            let expected: Vec<f64> = (0..columns).map(sum).collect();
            let mut out = vec![f32::NAN; columns];
            squared_residual(&mut out, &x, &y);
            assert_close("residual", &out, &expected, 1e-6);
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
    squared_residual(&mut [0.0; 2], &[0.0; 3], &[0.0; 3]);
}
