//! Bootstrap intervals and deviations between runs.

use nfbmr_metrics::{Bootstrap, Interval, MeanStd, MetricError, auroc, f1_max, mean_std};
use proptest::prelude::*;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Normal scores around 0 and defects around 1, each uniform over a width of 3.
fn sample(rng: &mut impl Rng, normal: usize, defect: usize) -> (Vec<f64>, Vec<bool>) {
    let labels: Vec<bool> = (0..normal + defect).map(|i| i >= normal).collect();
    let scores = labels.iter().map(|&l| rng.random_range(-1.5..1.5) + f64::from(u8::from(l)));
    (scores.collect(), labels)
}

/// P(X + 1 > Y) for X and Y uniform over a width of 3: all but half of (2/3)^2.
const TRUE_AUROC: f64 = 1.0 - 2.0 / 9.0;

#[test]
fn intervals_cover_the_truth_as_often_as_they_say() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let bootstrap = Bootstrap { resamples: 150, confidence: 0.9, seed: 5 };
    let runs = 150;
    let covered = (0..runs)
        .filter(|_| {
            let (scores, labels) = sample(&mut rng, 40, 60);
            let Interval { low, high, .. } = bootstrap.interval(&scores, &labels, auroc).unwrap();
            low <= TRUE_AUROC && TRUE_AUROC <= high
        })
        .count();
    // 135 expected; the standard deviation of the count is 3.7.
    assert!((123..=146).contains(&covered), "{covered} of {runs}");
}

#[test]
fn the_width_is_that_of_the_sampling_distribution() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut areas = Vec::new();
    for _ in 0..2000 {
        let (scores, labels) = sample(&mut rng, 100, 150);
        areas.push(auroc(&scores, &labels).unwrap());
    }
    let expected = 2.0 * 1.96 * mean_std(&areas).unwrap().std;
    let (scores, labels) = sample(&mut rng, 100, 150);
    let interval = Bootstrap::default().interval(&scores, &labels, auroc).unwrap();
    let ratio = (interval.high - interval.low) / expected;
    assert!((0.8..1.2).contains(&ratio), "{ratio} of the expected width");
}

#[test]
fn seeds_decide_and_confidence_widens() {
    let (scores, labels) = sample(&mut ChaCha8Rng::seed_from_u64(6), 30, 20);
    let of = |seed, confidence| {
        let bootstrap = Bootstrap { seed, confidence, resamples: 500 };
        bootstrap.interval(&scores, &labels, auroc).unwrap()
    };
    assert_eq!(of(1, 0.95), of(1, 0.95));
    assert_ne!(of(1, 0.95), of(2, 0.95));
    let (narrow, wide) = (of(1, 0.5), of(1, 0.99));
    assert!(wide.low < narrow.low && narrow.high < wide.high);
    assert_eq!(narrow.estimate, auroc(&scores, &labels).unwrap());
}

#[test]
fn one_sample_of_each_class_leaves_no_room() {
    let interval = Bootstrap::default().interval(&[0.5f32, 0.25], &[true, false], auroc).unwrap();
    assert_eq!(interval, Interval { estimate: 1.0, low: 1.0, high: 1.0 });
}

#[test]
fn ends_are_quantiles_of_the_values() {
    // The metric numbers the resamples, so its values are 1 to 5 after the estimate, 0.
    let calls = std::cell::Cell::new(0.0);
    let count = |_: &[f64], _: &[bool]| Ok(calls.replace(calls.get() + 1.0));
    let bootstrap = Bootstrap { resamples: 5, confidence: 0.75, seed: 0 };
    let interval = bootstrap.interval(&[0.0, 1.0], &[false, true], count).unwrap();
    // numpy.quantile([1, 2, 3, 4, 5], [0.125, 0.875])
    assert_eq!(interval, Interval { estimate: 0.0, low: 1.5, high: 4.5 });
}

#[test]
fn undefined_intervals_are_refused() {
    let (scores, labels) = ([0.5, 0.25], [true, false]);
    let default = Bootstrap::default();
    let interval =
        |bootstrap: Bootstrap| bootstrap.interval(&scores, &labels, auroc).map(|i| i.estimate);
    assert_eq!(interval(Bootstrap { resamples: 0, ..default }), Err(MetricError::NoResamples));
    for found in [0.0, 1.0, -0.5, f64::INFINITY] {
        assert_eq!(
            interval(Bootstrap { confidence: found, ..default }),
            Err(MetricError::Confidence { found })
        );
    }
    assert!(interval(Bootstrap { confidence: f64::NAN, ..default }).is_err());
    assert_eq!(
        default.interval(&scores, &[true], auroc),
        Err(MetricError::LengthMismatch { scores: 2, labels: 1 })
    );
    assert_eq!(
        default.interval(&scores, &[true, true], auroc),
        Err(MetricError::OneClass { negatives: 0, positives: 2 })
    );
    assert_eq!(
        default.interval(&[f64::NAN, 1.0], &labels, auroc),
        Err(MetricError::NanScore { index: 0 })
    );
}

#[test]
fn deviations_are_those_of_numpy() {
    // numpy.mean and numpy.std(ddof=1)
    let MeanStd { mean, std } = mean_std(&[0.953, 0.961, 0.949, 0.97]).unwrap();
    assert!((mean - 0.95825).abs() < 1e-15);
    assert!((std - 0.009287087810503363).abs() < 1e-15, "{std}");
    assert_eq!(mean_std(&[0.5, 0.5]), Ok(MeanStd { mean: 0.5, std: 0.0 }));
    assert_eq!(mean_std(&[0.5]), Err(MetricError::TooFewValues { expected: 2, found: 1 }));
    assert_eq!(mean_std(&[]), Err(MetricError::TooFewValues { expected: 2, found: 0 }));
    assert_eq!(mean_std(&[0.5, f64::NAN]), Err(MetricError::NonFinite { index: 1 }));
}

proptest! {
    #[test]
    fn nothing_panics(
        scores in prop::collection::vec(any::<f64>(), 0..8),
        labels in prop::collection::vec(any::<bool>(), 0..8),
        resamples in 0u32..4,
        confidence in any::<f64>(),
        seed in any::<u64>(),
    ) {
        let bootstrap = Bootstrap { resamples, confidence, seed };
        let result = bootstrap.interval(&scores, &labels, |s, l| Ok(f1_max(s, l)?.f1));
        prop_assert!(result.is_err() || f1_max(&scores, &labels).is_ok());
        let _ = bootstrap.interval(&scores, &labels, |s, _| Ok(s.iter().sum()));
        prop_assert!(mean_std(&scores).is_err() || scores.len() > 1);
    }
}
