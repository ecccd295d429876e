//! Cross-conformal p-values, and their false alarms with models that are trained on the folds.

use nfbmr_calibration::{CalibrationError, CrossConformal, FalseAlarmRate, RateBasis};
use nfbmr_test_support::statistics::{mean, normal};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn rate(rate: f64) -> FalseAlarmRate {
    FalseAlarmRate::new(rate).unwrap()
}

type Image = [f32; 3];

/// A model: the squared distance to the nearest training image.
fn nearest(train: &[Image], image: &Image) -> f32 {
    let distance = |other: &Image| other.iter().zip(image).map(|(a, b)| (a - b).powi(2)).sum();
    train.iter().map(distance).fold(f32::INFINITY, f32::min)
}

/// The p-values of normal images, one for each of many trainings, with folds of `size` images.
fn p_values(folds: usize, size: usize, repeats: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let once = |_| {
        let mut image = || [normal(&mut rng), normal(&mut rng), normal(&mut rng)];
        let images: Vec<Image> = (0..folds * size).map(|_| image()).collect();
        let test = image();
        let mut test_scores = Vec::new();
        let of_folds = (0..folds).map(|fold| {
            let held_out = fold * size..(fold + 1) * size;
            let train = [&images[..held_out.start], &images[held_out.end..]].concat();
            test_scores.push(nearest(&train, &test));
            images[held_out].iter().map(|image| nearest(&train, image)).collect()
        });
        let calibration = CrossConformal::new(of_folds.collect::<Vec<_>>()).unwrap();
        calibration.p_value(&test_scores).unwrap()
    };
    (0..repeats).map(once).collect()
}

#[test]
fn false_alarms_keep_below_the_bound_and_below_the_rate_asked() {
    for (seed, (folds, size)) in [(20, 1), (10, 2), (5, 4), (2, 10)].into_iter().enumerate() {
        let p_values = p_values(folds, size, 4000, seed as u64);
        let calibration = CrossConformal::new(vec![vec![0.0; size]; folds]).unwrap();
        for asked in [0.05, 0.1, 0.2, 0.4] {
            let alarms: Vec<f64> =
                p_values.iter().map(|&p| f64::from(u8::from(p <= asked))).collect();
            let (realised, error) = mean(&alarms);
            let name =
                format!("{folds} folds of {size}, asked {asked}: {realised:.3} ± {error:.3}");
            println!("{name}");
            let bound = calibration.bound(rate(asked)).unwrap();
            assert!(realised <= bound.proven + 3.0 * error, "{name}");
            // This model is stable: the rate comes close to k / (n + 1) where all models are alike, and the
            // more they differ the further it stays below.
            let expected = (asked * 21.0).floor() / 21.0;
            assert!(realised <= expected + 0.01 + 3.0 * error, "{name}");
            let least = if size <= 2 { 0.9 * expected } else { 0.5 * expected };
            assert!(realised >= least - 3.0 * error, "{name}");
        }
    }
}

#[test]
fn folds_of_at_most_two_images_are_proven_twice_the_rate() {
    let bound = |folds: usize, size: usize, asked: f64| {
        CrossConformal::new(vec![vec![1.0; size]; folds]).unwrap().bound(rate(asked)).unwrap()
    };
    for folds in 2..40 {
        for asked in [0.04, 0.05, 0.1, 0.17, 0.34] {
            for size in [1, 2] {
                if asked * (1 + folds * size) as f64 >= 1.0 {
                    let bound = bound(folds, size, asked);
                    assert!(bound.proven <= bound.twice, "{folds} folds of {size}: {bound:?}");
                }
            }
        }
    }
    // Leave-one-out: (2k - 1) / (n + 1).
    assert_eq!(bound(20, 1, 0.1).proven, 3.0 / 21.0);
    assert_eq!(
        bound(10, 2, 0.05).to_string(),
        "false-alarm rate of at most 0.1, twice the asked 0.05"
    );
    // Folds of 4: 4 / 24, as 2 (0 + 5) / 25 is more.
    let folds_of_four = bound(5, 4, 0.05);
    assert_eq!(folds_of_four.proven, 4.0 / 24.0);
    assert_eq!(
        folds_of_four.to_string(),
        "false-alarm rate of at most 0.1667: twice the asked 0.05, and 0.0667 more for folds of this size"
    );
    // Folds of 500: 2 (49 + 2) / 1002, as (98 + 500) / 1500 is more.
    assert_eq!(bound(2, 500, 0.05).proven, 2.0 * 52.0 / 1002.0 - 2.0 / 1002.0);
}

#[test]
fn folds_of_different_sizes_have_the_bound_of_mean_p_values() {
    let calibration = CrossConformal::new([vec![1.0; 3], vec![1.0; 4]]).unwrap();
    let bound = calibration.bound(rate(0.125)).unwrap();
    assert_eq!((bound.twice, bound.proven), (0.25, 2.0 * 2.0 / 9.0));
    assert_eq!(calibration.bound(rate(0.9)).unwrap().proven, 1.0);
}

#[test]
fn verdicts_have_the_mean_score() {
    let folds = [vec![1.0, 2.0], vec![10.0, 20.0, 30.0]];
    let calibration = CrossConformal::new(folds).unwrap();
    assert_eq!((calibration.images(), calibration.folds().len()), (5, 2));
    let verdict = calibration.verdict(&[1.5, 25.0], rate(0.5)).unwrap();
    assert_eq!((verdict.score, verdict.p_value, verdict.is_anomalous), (13.25, 0.5, true));
    assert!(!calibration.verdict(&[1.5, 20.0], rate(0.5)).unwrap().is_anomalous);
    assert_eq!(calibration.default_rate(), (rate(1.0 / 6.0), RateBasis::SmallestSupported));
}

#[test]
fn unusable_folds_and_scores_are_refused() {
    let fold = |source| CalibrationError::Fold { fold: 1, source: Box::new(source) };
    assert_eq!(CrossConformal::new([]), Err(CalibrationError::TooFewFolds { found: 0 }));
    assert_eq!(CrossConformal::new([vec![1.0]]), Err(CalibrationError::TooFewFolds { found: 1 }));
    let empty = CrossConformal::new([vec![1.0], vec![]]).unwrap_err();
    assert_eq!(empty, fold(CalibrationError::NoScores));
    assert_eq!(
        empty.to_string(),
        "fold 1: expected the scores of at least 1 normal image, found none"
    );
    let nan = CrossConformal::new([vec![1.0], vec![2.0, f32::NAN]]).unwrap_err();
    assert_eq!(nan.to_string(), "fold 1: expected finite scores, found NaN at index 1");

    let calibration = CrossConformal::new([vec![1.0], vec![2.0]]).unwrap();
    let missing = CalibrationError::FoldScores { folds: 2, scores: 1 };
    assert_eq!(calibration.p_value(&[1.0]), Err(missing));
    assert!(calibration.p_value(&[1.0, f32::NAN]).is_err());
    let needed = CalibrationError::UnsupportedRate { rate: 0.05, images: 2, needed: 19 };
    assert_eq!(calibration.verdict(&[9.0, 9.0], rate(0.05)), Err(needed.clone()));
    assert_eq!(calibration.bound(rate(0.05)), Err(needed));

    let json = serde_json::to_string(&calibration).unwrap();
    assert_eq!(json, r#"{"folds":[{"scores":[1.0]},{"scores":[2.0]}]}"#);
    assert_eq!(serde_json::from_str::<CrossConformal>(&json).unwrap(), calibration);
    for (json, message) in [
        (r#"{"folds":[{"scores":[1.0]}]}"#, "at least 2 folds, found 1"),
        (r#"{"folds":[{"scores":[1.0]},{"scores":[]}]}"#, "at least 1 normal image, found none"),
        (r#"{"folds":[],"rate":0.1}"#, "unknown field"),
    ] {
        let error = serde_json::from_str::<CrossConformal>(json).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

proptest! {
    #[test]
    fn p_values_are_what_their_definition_counts(
        folds in prop::collection::vec((prop::collection::vec(-3i8..4, 1..6), -3i8..4), 2..6),
        asked in 0.01f64..0.99,
    ) {
        let scores: Vec<f32> = folds.iter().map(|(_, score)| f32::from(*score)).collect();
        let of_folds = folds.iter().map(|(fold, _)| fold.iter().copied().map(f32::from).collect());
        let calibration = CrossConformal::new(of_folds.collect::<Vec<_>>()).unwrap();
        let pairs = folds.iter().flat_map(|(fold, score)| fold.iter().map(move |s| (s, score)));
        let (higher, images) =
            pairs.fold((0, 0), |(higher, all), (s, score)| (higher + u32::from(s >= score), all + 1));
        let p_value = calibration.p_value(&scores).unwrap();
        prop_assert_eq!(p_value, f64::from(1 + higher) / f64::from(1 + images));
        if let Ok(verdict) = calibration.verdict(&scores, rate(asked)) {
            prop_assert_eq!(verdict.is_anomalous, p_value <= asked);
            let bound = calibration.bound(rate(asked)).unwrap();
            prop_assert!(0.0 < bound.proven && bound.proven <= 1.0);
        }
    }
}
