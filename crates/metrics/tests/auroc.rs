//! `auroc` against scikit-learn, its definition and its invariants.

mod common;

use common::samples;
use nfbmr_metrics::{MetricError, auroc};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    scores: Vec<f64>,
    labels: Vec<bool>,
    auroc: f64,
}

#[test]
fn equals_scikit_learn() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("fixtures/image.json")).unwrap();
    assert!(cases.len() > 10);
    for case in cases {
        let got = auroc(&case.scores, &case.labels).unwrap();
        assert!((got - case.auroc).abs() < 1e-12, "{}: {got} is not {}", case.name, case.auroc);
    }
}

#[test]
fn single_precision_is_taken_as_it_is() {
    let scores: [f32; 4] = [0.1, 0.4, 0.35, 0.8];
    assert_eq!(auroc(&scores, &[false, false, true, true]), Ok(0.75));
}

#[test]
fn infinities_are_the_lowest_and_highest() {
    let scores = [f64::NEG_INFINITY, 0.0, f64::INFINITY, f64::INFINITY];
    assert_eq!(auroc(&scores, &[false, false, true, false]), Ok(2.5 / 3.0));
}

#[test]
fn undefined_input_is_refused() {
    assert_eq!(
        auroc(&[0.5, 0.25], &[true]),
        Err(MetricError::LengthMismatch { scores: 2, labels: 1 })
    );
    assert_eq!(
        auroc(&[0.5, f64::NAN, f64::NAN], &[true, true, false]),
        Err(MetricError::NanScore { index: 1 })
    );
    assert_eq!(
        auroc(&[0.5, 0.25], &[true, true]),
        Err(MetricError::OneClass { negatives: 0, positives: 2 })
    );
    assert_eq!(
        auroc(&[0.5, 0.25], &[false, false]),
        Err(MetricError::OneClass { negatives: 2, positives: 0 })
    );
    assert_eq!(auroc::<f64>(&[], &[]), Err(MetricError::OneClass { negatives: 0, positives: 0 }));
}

/// The share of pairs won by the defect sample, straight from the definition.
fn by_definition(samples: &[(f64, bool)]) -> f64 {
    let scores = |wanted| samples.iter().filter(move |(_, l)| *l == wanted).map(|(s, _)| *s);
    let (mut won, mut pairs) = (0.0, 0.0);
    for positive in scores(true) {
        for negative in scores(false) {
            pairs += 1.0;
            won += if positive > negative {
                1.0
            } else if positive == negative {
                0.5
            } else {
                0.0
            };
        }
    }
    won / pairs
}

fn area(samples: &[(f64, bool)]) -> f64 {
    let (scores, labels): (Vec<_>, Vec<_>) = samples.iter().copied().unzip();
    auroc(&scores, &labels).unwrap()
}

proptest! {
    #[test]
    fn equals_the_definition(samples in samples()) {
        prop_assert!((area(&samples) - by_definition(&samples)).abs() < 1e-12);
    }

    #[test]
    fn increasing_maps_of_the_scores_change_nothing(samples in samples()) {
        // Exact in binary and far from the limits of f64, so no two scores become tied.
        let mapped: Vec<_> = samples.iter().map(|&(s, l)| (4.0 * s, l)).collect();
        prop_assert_eq!(area(&mapped), area(&samples));
    }

    #[test]
    fn flipped_labels_give_the_complement(samples in samples()) {
        let flipped: Vec<_> = samples.iter().map(|&(s, l)| (s, !l)).collect();
        prop_assert!((area(&flipped) + area(&samples) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn order_does_not_matter(samples in samples()) {
        let reversed: Vec<_> = samples.iter().rev().copied().collect();
        prop_assert_eq!(area(&reversed), area(&samples));
    }

    #[test]
    fn constant_scores_are_chance(samples in samples(), score in -1e9..1e9f64) {
        let constant: Vec<_> = samples.iter().map(|&(_, l)| (score, l)).collect();
        prop_assert_eq!(area(&constant), 0.5);
    }
}
