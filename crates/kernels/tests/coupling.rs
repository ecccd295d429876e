//! The affine coupling against double precision, and its gradients against finite differences.

mod common;

use common::{assert_close, at_every_level, doubles, uniform};
use nfbmr_kernels::{Coupling, CouplingTrace};
use proptest::prelude::*;

/// `z` and `log_det` in double precision.
fn reference(coupling: Coupling, gamma: f64, raw: &[f64], x: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let Coupling { channels, columns, clamp, .. } = coupling;
    let clamp = f64::from(clamp);
    let mut z = vec![0.0; channels * columns];
    let mut log_det = vec![0.0; columns];
    for c in 0..channels {
        for (n, log_det) in log_det.iter_mut().enumerate() {
            let i = c * columns + n;
            let s = 0.636 * clamp * (gamma * raw[i] / clamp).atan();
            z[i] = s.exp() * x[i] + gamma * raw[channels * columns + i];
            *log_det += s;
        }
    }
    (z, log_det)
}

struct Case {
    coupling: Coupling,
    raw: Vec<f32>,
    x: Vec<f32>,
}

impl Case {
    fn new(channels: usize, columns: usize) -> Self {
        let coupling = Coupling { channels, columns, gamma: 0.8, clamp: 1.9 };
        let raw = uniform(2 * channels * columns, 1).into_iter().map(|x| 4.0 * x).collect();
        Self { coupling, raw, x: uniform(channels * columns, 2) }
    }

    fn reference(&self) -> (Vec<f64>, Vec<f64>) {
        let gamma = f64::from(self.coupling.gamma);
        reference(self.coupling, gamma, &doubles(&self.raw), &doubles(&self.x))
    }

    fn check_forward_and_inverse(&self) {
        let Coupling { channels, columns, .. } = self.coupling;
        let (expected_z, expected_log_det) = self.reference();
        let mut z = vec![f32::NAN; channels * columns];
        let mut log_det = vec![2.0; columns];
        self.coupling.forward(&mut z, &mut log_det, None, &self.raw, &self.x);
        assert_close("z", &z, &expected_z, 1e-6);
        let expected: Vec<f64> = expected_log_det.iter().map(|s| s + 2.0).collect();
        assert_close("log_det", &log_det, &expected, 4e-6);

        let mut again = vec![f32::NAN; channels * columns];
        let mut scale = vec![f32::NAN; channels * columns];
        self.coupling.forward(
            &mut again,
            &mut vec![0.0; columns],
            Some(&mut scale),
            &self.raw,
            &self.x,
        );
        assert_eq!(z, again);
        let clamp = f64::from(self.coupling.clamp);
        let gamma = f64::from(self.coupling.gamma);
        let expected: Vec<f64> = self.raw[..channels * columns]
            .iter()
            .map(|&raw| (0.636 * clamp * (gamma * f64::from(raw) / clamp).atan()).exp())
            .collect();
        assert_close("scale", &scale, &expected, 1e-6);

        let mut x = vec![f32::NAN; channels * columns];
        self.coupling.inverse(&mut x, &self.raw, &z);
        assert_close("x", &x, &doubles(&self.x), 4e-6);
    }

    /// A loss that is linear in `z` and `log_det`, so that its gradients are given.
    fn loss(&self, gamma: f64, raw: &[f64], x: &[f64], dz: &[f32], dlog_det: &[f32]) -> f64 {
        let (z, log_det) = reference(self.coupling, gamma, raw, x);
        let dot =
            |a: &[f64], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, &b)| a * f64::from(b)).sum() };
        dot(&z, dz) + dot(&log_det, dlog_det)
    }

    fn check_backward(&self) {
        let Coupling { channels, columns, gamma, .. } = self.coupling;
        let len = channels * columns;
        let (dz, dlog_det) = (uniform(len, 3), uniform(columns, 4));
        let mut scale = vec![0.0; len];
        self.coupling.forward(
            &mut vec![0.0; len],
            &mut vec![0.0; columns],
            Some(&mut scale),
            &self.raw,
            &self.x,
        );
        let (mut draw, mut dx) = (vec![f32::NAN; 2 * len], vec![f32::NAN; len]);
        let trace = CouplingTrace { raw: &self.raw, x: &self.x, scale: &scale };
        let dgamma = self.coupling.backward(&mut draw, &mut dx, &dz, &dlog_det, trace);

        const H: f64 = 1e-5;
        let (raw, x, gamma) = (doubles(&self.raw), doubles(&self.x), f64::from(gamma));
        let difference = |low: f64, high: f64| (high - low) / (2.0 * H);
        let at = |gamma: f64| self.loss(gamma, &raw, &x, &dz, &dlog_det);
        let expected = difference(at(gamma - H), at(gamma + H));
        assert_close("dgamma", &[dgamma], &[expected], 1e-5);
        let moved = |values: &[f64], i: usize, by: f64| {
            let mut values = values.to_vec();
            values[i] += by;
            values
        };
        let expected: Vec<f64> = (0..2 * len)
            .map(|i| {
                let at = |by| self.loss(gamma, &moved(&raw, i, by), &x, &dz, &dlog_det);
                difference(at(-H), at(H))
            })
            .collect();
        assert_close("draw", &draw, &expected, 2e-6);
        let expected: Vec<f64> = (0..len)
            .map(|i| {
                let at = |by| self.loss(gamma, &raw, &moved(&x, i, by), &dz, &dlog_det);
                difference(at(-H), at(H))
            })
            .collect();
        assert_close("dx", &dx, &expected, 2e-6);
    }
}

#[test]
fn forward_and_inverse_match_double_precision() {
    at_every_level(|| {
        for (channels, columns) in [(1, 1), (3, 7), (5, 16), (2, 33), (4, 131)] {
            Case::new(channels, columns).check_forward_and_inverse();
        }
    });
}

#[test]
fn gradients_match_finite_differences() {
    at_every_level(|| {
        for (channels, columns) in [(1, 1), (3, 7), (2, 25)] {
            Case::new(channels, columns).check_backward();
        }
    });
}

#[test]
fn several_threads_give_the_same() {
    let case = Case::new(16, 4099);
    let Coupling { channels, columns, .. } = case.coupling;
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (mut z, mut log_det) = (vec![0.0; channels * columns], vec![0.0; columns]);
            let mut scale = z.clone();
            case.coupling.forward(&mut z, &mut log_det, Some(&mut scale), &case.raw, &case.x);
            let (mut draw, mut dx) = (vec![0.0; 2 * channels * columns], z.clone());
            let trace = CouplingTrace { raw: &case.raw, x: &case.x, scale: &scale };
            let dgamma = case.coupling.backward(&mut draw, &mut dx, &z, &log_det, trace);
            case.check_forward_and_inverse();
            (z, log_det, scale, draw, dx, dgamma)
        })
    };
    let (one, three, again) = (run(1), run(3), run(3));
    assert_eq!(three, again);
    assert_eq!((&one.0, &one.1, &one.2), (&three.0, &three.1, &three.2));
    assert_eq!((&one.3, &one.4), (&three.3, &three.4));
    assert!((one.5 - three.5).abs() <= 1e-4 * one.5.abs().max(1.0), "{} {}", one.5, three.5);
}

#[test]
fn no_columns_and_no_channels_are_fine() {
    for (channels, columns) in [(0, 0), (3, 0), (0, 5)] {
        Case::new(channels, columns).check_forward_and_inverse();
        Case::new(channels, columns).check_backward();
    }
}

#[test]
#[should_panic(expected = "raw has 3 values, not [2 * 1, 2]")]
fn lengths_must_agree() {
    let coupling = Coupling { channels: 1, columns: 2, gamma: 1.0, clamp: 1.0 };
    coupling.inverse(&mut [0.0; 2], &[0.0; 3], &[0.0; 2]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_shape(channels in 1..9usize, columns in 1..200usize) {
        Case::new(channels, columns).check_forward_and_inverse();
    }
}
