//! Adam against its definition in double precision, over several steps.

mod common;

use common::{assert_close, at_every_level, doubles, uniform};
use nfbmr_kernels::Adam;

#[test]
fn steps_match_the_definition() {
    let adam = Adam { learning_rate: 2e-3, beta1: 0.8, weight_decay: 1e-2, ..Adam::default() };
    let Adam { learning_rate, beta1, beta2, epsilon, weight_decay } = adam;
    at_every_level(|| {
        for len in [0, 1, 7, 8, 100, 40_001] {
            let mut parameter = uniform(len, 1);
            let (mut first, mut second) = (vec![0.0; len], vec![0.0; len]);
            let mut expected = doubles(&parameter);
            let (mut m, mut v) = (vec![0.0; len], vec![0.0; len]);
            for step in 1..=5 {
                let gradient = uniform(len, 10 + step);
                let scale = 0.5;
                adam.step(&mut parameter, &gradient, &mut first, &mut second, step, scale);
                for i in 0..len {
                    let p = &mut expected[i];
                    let g = f64::from(scale) * f64::from(gradient[i]) + weight_decay * *p;
                    m[i] = beta1 * m[i] + (1.0 - beta1) * g;
                    v[i] = beta2 * v[i] + (1.0 - beta2) * g * g;
                    let mean = m[i] / (1.0 - beta1.powi(step as i32));
                    let square: f64 = v[i] / (1.0 - beta2.powi(step as i32));
                    *p -= learning_rate * mean / (square.sqrt() + epsilon);
                }
            }
            assert_close("parameter", &parameter, &expected, 1e-6);
            assert_close("first moment", &first, &m, 1e-6);
            assert_close("second moment", &second, &v, 1e-6);
        }
    });
}

#[test]
fn a_parameter_without_gradient_stays() {
    at_every_level(|| {
        let mut parameter = [0.25; 11];
        let (mut first, mut second) = ([0.0; 11], [0.0; 11]);
        Adam::default().step(&mut parameter, &[0.0; 11], &mut first, &mut second, 1, 1.0);
        assert_eq!(parameter, [0.25; 11]);
    });
}

#[test]
#[should_panic(expected = "counted from 1")]
fn steps_are_counted_from_1() {
    Adam::default().step(&mut [], &[], &mut [], &mut [], 0, 1.0);
}
