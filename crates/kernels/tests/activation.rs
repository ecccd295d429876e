//! Activations on slices and their derivatives.

mod common;

use common::{assert_close, at_every_level, doubles, uniform};
use nfbmr_kernels::{Activation, activate, activation_backward};

const ALL: [Activation; 5] = [
    Activation::Identity,
    Activation::Relu,
    Activation::Relu6,
    Activation::LeakyRelu(0.2),
    Activation::Silu,
];

fn reference(x: f64, activation: Activation) -> f64 {
    match activation {
        Activation::Identity => x,
        Activation::Relu => x.max(0.0),
        Activation::Relu6 => x.clamp(0.0, 6.0),
        Activation::LeakyRelu(slope) => {
            if x > 0.0 {
                x
            } else {
                f64::from(slope) * x
            }
        }
        Activation::Silu => x / (1.0 + (-x).exp()),
    }
}

#[test]
fn activations_match_their_definitions() {
    at_every_level(|| {
        for activation in ALL {
            for len in [0, 1, 7, 8, 31, 100, 40_000] {
                let x: Vec<f32> = uniform(len, 1).into_iter().map(|x| 10.0 * x).collect();
                let expected: Vec<f64> =
                    doubles(&x).into_iter().map(|x| reference(x, activation)).collect();
                let mut y = x;
                activate(&mut y, activation);
                assert_close("y", &y, &expected, 4e-7);
            }
        }
    });
}

#[test]
fn rectifiers_pass_nan_on() {
    at_every_level(|| {
        for activation in ALL {
            let mut x = [f32::NAN; 19];
            activate(&mut x, activation);
            assert!(x.iter().all(|y| y.is_nan()), "{activation:?}");
        }
    });
}

#[test]
fn derivatives_follow_the_output() {
    at_every_level(|| {
        for activation in &ALL[..4] {
            for len in [0, 1, 7, 8, 31, 100, 40_000] {
                let mut y: Vec<f32> = uniform(len, 1).into_iter().map(|x| 10.0 * x).collect();
                if let Some(y) = y.first_mut() {
                    *y = 0.0;
                }
                activate(&mut y, *activation);
                let dy = uniform(len, 2);
                let expected: Vec<f64> = y
                    .iter()
                    .zip(&dy)
                    .map(|(&y, &dy)| match *activation {
                        Activation::Relu => {
                            if y > 0.0 {
                                dy
                            } else {
                                0.0
                            }
                        }
                        Activation::Relu6 => {
                            if y > 0.0 && y < 6.0 {
                                dy
                            } else {
                                0.0
                            }
                        }
                        Activation::LeakyRelu(slope) => {
                            if y > 0.0 {
                                dy
                            } else {
                                slope * dy
                            }
                        }
                        _ => dy,
                    })
                    .map(f64::from)
                    .collect();
                let mut dz = dy;
                activation_backward(&mut dz, &y, *activation);
                assert_close("dz", &dz, &expected, 0.0);
            }
        }
    });
}

#[test]
fn rectified_infinite_gradients_vanish() {
    at_every_level(|| {
        let mut dy = [f32::INFINITY; 9];
        activation_backward(&mut dy, &[0.0; 9], Activation::Relu);
        assert_eq!(dy, [0.0; 9]);
    });
}

#[test]
#[should_panic(expected = "SiLU")]
fn silu_has_no_derivative_from_its_output() {
    activation_backward(&mut [0.0], &[1.0], Activation::Silu);
}

#[test]
#[should_panic(expected = "equal lengths")]
fn lengths_must_agree() {
    activation_backward(&mut [0.0], &[1.0, 2.0], Activation::Relu);
}
