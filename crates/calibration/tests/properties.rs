//! What holds of split-conformal calibration whatever the scores.

use nfbmr_calibration::{
    CalibrationError, FalseAlarmRate, RateBasis, RealisedRate, SplitConformal, Threshold,
};
use proptest::prelude::*;

/// Scores of which many are tied, signed zeros among them.
fn score() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => (-3i8..4).prop_map(f32::from),
        1 => Just(-0.0f32),
        3 => -10f32..10.0,
        1 => any::<f32>().prop_filter("finite", |score| score.is_finite()),
    ]
}

fn scores() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(score(), 1..80)
}

/// Rates of which many are a multiple of 1 / (n + 1) or of a hundredth.
fn rate(images: usize) -> impl Strategy<Value = FalseAlarmRate> {
    let all = images + 1;
    prop_oneof![
        (1..all).prop_map(move |k| k as f64 / all as f64),
        (1u8..100).prop_map(|percent| f64::from(percent) / 100.0),
        1e-9..0.999f64,
    ]
    .prop_map(|rate| FalseAlarmRate::new(rate).unwrap())
}

fn scores_and_rate() -> impl Strategy<Value = (Vec<f32>, FalseAlarmRate)> {
    scores().prop_flat_map(|scores| {
        let rate = rate(scores.len());
        (Just(scores), rate)
    })
}

fn split(scores: &[f32]) -> SplitConformal {
    SplitConformal::new(scores).unwrap()
}

proptest! {
    #[test]
    fn a_score_is_above_the_threshold_where_its_p_value_is_at_most_the_rate(
        (scores, rate) in scores_and_rate(),
        others in scores(),
    ) {
        let calibration = split(&scores);
        if let Ok(threshold) = calibration.threshold(rate) {
            let next = [threshold.value.next_up(), threshold.value, threshold.value.next_down()];
            let finite = next.into_iter().filter(|score| score.is_finite());
            for score in finite.chain(scores).chain(others) {
                let verdict = calibration.verdict(score, &threshold).unwrap();
                prop_assert_eq!(verdict.is_anomalous, verdict.p_value <= rate.get());
                prop_assert_eq!(verdict.score, score);
            }
        }
    }

    #[test]
    fn p_values_are_what_their_definition_counts(
        scores in scores(),
        score in score(),
        uniform in 0f64..=1.0,
    ) {
        let calibration = split(&scores);
        let count = |include: fn(f32, f32) -> bool| {
            scores.iter().filter(|&&other| include(other, score)).count() as f64
        };
        let all = scores.len() as f64 + 1.0;
        let p_value = calibration.p_value(score).unwrap();
        prop_assert_eq!(p_value, (1.0 + count(|a, b| a >= b)) / all);
        let smoothed = calibration.smoothed_p_value(score, uniform).unwrap();
        let expected = (count(|a, b| a > b) + uniform * (1.0 + count(|a, b| a == b))) / all;
        prop_assert!((smoothed - expected).abs() < 1e-12);
        prop_assert!(smoothed <= p_value + 1e-12);
        prop_assert_eq!(calibration.smoothed_p_value(score, 1.0).unwrap(), p_value);
    }

    #[test]
    fn only_the_order_of_scores_matters(
        (scores, rate) in scores_and_rate(),
        score in score(),
    ) {
        // Increasing and exact.
        let map = |s: f32| f64::from(s).atan() as f32;
        prop_assume!(scores.iter().all(|&s| (map(s) < map(score)) == (s < score)));
        prop_assume!(scores.iter().all(|&s| (map(s) == map(score)) == (s == score)));
        let mapped: Vec<f32> = scores.iter().rev().copied().map(map).collect();
        prop_assert_eq!(split(&scores).p_value(score), split(&mapped).p_value(map(score)));
        let of_scores = split(&scores).threshold(rate).map(|threshold| map(threshold.value));
        prop_assert_eq!(of_scores, split(&mapped).threshold(rate).map(|threshold| threshold.value));
    }

    #[test]
    fn rates_are_refused_with_the_number_of_images_that_they_take(
        (scores, rate) in scores_and_rate(),
    ) {
        let calibration = split(&scores);
        let images = scores.len();
        let needed = rate.images_needed();
        let supported = calibration.smallest_rate() <= rate;
        prop_assert_eq!(supported, images as u64 >= needed);
        match calibration.threshold(rate) {
            Ok(threshold) => {
                prop_assert!(supported);
                prop_assert!(scores.contains(&threshold.value));
                prop_assert_eq!((threshold.rate, threshold.basis), (rate, RateBasis::Asked));
                prop_assert!(calibration.rate_at(threshold.value).unwrap() <= rate.get());
            }
            Err(error) => {
                prop_assert!(!supported);
                let rate = rate.get();
                let expected = CalibrationError::UnsupportedRate { rate, images, needed };
                prop_assert_eq!(error, expected);
            }
        }
        if needed < 10_000 {
            let enough = needed as usize;
            prop_assert!(RealisedRate::new(enough, rate).is_ok());
            prop_assert!(enough == 1 || RealisedRate::new(enough - 1, rate).is_err());
        }
    }

    #[test]
    fn the_rate_of_a_threshold_is_the_highest_p_value_above_it(
        scores in scores(),
        threshold in score(),
    ) {
        let calibration = split(&scores);
        let rate = calibration.rate_at(threshold).unwrap();
        let next = threshold.next_up();
        if next.is_finite() {
            prop_assert_eq!(rate, calibration.p_value(next).unwrap());
        }
        if let Ok(rate) = FalseAlarmRate::new(rate) {
            // The lowest threshold of that rate calls the same images anomalous.
            let lowest = calibration.threshold(rate).unwrap().value;
            prop_assert!(lowest <= threshold);
            prop_assert!(!scores.iter().any(|&s| lowest < s && s <= threshold));
        }
    }

    #[test]
    fn higher_rates_have_lower_thresholds(
        (scores, a) in scores_and_rate(),
        b in rate(20),
    ) {
        let calibration = split(&scores);
        let (low, high) = if a <= b { (a, b) } else { (b, a) };
        if let (Ok(low), Ok(high)) = (calibration.threshold(low), calibration.threshold(high)) {
            prop_assert!(high.value <= low.value);
        }
    }

    #[test]
    fn files_keep_every_bit(scores in scores(), seed in any::<u32>()) {
        let calibration = split(&scores);
        let json = serde_json::to_string(&calibration).unwrap();
        prop_assert_eq!(serde_json::from_str::<SplitConformal>(&json).unwrap(), calibration.clone());
        let mut threshold = calibration.default_threshold();
        threshold.value = Some(f32::from_bits(seed)).filter(|v| v.is_finite()).unwrap_or(0.5);
        let json = serde_json::to_string(&threshold).unwrap();
        prop_assert_eq!(serde_json::from_str::<Threshold>(&json).unwrap(), threshold);
    }

    #[test]
    fn intervals_of_the_realised_rate_have_the_confidence(
        (images, rate) in (1usize..2000).prop_flat_map(|images| (Just(images), rate(images))),
        confidence in 0.01f64..0.999,
    ) {
        if let Ok(law) = RealisedRate::new(images, rate) {
            let (low, high) = law.interval(confidence).unwrap();
            prop_assert!(0.0 <= low && low < high && high <= 1.0);
            let inside = law.probability_at_most(high) - law.probability_at_most(low);
            prop_assert!((inside - confidence).abs() < 1e-9, "{inside}, not {confidence}");
            prop_assert!(law.mean() <= rate.get());
            prop_assert!(law.mean() > rate.get() - 1.0 / (images as f64 + 1.0) - 1e-12);
        }
    }

    #[test]
    fn nothing_panics(
        scores in prop::collection::vec(any::<f32>(), 0..8),
        score in any::<f32>(),
        rate in any::<f64>(),
        number in any::<f64>(),
        images in any::<usize>(),
    ) {
        let usable = !scores.is_empty() && scores.iter().all(|score| score.is_finite());
        let calibration = SplitConformal::new(scores);
        prop_assert_eq!(calibration.is_ok(), usable);
        let rate = FalseAlarmRate::new(rate);
        if let Ok(calibration) = calibration {
            prop_assert_eq!(calibration.p_value(score).is_ok(), score.is_finite());
            prop_assert_eq!(calibration.rate_at(score).is_ok(), score.is_finite());
            let in_range = score.is_finite() && (0.0..=1.0).contains(&number);
            prop_assert_eq!(calibration.smoothed_p_value(score, number).is_ok(), in_range);
            let threshold = calibration.default_threshold();
            prop_assert_eq!(calibration.verdict(score, &threshold).is_ok(), score.is_finite());
        }
        if let Ok(rate) = rate {
            rate.images_needed();
            if let Ok(law) = RealisedRate::new(images, rate) {
                prop_assert_eq!(law.interval(number).is_ok(), number > 0.0 && number < 1.0);
                law.probability_at_most(number);
            }
        }
    }
}
