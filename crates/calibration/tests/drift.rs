//! How often a drift monitor raises an alarm without drift, and how soon with one.

use nfbmr_calibration::{
    DriftAlarm, DriftMonitor, FalseAlarmRate, Shift, SplitConformal, UniformityTest,
};
use nfbmr_test_support::statistics::{Scores, mean, normal};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const STREAMS: u64 = 1000;

fn rate(rate: f64) -> FalseAlarmRate {
    FalseAlarmRate::new(rate).unwrap()
}

/// The alarm of one stream, whose scores `draw` gives by their index, if there is any.
fn watch(
    scores: Scores,
    images: usize,
    asked: f64,
    length: u32,
    rng: &mut ChaCha8Rng,
    draw: impl Fn(u32, &mut ChaCha8Rng) -> f32,
) -> Option<DriftAlarm> {
    let calibration = SplitConformal::new(scores.many(images, rng)).unwrap();
    let mut monitor = DriftMonitor::new(&calibration, rate(asked), rng.random());
    (0..length).find_map(|index| {
        let score = draw(index, rng);
        monitor.observe(score, rng.random()).unwrap()
    })
}

#[test]
fn without_drift_alarms_are_as_rare_as_asked() {
    for (seed, scores) in [Scores::Normal, Scores::HeavyTies, Scores::MostlyZero].iter().enumerate()
    {
        for images in [5, 40] {
            let mut rng = ChaCha8Rng::seed_from_u64(seed as u64);
            let alarms: Vec<f64> = (0..STREAMS)
                .map(|_| watch(*scores, images, 0.2, 600, &mut rng, |_, rng| scores.draw(rng)))
                .map(|alarm| f64::from(u8::from(alarm.is_some())))
                .collect();
            let (realised, error) = mean(&alarms);
            println!("{scores:?}, {images} images, asked 0.2: {realised:.3} ± {error:.3}");
            assert!(realised <= 0.2 + 3.0 * error, "{scores:?}, {images} images: {realised}");
        }
    }
}

#[test]
fn uniform_p_values_raise_alarms_as_rarely_as_asked() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let highest: Vec<f64> = (0..STREAMS)
        .map(|_| {
            let mut test = UniformityTest::new();
            (0..1000).map(|_| test.observe(rng.random()).unwrap()).fold(1.0, f64::max)
        })
        .collect();
    for asked in [0.02, 0.05, 0.2, 0.5] {
        let alarms = highest.iter().map(|&e| f64::from(u8::from(e >= 1.0 / asked)));
        let (realised, error) = mean(&alarms.collect::<Vec<_>>());
        println!("uniform p-values, asked {asked}: {realised:.3} ± {error:.3}");
        assert!(realised <= asked + 3.0 * error, "asked {asked}: {realised} ± {error}");
    }
}

/// Why the monitor does not take the p-values of a fixed calibration.
#[test]
fn p_values_of_one_calibration_would_raise_false_alarms() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let alarms = (0..200).filter(|_| {
        let calibration = SplitConformal::new(Scores::Normal.many(40, &mut rng)).unwrap();
        let mut test = UniformityTest::new();
        (0..2000).any(|_| {
            let score = normal(&mut rng);
            let p_value = calibration.smoothed_p_value(score, rng.random()).unwrap();
            test.observe(p_value).unwrap() >= 20.0
        })
    });
    let share = alarms.count() as f64 / 200.0;
    println!("p-values of one calibration, asked 0.05: {share:.3}");
    assert!(share > 0.3, "asked 0.05: {share}");
}

/// How many images the alarm takes after the change, in the slowest of 99 % of 300 streams.
fn delay(images: usize, before: u32, shift: f32, expected: Shift, seed: u64) -> u64 {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut delays: Vec<u64> = (0..300)
        .map(|_| {
            let draw = |index: u32, rng: &mut ChaCha8Rng| {
                normal(rng) + if index < before { 0.0 } else { shift }
            };
            let alarm = watch(Scores::Normal, images, 0.01, before + 2000, &mut rng, draw);
            alarm.map_or(u64::MAX, |alarm| {
                if alarm.images <= u64::from(before) {
                    return 0;
                }
                assert_eq!(alarm.shift, expected);
                alarm.images - u64::from(before)
            })
        })
        .collect();
    delays.sort_unstable();
    assert!(delays.iter().filter(|&&delay| delay == 0).count() <= 12, "false alarms");
    delays[delays.len() * 99 / 100]
}

#[test]
fn shifted_scores_raise_an_alarm_soon() {
    for (images, before, shift, expected, within) in [
        (40, 0, 3.0, Shift::Higher, 40),
        (40, 0, -3.0, Shift::Lower, 40),
        (100, 0, 2.0, Shift::Higher, 40),
        (100, 1000, 2.0, Shift::Higher, 80),
        (100, 1000, -2.0, Shift::Lower, 80),
    ] {
        let found = delay(images, before, shift, expected, 5);
        println!("{images} images, shift of {shift} after {before}: within {found}");
        assert!(found <= within, "{images} images, shift of {shift} after {before}: {found}");
    }
}

#[test]
fn many_defects_raise_the_alarm_and_single_ones_do_not() {
    let share_of_alarms = |defects: f32| {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let draw = move |_, rng: &mut ChaCha8Rng| {
            if rng.random::<f32>() < defects { 9.0 } else { normal(rng) }
        };
        let alarm = |_: &u64| watch(Scores::Normal, 100, 0.01, 300, &mut rng, draw).is_some();
        (0..200u64).filter(alarm).count() as f64 / 200.0
    };
    assert!(share_of_alarms(0.5) > 0.99);
    assert!(share_of_alarms(0.02) < 0.03);
}

fn monitor() -> DriftMonitor {
    let scores: Vec<f32> = vec![0.0, -0.0, 1.0, 1.0, 1.0, 2.5];
    DriftMonitor::new(&SplitConformal::new(scores).unwrap(), rate(0.05), 1)
}

#[test]
fn a_stored_monitor_goes_on_where_it_was() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let mut monitor = monitor();
    let mut stored = monitor.clone();
    let mut alarm = None;
    for index in 0..60 {
        let (score, uniform) = (if index < 20 { rng.random() } else { 9.0 }, rng.random());
        alarm = monitor.observe(score, uniform).unwrap();
        assert_eq!(stored.observe(score, uniform).unwrap(), alarm);
        stored = serde_json::from_str(&serde_json::to_string(&stored).unwrap()).unwrap();
        assert_eq!(stored, monitor);
    }
    let text = alarm.unwrap().to_string();
    assert!(
        text.contains("no longer look like those of the calibration: they are higher"),
        "{text}"
    );
    assert!(text.contains("frequent defects do so too"), "{text}");
    // Raised, it stays as it is.
    let evidence = monitor.evidence();
    assert_eq!(monitor.observe(0.0, 0.5).unwrap(), alarm);
    assert_eq!((monitor.alarm(), monitor.evidence()), (alarm, evidence));
}

#[test]
fn unusable_images_and_stored_monitors_are_refused() {
    let mut monitor = monitor();
    let message = |result: Result<_, nfbmr_calibration::CalibrationError>| {
        result.map(|_: Option<DriftAlarm>| ()).unwrap_err().to_string()
    };
    let refused = message(monitor.observe(f32::NAN, 0.5));
    assert_eq!(refused, "expected finite scores, found NaN at index 0");
    let refused = message(monitor.observe(1.0, 1.5));
    assert_eq!(refused, "expected a uniform random number from 0 to 1, found 1.5");
    assert_eq!(monitor, self::monitor());
    assert!(UniformityTest::new().observe(f64::NAN).is_err());

    let json = serde_json::to_value(&monitor).unwrap();
    for (pointer, value, expected) in [
        ("/rate", "1.0", "above 0 and below 1, found 1"),
        ("/stream/scores", "[]", "at least 1 normal image"),
        ("/stream/scores/5", "0.5", "ascending scores"),
        ("/stream/tie_breakers", "[0.5]", "a tie-breaker for each score, found 1"),
        ("/stream/tie_breakers/0", "1.5", "tie-breakers from 0 to 1, found 1.5"),
        ("/stream/tie_breakers/4", "0.0", "ascending scores and tie-breakers"),
        ("/stream/counts", "[1]", "a count for each gap between scores, found 1"),
        ("/stream/counts/0", "18446744073709551615", "at most 2^53"),
        ("/stream/counts/0", "-1", "expected u64"),
        ("/test/capital/1", "-0.5", "finite capital of at least 0, found -0.5"),
        ("/test/capital/1", "null", "expected f64"),
        ("/test", r#"{"capital":[0.0,0.0,0.0],"observed":0,"more":1}"#, "unknown field"),
    ] {
        let mut json = json.clone();
        *json.pointer_mut(pointer).unwrap() = serde_json::from_str(value).unwrap();
        let error = serde_json::from_value::<DriftMonitor>(json).unwrap_err().to_string();
        assert!(error.contains(expected), "{pointer}: {error}");
    }
}

#[test]
fn evidence_stays_finite() {
    let mut test = UniformityTest::new();
    for _ in 0..5000 {
        assert!(test.observe(0.0).unwrap().is_finite());
    }
    assert!(test.evidence() > 1e300);
    let mut test = UniformityTest::new();
    for _ in 0..50_000 {
        assert!(test.observe(0.5).unwrap() > 0.0);
    }
}
