//! Files, messages and numbers that are known.

use nfbmr_calibration::{
    CalibrationError, FalseAlarmRate, RateBasis, RealisedRate, SplitConformal, Threshold, Verdict,
};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, F64Deserializer, MapDeserializer};

fn rate(rate: f64) -> FalseAlarmRate {
    FalseAlarmRate::new(rate).unwrap()
}

fn counting(images: u16) -> SplitConformal {
    SplitConformal::new((1..=images).map(f32::from).collect::<Vec<_>>()).unwrap()
}

#[test]
fn the_default_is_five_percent_or_the_smallest_rate() {
    let threshold = counting(19).default_threshold();
    assert_eq!((threshold.rate.get(), threshold.basis), (0.05, RateBasis::Default));
    assert_eq!(threshold.value, 19.0);
    let threshold = counting(18).default_threshold();
    assert_eq!((threshold.rate.get(), threshold.basis), (1.0 / 19.0, RateBasis::SmallestSupported));
    assert_eq!(threshold.value, 18.0);
    let threshold = counting(1).default_threshold();
    assert_eq!((threshold.rate.get(), threshold.value), (0.5, 1.0));
}

#[test]
fn images_needed_are_exact() {
    let known =
        [(0.5, 1), (0.9, 1), (0.05, 19), (0.01, 99), (0.001, 999), (1e-6, 999_999), (0.3, 3)];
    for (asked, needed) in known {
        assert_eq!(rate(asked).images_needed(), needed, "{asked}");
    }
    for images in 1..5000u64 {
        assert_eq!(rate(1.0 / (images + 1) as f64).images_needed(), images);
    }
    assert_eq!(rate(f64::MIN_POSITIVE).images_needed(), u64::MAX);
}

#[test]
fn rates_that_are_whole_ranks_are_not_rounded_down() {
    // 0.07 * 100 is more than 7 and 0.29 * 100 less than 29.
    for percent in 1..100u16 {
        let threshold = counting(99).threshold(rate(f64::from(percent) / 100.0)).unwrap();
        assert_eq!(threshold.value, f32::from(100 - percent));
    }
}

#[test]
fn refusals_say_what_was_expected_and_found() {
    let message =
        |result: Result<SplitConformal, CalibrationError>| result.unwrap_err().to_string();
    assert_eq!(
        message(SplitConformal::new([])),
        "expected the scores of at least 1 normal image, found none"
    );
    assert_eq!(
        message(SplitConformal::new([1.0, f32::NAN])),
        "expected finite scores, found NaN at index 1"
    );
    assert_eq!(
        message(SplitConformal::new([f32::INFINITY])),
        "expected finite scores, found inf at index 0"
    );
    assert_eq!(
        counting(40).threshold(rate(0.01)).unwrap_err().to_string(),
        "expected at least 99 normal images for a false-alarm rate of 0.01, found 40"
    );
    for found in [0.0, -0.1, 1.0, f64::INFINITY] {
        assert_eq!(FalseAlarmRate::new(found), Err(CalibrationError::Rate { found }));
        let law = RealisedRate::new(40, rate(0.05)).unwrap();
        assert_eq!(law.interval(found), Err(CalibrationError::Confidence { found }));
    }
    assert!(FalseAlarmRate::new(f64::NAN).is_err());
    let few = CalibrationError::UnsupportedRate { rate: 0.05, images: 0, needed: 19 };
    assert_eq!(RealisedRate::new(0, rate(0.05)), Err(few));
}

#[test]
fn files_are_short_and_checked() {
    let calibration = SplitConformal::new([0.5, 0.1]).unwrap();
    let json = serde_json::to_string(&calibration).unwrap();
    assert_eq!(json, r#"{"scores":[0.1,0.5]}"#);
    let threshold = calibration.threshold(rate(0.4)).unwrap();
    let json = serde_json::to_string(&threshold).unwrap();
    assert_eq!(json, r#"{"value":0.5,"rate":0.4,"basis":"asked"}"#);
    let verdict = calibration.verdict(0.75, &threshold).unwrap();
    let json = serde_json::to_string(&verdict).unwrap();
    assert_eq!(json, r#"{"score":0.75,"p_value":0.3333333333333333,"is_anomalous":true}"#);
    assert_eq!(serde_json::from_str::<Verdict>(&json).unwrap(), verdict);

    let refused = |json| serde_json::from_str::<SplitConformal>(json).unwrap_err().to_string();
    assert!(refused(r#"{"scores":[]}"#).contains("at least 1 normal image, found none"));
    assert!(refused(r#"{"scores":[1.0,1e39]}"#).contains("number out of range"));
    assert!(refused(r#"{"scores":[null]}"#).contains("expected f32"));
    assert!(refused(r#"{"scores":[1.0],"rate":0.1}"#).contains("unknown field"));
    let refused = |json| serde_json::from_str::<Threshold>(json).unwrap_err().to_string();
    let json = r#"{"value":1.0,"rate":1.0,"basis":"asked"}"#;
    assert!(refused(json).contains("expected a false-alarm rate above 0 and below 1, found 1"));
    assert!(refused(r#"{"value":1.0,"rate":0.4,"basis":"guessed"}"#).contains("unknown variant"));
}

#[test]
fn an_edited_threshold_changes_the_verdict_alone() {
    let calibration = counting(40);
    let mut threshold = calibration.default_threshold();
    let before = calibration.verdict(38.5, &threshold).unwrap();
    threshold.value = 38.0;
    let after = calibration.verdict(38.5, &threshold).unwrap();
    assert_eq!((before.p_value, before.is_anomalous), (3.0 / 41.0, false));
    assert_eq!((after.p_value, after.is_anomalous), (3.0 / 41.0, true));
    assert_eq!(calibration.rate_at(threshold.value).unwrap(), 3.0 / 41.0);
    assert_eq!(calibration.rate_at(0.0).unwrap(), 1.0);
    assert_eq!(calibration.rate_at(99.0).unwrap(), calibration.smallest_rate().get());
    assert!(calibration.rate_at(f32::NAN).is_err());
}

/// JSON has no NaN, other formats do.
#[test]
fn files_of_any_format_are_checked() {
    let scores = MapDeserializer::<_, Error>::new([("scores", vec![0.5f32, f32::NAN])].into_iter());
    let error = SplitConformal::deserialize(scores).unwrap_err();
    assert_eq!(error.to_string(), "expected finite scores, found NaN at index 1");
    let threshold = serde_json::json!({"value": 1e39, "rate": 0.4, "basis": "asked"});
    let error = serde_json::from_value::<Threshold>(threshold).unwrap_err();
    assert_eq!(error.to_string(), "expected a finite threshold, found inf");
    let number: F64Deserializer<Error> = f64::NAN.into_deserializer();
    let error = FalseAlarmRate::deserialize(number).unwrap_err();
    assert_eq!(error.to_string(), "expected a false-alarm rate above 0 and below 1, found NaN");
}

/// As `docs/thresholds.md` shows it.
#[test]
fn realised_rates_at_five_percent() {
    for (images, mean, low, high) in [
        (19, 5.0, 0.3, 14.6),
        (40, 4.9, 0.9, 11.3),
        (100, 5.0, 2.0, 8.9),
        (200, 5.0, 2.7, 7.7),
        (500, 5.0, 3.5, 6.7),
        (1000, 5.0, 3.9, 6.2),
    ] {
        let law = counting(images).realised_rate(FalseAlarmRate::DEFAULT).unwrap();
        let rounded = |rate: f64| (1000.0 * rate).round() / 10.0;
        let found = law.interval(0.9).unwrap();
        let found = (rounded(law.mean()), rounded(found.0), rounded(found.1));
        assert_eq!(found, (mean, low, high), "{images} images");
    }
    assert_eq!(RealisedRate::new(40, FalseAlarmRate::DEFAULT).unwrap().mean(), 2.0 / 41.0);
    let huge = RealisedRate::new(10_000_000, rate(1e-7)).unwrap();
    let (low, high) = huge.interval(0.9).unwrap();
    // Beta(1, n) is 1 - (1 - x)^n.
    assert!((low / 5.129e-9 - 1.0).abs() < 1e-3 && (high / 2.9957e-7 - 1.0).abs() < 1e-3);
}
