//! Average precision, the ROC curve and operating points against scikit-learn and their invariants.

mod common;

use common::samples;
use nfbmr_metrics::{
    MetricError, OperatingPoint, auroc, average_precision, f1_max, operating_point, roc_curve,
};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    scores: Vec<f64>,
    labels: Vec<bool>,
    average_precision: f64,
    roc: Roc,
    f1_max: Point,
    at: Vec<Point>,
}

#[derive(Deserialize)]
struct Roc {
    fpr: Vec<f64>,
    tpr: Vec<f64>,
    thresholds: Vec<f64>,
}

#[derive(Deserialize)]
struct Point {
    threshold: f64,
    precision: f64,
    recall: f64,
    f1: f64,
}

impl Point {
    fn assert_is(&self, found: OperatingPoint, name: &str) {
        assert_eq!(found.threshold, self.threshold, "{name}");
        assert_close(found.precision, self.precision, name);
        assert_close(found.recall, self.recall, name);
        assert_close(found.f1, self.f1, name);
    }
}

fn assert_close(found: f64, expected: f64, name: &str) {
    assert!((found - expected).abs() < 1e-12, "{name}: {found} is not {expected}");
}

fn cases() -> Vec<Case> {
    let cases: Vec<Case> = serde_json::from_str(include_str!("fixtures/image.json")).unwrap();
    assert!(cases.len() > 10);
    cases
}

#[test]
fn average_precision_equals_scikit_learn() {
    for Case { name, scores, labels, average_precision: expected, .. } in cases() {
        assert_close(average_precision(&scores, &labels).unwrap(), expected, &name);
    }
}

#[test]
fn roc_curve_equals_scikit_learn() {
    for Case { name, scores, labels, roc, .. } in cases() {
        let points = roc_curve(&scores, &labels).unwrap();
        assert_eq!(points.len(), roc.fpr.len(), "{name}");
        assert_eq!(points[0].threshold, f64::INFINITY);
        for (point, threshold) in points[1..].iter().zip(&roc.thresholds) {
            assert_eq!(point.threshold, *threshold, "{name}");
        }
        for ((point, fpr), tpr) in points.iter().zip(&roc.fpr).zip(&roc.tpr) {
            assert_close(point.false_positive_rate, *fpr, &name);
            assert_close(point.true_positive_rate, *tpr, &name);
        }
    }
}

#[test]
fn operating_points_equal_scikit_learn() {
    for Case { name, scores, labels, f1_max: best, at, .. } in cases() {
        best.assert_is(f1_max(&scores, &labels).unwrap(), &name);
        for point in at {
            let found = operating_point(&scores, &labels, point.threshold).unwrap();
            point.assert_is(found, &name);
        }
    }
}

#[test]
fn a_threshold_flags_the_score_that_equals_it() {
    let (scores, labels) = ([0.25, 0.5, 0.75], [false, true, false]);
    let at = |threshold| operating_point(&scores, &labels, threshold).unwrap();
    assert_eq!((at(0.5).precision, at(0.5).recall), (0.5, 1.0));
    assert_eq!((at(0.5001).precision, at(0.5001).recall), (0.0, 0.0));
    assert_eq!((at(f64::INFINITY).precision, at(f64::INFINITY).f1), (0.0, 0.0));
    assert_eq!((at(f64::NEG_INFINITY).precision, at(f64::NEG_INFINITY).recall), (1.0 / 3.0, 1.0));
}

#[test]
fn undefined_input_is_refused() {
    type Metric = fn(&[f64], &[bool]) -> Result<(), MetricError>;
    let metrics: [Metric; 4] = [
        |s, l| average_precision(s, l).map(drop),
        |s, l| roc_curve(s, l).map(drop),
        |s, l| operating_point(s, l, 0.5).map(drop),
        |s, l| f1_max(s, l).map(drop),
    ];
    for metric in metrics {
        assert_eq!(
            metric(&[0.5], &[true, false]),
            Err(MetricError::LengthMismatch { scores: 1, labels: 2 })
        );
        assert_eq!(
            metric(&[0.5, f64::NAN], &[true, false]),
            Err(MetricError::NanScore { index: 1 })
        );
        assert_eq!(
            metric(&[0.5], &[true]),
            Err(MetricError::OneClass { negatives: 0, positives: 1 })
        );
        assert_eq!(metric(&[], &[]), Err(MetricError::OneClass { negatives: 0, positives: 0 }));
    }
    assert_eq!(
        operating_point(&[0.5, 0.25], &[true, false], f64::NAN),
        Err(MetricError::NanThreshold)
    );
}

proptest! {
    #[test]
    fn the_area_under_the_roc_curve_is_the_auroc(samples in samples()) {
        let (scores, labels): (Vec<_>, Vec<_>) = samples.into_iter().unzip();
        let points = roc_curve(&scores, &labels).unwrap();
        let area: f64 = points
            .windows(2)
            .map(|pair| {
                let width = pair[1].false_positive_rate - pair[0].false_positive_rate;
                width * (pair[0].true_positive_rate + pair[1].true_positive_rate) / 2.0
            })
            .sum();
        prop_assert!((area - auroc(&scores, &labels).unwrap()).abs() < 1e-12);
        let last = points.last().unwrap();
        prop_assert_eq!((last.false_positive_rate, last.true_positive_rate), (1.0, 1.0));
    }

    #[test]
    fn no_threshold_has_a_higher_f1(samples in samples()) {
        let (scores, labels): (Vec<_>, Vec<_>) = samples.into_iter().unzip();
        let best = f1_max(&scores, &labels).unwrap();
        prop_assert_eq!(best, operating_point(&scores, &labels, best.threshold).unwrap());
        for &score in &scores {
            let other = operating_point(&scores, &labels, score).unwrap();
            prop_assert!(other.f1 <= best.f1);
            prop_assert!(other.f1 < best.f1 || score >= best.threshold);
        }
    }

    #[test]
    fn only_the_order_of_the_scores_matters(samples in samples()) {
        let (scores, labels): (Vec<_>, Vec<_>) = samples.iter().copied().unzip();
        let (mapped, shuffled): (Vec<_>, Vec<_>) =
            samples.iter().rev().map(|&(s, l)| (4.0 * s, l)).unzip();
        prop_assert_eq!(
            average_precision(&scores, &labels),
            average_precision(&mapped, &shuffled)
        );
        let best = f1_max(&scores, &labels).unwrap();
        let of_mapped = f1_max(&mapped, &shuffled).unwrap();
        prop_assert_eq!(OperatingPoint { threshold: 4.0 * best.threshold, ..best }, of_mapped);
    }

    #[test]
    fn nothing_panics(
        scores in prop::collection::vec(any::<f64>(), 0..12),
        labels in prop::collection::vec(any::<bool>(), 0..12),
        threshold in any::<f64>(),
    ) {
        let defined = scores.len() == labels.len()
            && !scores.iter().any(|score| score.is_nan())
            && labels.contains(&true)
            && labels.contains(&false);
        prop_assert_eq!(auroc(&scores, &labels).is_ok(), defined);
        prop_assert_eq!(average_precision(&scores, &labels).is_ok(), defined);
        prop_assert_eq!(roc_curve(&scores, &labels).is_ok(), defined);
        prop_assert_eq!(f1_max(&scores, &labels).is_ok(), defined);
        prop_assert_eq!(
            operating_point(&scores, &labels, threshold).is_ok(),
            defined && !threshold.is_nan()
        );
    }
}
