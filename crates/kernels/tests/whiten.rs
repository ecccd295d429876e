//! Whitening by position.

mod common;

use common::{assert_close, at_every_level, uniform};
use nfbmr_kernels::whiten;

/// Channels and positions.
const SHAPES: [(usize, usize); 7] =
    [(3, 0), (1, 1), (7, 3), (40, 5), (33, 17), (112, 30), (64, 400)];

fn upper_triangular(channels: usize, positions: usize) -> Vec<f32> {
    let mut matrices = uniform(positions * channels * channels, 3);
    for (index, value) in matrices.iter_mut().enumerate() {
        if index / channels % channels > index % channels {
            *value = 0.0;
        }
    }
    matrices
}

#[test]
fn whitening_matches_double_precision() {
    at_every_level(|| {
        for (channels, positions) in SHAPES {
            let (y, mean) = (uniform(channels * positions, 1), uniform(channels * positions, 2));
            let matrices = upper_triangular(channels, positions);
            let white = |channel: usize, position: usize| -> f64 {
                let matrix = &matrices[position * channels * channels..];
                let term = |i: usize| {
                    let value = f64::from(y[i * positions + position]);
                    let difference = value - f64::from(mean[position * channels + i]);
                    difference * f64::from(matrix[i * channels + channel])
                };
                (0..=channel).map(term).sum()
            };
            let row = |channel| (0..positions).map(move |position| (channel, position));
            let expected: Vec<f64> = (0..channels)
                .flat_map(row)
                .map(|(channel, position)| white(channel, position))
                .collect();
            let mut out = vec![f32::NAN; y.len()];
            whiten(&mut out, &y, &mean, &matrices, channels);
            assert_close("whitened", &out, &expected, 1e-5);
        }
    });
}

#[test]
fn whitening_does_not_depend_on_the_threads() {
    let (channels, positions) = (61, 157);
    let (y, mean) = (uniform(channels * positions, 1), uniform(channels * positions, 2));
    let matrices = upper_triangular(channels, positions);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut out = vec![0.0; y.len()];
        pool.install(|| whiten(&mut out, &y, &mean, &matrices, channels));
        out
    };
    assert_eq!(run(1), run(3));
}

#[test]
#[should_panic(expected = "a matrix for each position")]
fn every_position_needs_a_matrix() {
    whiten(&mut [0.0; 4], &[0.0; 4], &[0.0; 4], &[0.0; 4], 2);
}
