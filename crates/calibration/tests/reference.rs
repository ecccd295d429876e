//! p-values and martingales against crepes, the law of the realised rate against scipy.

use nfbmr_calibration::{FalseAlarmRate, RealisedRate, SplitConformal, UniformityTest};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    p_values: Vec<PValues>,
    martingales: Vec<Martingale>,
    realised: Vec<Realised>,
}

#[derive(Deserialize)]
struct PValues {
    name: String,
    calibration: Vec<f32>,
    scores: Vec<f32>,
    p_values: Vec<f64>,
    uniforms: Vec<f64>,
    smoothed: Vec<f64>,
}

#[derive(Deserialize)]
struct Martingale {
    name: String,
    p_values: Vec<f64>,
    evidence: Vec<f64>,
}

#[derive(Deserialize)]
struct Realised {
    rate: f64,
    images: usize,
    intervals: Vec<Interval>,
    at_most: Vec<AtMost>,
}

#[derive(Deserialize)]
struct Interval {
    confidence: f64,
    low: f64,
    high: f64,
}

#[derive(Deserialize)]
struct AtMost {
    rate: f64,
    probability: f64,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("fixtures/reference.json")).unwrap()
}

fn assert_close(found: f64, expected: f64, what: &str) {
    let apart = (found - expected).abs();
    assert!(apart <= 1e-9 * expected.abs(), "{what}: {found} is not {expected}");
}

#[test]
fn p_values_equal_crepes() {
    let cases = reference().p_values;
    assert!(cases.len() >= 5);
    for case in cases {
        let calibration = SplitConformal::new(case.calibration).unwrap();
        assert!(!case.scores.is_empty());
        for (i, &score) in case.scores.iter().enumerate() {
            let p_value = calibration.p_value(score).unwrap();
            assert_close(p_value, case.p_values[i], &case.name);
            let smoothed = calibration.smoothed_p_value(score, case.uniforms[i]).unwrap();
            assert_close(smoothed, case.smoothed[i], &case.name);
        }
    }
}

#[test]
fn the_test_of_uniformity_is_a_mixture_of_the_simple_jumpers_of_crepes() {
    let cases = reference().martingales;
    assert!(cases.len() >= 5);
    for case in cases {
        let mut test = UniformityTest::new();
        assert!(!case.p_values.is_empty());
        for (&p_value, &expected) in case.p_values.iter().zip(&case.evidence) {
            assert_close(test.observe(p_value).unwrap(), expected, &case.name);
        }
    }
}

#[test]
fn the_law_of_the_realised_rate_equals_scipy() {
    let cases = reference().realised;
    assert!(cases.len() >= 8);
    for case in cases {
        let name = format!("{} of {} images", case.rate, case.images);
        let law = RealisedRate::new(case.images, FalseAlarmRate::new(case.rate).unwrap()).unwrap();
        assert_close(law.mean(), case.rate, &name);
        assert_eq!((case.intervals.len(), case.at_most.len()), (3, 3));
        for Interval { confidence, low, high } in case.intervals {
            let found = law.interval(confidence).unwrap();
            assert_close(found.0, low, &name);
            assert_close(found.1, high, &name);
        }
        for AtMost { rate, probability } in case.at_most {
            assert_close(law.probability_at_most(rate), probability, &name);
        }
    }
}
