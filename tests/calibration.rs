//! Calibrated models: thresholds and verdicts from good images held out of training.
#![cfg(feature = "flex")]

#[allow(dead_code)] // Shared with the behavioural suite, which uses all of it.
mod suite;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use image::DynamicImage;
use nfbmr::calibration::{CalibrationError, RateBasis, SplitConformal};
use nfbmr::data::{Limits, OnBadFile, list_images};
use nfbmr::{
    CalibrateError, DefectRegion, FalseAlarmRate, ImageName, Images, Phase, PipelineError,
    Progress, ScoreMap, SplitCalibration, StoredBackbone, System, weights,
};
use nfbmr_backend::Cpu;
use nfbmr_pipeline::Pipeline;
use nfbmr_synthetic::{Kind, PartClass};
use nfbmr_test_support::rewrite::rewrite;
use nfbmr_test_support::statistics::{beta_binomial, critical_distance, distances, mean};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

const TRAINING_SEED: u64 = 1;

/// Trained on four gears; not calibrated.
static MODEL: LazyLock<Pipeline<Cpu>> =
    LazyLock::new(|| suite::train(&suite::small(), &training()).unwrap());

fn training() -> Vec<DynamicImage> {
    suite::gears(4, 0, TRAINING_SEED)
}

/// Gears that the model was not trained on.
fn others(count: u64) -> Vec<DynamicImage> {
    suite::gears(count, 0, 2)
}

fn rate(rate: f64) -> Option<FalseAlarmRate> {
    Some(FalseAlarmRate::new(rate).unwrap())
}

fn go_on(_: &Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn calibrated(images: &[DynamicImage], rate: Option<FalseAlarmRate>) -> Pipeline<Cpu> {
    let mut model = MODEL.clone();
    model.calibrate(images, rate, &mut go_on).unwrap();
    model
}

/// What a model was calibrated to.
fn split(model: &Pipeline<Cpu>) -> &SplitCalibration {
    model.calibration().and_then(nfbmr::Calibration::split).unwrap()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, PipelineError>) -> CalibrateError {
    match result {
        Err(PipelineError::Calibration(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn write(images: &[DynamicImage], folder: &Path, name: &str) -> Vec<PathBuf> {
    let path = |index| folder.join(format!("{name}{index:02}.png"));
    let paths: Vec<PathBuf> = (0..images.len()).map(path).collect();
    images.iter().zip(&paths).for_each(|(image, path)| image.save(path).unwrap());
    paths
}

#[test]
fn verdicts_follow_the_scores_of_the_calibration() {
    let images = others(25);
    let model = calibrated(&images, None);
    let calibration = split(&model);
    assert_eq!((calibration.rate().get(), calibration.basis()), (0.05, RateBasis::Default));

    let mut detections = MODEL.detect_batch(&images).unwrap();
    assert!(detections.iter().all(|detection| detection.verdict.is_none()), "not calibrated");
    let (scores, peaks): (Vec<f32>, Vec<f32>) = detections.iter().map(scored).unzip();
    assert_eq!(calibration.image_scores(), &SplitConformal::new(scores.as_slice()).unwrap());
    assert_eq!(
        calibration.pixel_scores().unwrap(),
        &SplitConformal::new(peaks.as_slice()).unwrap()
    );
    // k = 1 at 5 % of 26.
    let (threshold, pixel_threshold) =
        (calibration.threshold(), calibration.pixel_threshold().unwrap());
    assert_eq!(threshold.value, scores.iter().copied().fold(f32::MIN, f32::max));
    assert_eq!(pixel_threshold.value, peaks.iter().copied().fold(f32::MIN, f32::max));
    assert!(!threshold.set_by_hand && !pixel_threshold.set_by_hand);

    let tested = suite::gears(3, 9, 3);
    detections = model.detect_batch(&tested).unwrap();
    for (image, detection) in tested.iter().zip(&detections) {
        let verdict = detection.verdict.unwrap();
        let as_high = scores.iter().filter(|&&score| score >= detection.score).count();
        assert_eq!(verdict.score, detection.score);
        assert_eq!(verdict.p_value, (1 + as_high) as f64 / 26.0);
        assert_eq!(verdict.is_anomalous, as_high == 0);
        assert_eq!(model.detect(image).unwrap().verdict, detection.verdict);
    }
}

#[test]
fn a_loaded_model_gives_the_same_verdicts_to_the_bit() {
    let mut model = calibrated(&others(30), rate(0.1));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let tested = suite::gears(4, 8, 3);
    for by_hand in [false, true] {
        if by_hand {
            let calibration = model.calibration_mut().unwrap();
            calibration.set_threshold(0.1 + 0.2).unwrap();
            calibration.set_pixel_threshold(f32::MIN_POSITIVE).unwrap();
        }
        model.save(&path, StoredBackbone::Referred).unwrap();
        let loaded = Pipeline::<Cpu>::load(&path, weights::embedded(), &Default::default());
        let loaded = loaded.unwrap();
        assert_eq!(loaded.calibration(), model.calibration());
        assert_eq!(loaded.training_images(), 4);
        for image in &tested {
            let (before, after) = (model.detect(image).unwrap(), loaded.detect(image).unwrap());
            let bits = |detection: &nfbmr::Detection| {
                let verdict = detection.verdict.unwrap();
                (verdict.score.to_bits(), verdict.p_value.to_bits(), verdict.is_anomalous)
            };
            assert_eq!(bits(&before), bits(&after));
        }
    }
}

#[test]
fn images_that_were_trained_on_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let good = write(&others(10), folder.path(), "good");
    // The same pixels in other files, one of them of another format.
    let mut known = write(&training()[..2], folder.path(), "known");
    known.push(folder.path().join("known.bmp"));
    training()[3].save(&known[2]).unwrap();
    let paths: Vec<PathBuf> = good[..9].iter().chain(&known).chain(&good[9..]).cloned().collect();

    let mut model = calibrated(&others(20), None);
    let before = model.calibration().cloned();
    let mut seen = 0;
    let error = refused(model.calibrate(&paths, None, &mut |progress| {
        assert_eq!((progress.phase, progress.total_images), (Phase::Calibration, 13));
        seen = progress.images;
        ControlFlow::Continue(())
    }));
    let first = ImageName::Path(known[0].clone());
    assert_eq!(error, CalibrateError::TrainedOn { found: 3, first });
    let message = error.to_string();
    assert!(message.contains("found 3") && message.contains("known00.png"), "{message}");
    assert_eq!(seen, 13, "all are looked at for their number");
    assert_eq!(model.calibration().cloned(), before, "an earlier calibration stays");

    let in_memory = [others(1), training()].concat();
    let error = refused(MODEL.clone().calibrate(&in_memory, None, &mut go_on));
    assert_eq!(error, CalibrateError::TrainedOn { found: 4, first: ImageName::Index(1) });

    // A loaded model knows them as well.
    let path = folder.path().join("model");
    model.save(&path, StoredBackbone::Referred).unwrap();
    let mut loaded =
        Pipeline::<Cpu>::load(&path, weights::embedded(), &Default::default()).unwrap();
    assert_eq!(refused(loaded.calibrate(&in_memory, None, &mut go_on)), error);
    assert!(loaded.calibrate(&good, None, &mut go_on).is_ok());
}

#[test]
fn a_rate_that_the_images_do_not_support_is_refused_before_they_are_read() {
    let nowhere: Vec<PathBuf> =
        (0..98).map(|index| format!("nowhere/{index}.png").into()).collect();
    let error = refused(MODEL.clone().calibrate(&nowhere, rate(0.01), &mut |_| unreachable!()));
    let too_few = CalibrationError::UnsupportedRate { rate: 0.01, images: 98, needed: 99 };
    assert_eq!(error, CalibrateError::Refused(too_few));

    // A copy is no further image.
    let images = others(9);
    assert!(MODEL.clone().calibrate(&images, rate(0.1), &mut go_on).is_ok());
    let copied = [&images[..8], &images[..2]].concat();
    let error = refused(MODEL.clone().calibrate(&copied, rate(0.1), &mut go_on));
    let too_few = CalibrationError::UnsupportedRate { rate: 0.1, images: 8, needed: 9 };
    assert_eq!(error, CalibrateError::Refused(too_few));

    let nothing: &[DynamicImage] = &[];
    let error = refused(MODEL.clone().calibrate(nothing, None, &mut go_on));
    assert_eq!(error, CalibrateError::Refused(CalibrationError::NoScores));
}

#[test]
fn few_images_give_the_smallest_rate_that_they_support() {
    let model = calibrated(&others(4), None);
    let calibration = model.calibration().unwrap();
    assert_eq!(calibration.rate().get(), 0.2);
    assert_eq!(calibration.basis(), RateBasis::SmallestSupported);
    assert_eq!(calibration.images(), 4);
}

#[test]
fn repeated_contents_count_once() {
    let images = others(11);
    let once = calibrated(&images, None);
    let repeated = [&images[..], &images[3..], &images[..1]].concat();
    assert_eq!(calibrated(&repeated, None).calibration(), once.calibration());
}

#[test]
fn files_calibrate_as_images_in_memory_and_bad_ones_can_be_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let images = others(10);
    write(&images, folder.path(), "good");
    fs::write(folder.path().join("good03-bad.png"), "no image").unwrap();
    let paths = list_images(folder.path()).unwrap();
    let mut model = MODEL.clone();
    assert!(matches!(model.calibrate(&paths, None, &mut go_on), Err(PipelineError::Data(_))));
    assert!(model.calibration().is_none());

    let mut skipped = Vec::new();
    let skipping = Images::Files {
        paths: &paths,
        limits: Limits::default(),
        on_bad: OnBadFile::Skip(&mut skipped),
    };
    let found = model.calibrate(skipping, None, &mut go_on).unwrap();
    assert_eq!(Some(found), calibrated(&images, None).calibration());
    assert_eq!(skipped.len(), 1);

    // Names are those of the files after a bad one is left out.
    let last = training().pop().unwrap();
    last.save(folder.path().join("good08-known.png")).unwrap();
    let paths = list_images(folder.path()).unwrap();
    let skipping = Images::Files {
        paths: &paths,
        limits: Limits::default(),
        on_bad: OnBadFile::Skip(&mut skipped),
    };
    match refused(model.calibrate(skipping, None, &mut go_on)) {
        CalibrateError::TrainedOn { found: 1, first: ImageName::Path(path) } => {
            assert!(path.ends_with("good08-known.png"), "{}", path.display());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_caller_can_interrupt_and_an_earlier_calibration_stays() {
    let mut model = calibrated(&others(6), None);
    let before = model.calibration().cloned();
    let stopped = model.calibrate(&others(30), None, &mut |progress| match progress.images {
        0..16 => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    });
    assert!(matches!(stopped, Err(PipelineError::Interrupted(Phase::Calibration))), "{stopped:?}");
    assert_eq!(model.calibration().cloned(), before);
}

#[test]
fn a_threshold_set_by_hand_changes_verdicts_and_no_p_value() {
    let image = &others(1)[0];
    let mut model = MODEL.clone();
    assert_eq!(model.calibration_mut().unwrap_err(), CalibrateError::Uncalibrated);

    let computed = model.calibrate(&others(20), None, &mut go_on).unwrap().clone();
    let before = model.detect(image).unwrap().verdict.unwrap();
    assert!(!before.is_anomalous, "it is one of the calibration");
    // A score that equals the threshold is normal.
    model.calibration_mut().unwrap().set_threshold(before.score).unwrap();
    assert!(!model.detect(image).unwrap().verdict.unwrap().is_anomalous);
    model.calibration_mut().unwrap().set_threshold(before.score.next_down()).unwrap();
    let after = model.detect(image).unwrap().verdict.unwrap();
    assert_eq!((after.score, after.p_value), (before.score, before.p_value));
    assert!(after.is_anomalous);
    let calibration = split(&model);
    assert_eq!(calibration.threshold().value, before.score.next_down());
    assert!(
        calibration.threshold().set_by_hand && !calibration.pixel_threshold().unwrap().set_by_hand
    );

    model.calibration_mut().unwrap().set_pixel_threshold(-0.5).unwrap();
    let calibration = split(&model);
    assert_eq!(calibration.pixel_threshold().unwrap().value, -0.5);
    assert!(calibration.pixel_threshold().unwrap().set_by_hand);
    assert_eq!((calibration.rate(), calibration.basis()), (computed.rate(), computed.basis()));
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let calibration = model.calibration_mut().unwrap();
        for result in [calibration.set_threshold(value), calibration.set_pixel_threshold(value)] {
            let error = result.unwrap_err();
            assert!(error.to_string().starts_with("expected a finite threshold"), "{error}");
        }
    }
    assert_eq!(split(&model).pixel_threshold().unwrap().value, -0.5);

    // Calibrating anew forgets what was set by hand.
    assert_eq!(model.calibrate(&others(20), None, &mut go_on).unwrap(), &computed);
}

#[test]
fn regions_are_what_is_above_the_pixel_threshold() {
    let images = others(30);
    let model = calibrated(&images, rate(0.2));
    let threshold = split(&model).pixel_threshold().unwrap().value;
    let regions = |image: &DynamicImage| -> (ScoreMap, Vec<DefectRegion>) {
        let detection = model.detect(image).unwrap();
        let regions = detection.regions().unwrap().unwrap();
        assert_eq!(regions, detection.anomaly_map.regions(threshold).unwrap());
        (detection.anomaly_map, regions)
    };
    // k = 6 at 20 % of 31, and the 6th largest is itself normal.
    let flagged = images.iter().filter(|image| !regions(image).1.is_empty()).count();
    assert_eq!(flagged, 5);

    let mut defects = 0;
    let larger = suite::images(Kind::Part(PartClass::Gear), 0, 6, 9, 64);
    for image in larger.iter().map(|image| image.crop_imm(0, 8, 64, 40)) {
        let (map, regions) = regions(&image);
        assert_eq!((map.width, map.height), (64, 40));
        let above = |x: u32, y: u32| map.values[(y * 64 + x) as usize] > threshold;
        let inside = |region: &DefectRegion, x: u32, y: u32| {
            (region.x..region.x + region.width).contains(&x)
                && (region.y..region.y + region.height).contains(&y)
        };
        let mut pixels = 0;
        for (x, y) in
            (0..40).flat_map(|y| (0..64).map(move |x| (x, y))).filter(|&(x, y)| above(x, y))
        {
            pixels += 1;
            assert!(regions.iter().any(|region| inside(region, x, y)), "{x}, {y}");
        }
        assert_eq!(regions.iter().map(|region| region.area).sum::<u64>(), pixels);
        for region in &regions {
            assert!(region.x + region.width <= 64 && region.y + region.height <= 40);
            let columns = region.x..region.x + region.width;
            let first = columns.clone().any(|x| above(x, region.y));
            assert!(first && columns.clone().any(|x| above(x, region.y + region.height - 1)));
            assert_eq!(region.peak, map.values[(region.peak_y * 64 + region.peak_x) as usize]);
        }
        assert!(regions.is_sorted_by(|a, b| a.peak >= b.peak));
        defects += regions.len();
    }
    assert!(defects > 0);
}

#[test]
fn scores_that_are_not_finite_are_refused_with_their_image() {
    let config = suite::small_of(System::Nf);
    let mut model = suite::train::<Cpu>(&config, &training()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    model.save(&path, StoredBackbone::Referred).unwrap();
    // Finite parameters of a file whose features overflow.
    rewrite(
        &path,
        &path,
        |metadata| metadata,
        |name, tensor| {
            if name.starts_with("flow.") && name.ends_with(".bias") {
                tensor.data.as_chunks_mut().0.fill(f32::MAX.to_le_bytes());
            }
            true
        },
    );
    model = Pipeline::load(&path, weights::embedded(), &Default::default()).unwrap();
    match refused(model.calibrate(&others(3), None, &mut go_on)) {
        CalibrateError::NonFiniteScore { image: ImageName::Index(0), found } => {
            assert!(!found.is_finite());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_model_on_a_device_by_name_is_calibrated_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    MODEL.save(&path, StoredBackbone::Referred).unwrap();
    let mut model = nfbmr::Pipeline::load(&path).unwrap();
    assert_eq!(model.calibration(), None);
    let images = others(12);
    let found = model.calibrate(&images, None, &mut go_on).unwrap().clone();
    assert_eq!(Some(&found), calibrated(&images, None).calibration());
    let calibration = model.calibration_mut().unwrap();
    calibration.set_threshold(-1.0).unwrap();
    calibration.set_pixel_threshold(-2.0).unwrap();
    assert!(model.detect(&images[0]).unwrap().verdict.unwrap().is_anomalous);
    model.save(&path).unwrap();
    let loaded = Pipeline::<Cpu>::load(&path, weights::embedded(), &Default::default()).unwrap();
    assert_eq!(loaded.calibration(), model.calibration());
    assert_eq!(split(&loaded).pixel_threshold().unwrap().value, -2.0);
}

/// Over random splits of scored good images into calibration and test, the rate asked for is kept on average
/// by both thresholds, and single calibrations scatter by the law of the documentation.
#[test]
fn realised_rates_keep_the_asked_one_and_follow_their_law() {
    const SPLITS: usize = 2000;
    const HELD_OUT: usize = 59;
    let scored: Vec<Scored> =
        MODEL.detect_batch(&others(150)).unwrap().iter().map(scored).collect();
    let tests = scored.len() - HELD_OUT;
    // Multiples of 1 / 60, so that the mean is to equal the rate.
    for (rate, k) in [(0.05, 3), (0.1, 6), (0.3, 18)] {
        let mut rng = ChaCha8Rng::seed_from_u64(k as u64);
        let mut scored = scored.clone();
        let mut false_alarms = [const { Vec::new() }; 2];
        for _ in 0..SPLITS {
            scored.shuffle(&mut rng);
            let (held_out, tested) = scored.split_at(HELD_OUT);
            let calibration = calibration_of(held_out, rate);
            let image = |&&(score, _): &&Scored| calibration.verdict(score).unwrap().is_anomalous;
            let pixel = |&&(_, peak): &&Scored| peak > calibration.pixel_threshold().unwrap().value;
            false_alarms[0].push(tested.iter().filter(image).count());
            false_alarms[1].push(tested.iter().filter(pixel).count());
        }
        for (what, counts) in ["images", "pixels"].into_iter().zip(&false_alarms) {
            let rates: Vec<f64> = counts.iter().map(|&n| n as f64 / tests as f64).collect();
            let (mean, error) = mean(&rates);
            println!("{what}, asked {rate}: {mean:.4} ± {error:.4}");
            assert!(mean <= rate + 3.0 * error, "{what} at {rate}: {mean} ± {error}");
            let apart = |k: usize| {
                let law = beta_binomial(tests, k as f64, (HELD_OUT + 1 - k) as f64);
                let (above, below) = distances(counts, &law);
                above.max(below)
            };
            assert!(apart(k) < critical_distance(SPLITS), "{what} at {rate}: {}", apart(k));
            // The test is sharp enough to tell the laws of neighbouring ranks.
            assert!(apart(k + 1) > critical_distance(SPLITS), "{what} at {rate}");
        }
    }
}

/// The score of an image and the largest value of its anomaly map.
type Scored = (f32, f32);

fn scored(detection: &nfbmr::Detection) -> Scored {
    let highest = detection.anomaly_map.values.iter().copied().fold(f32::MIN, f32::max);
    (detection.score, highest)
}

/// As a model file holds it; thresholds other than those of the rate are refused.
fn calibration_of(scored: &[Scored], rate: f64) -> SplitCalibration {
    let side = |scores: Vec<f32>| {
        let scores = SplitConformal::new(scores).unwrap();
        let threshold = scores.threshold(FalseAlarmRate::new(rate).unwrap()).unwrap();
        let threshold = json!({"value": threshold.value, "set_by_hand": false});
        (serde_json::to_value(&scores).unwrap(), threshold)
    };
    let (image_scores, threshold) = side(scored.iter().map(|&(score, _)| score).collect());
    let (pixel_scores, pixel_threshold) = side(scored.iter().map(|&(_, peak)| peak).collect());
    let calibration = json!({
        "rate": rate, "basis": "asked", "threshold": threshold, "pixel_threshold": pixel_threshold,
        "image_scores": image_scores, "pixel_scores": pixel_scores,
    });
    serde_json::from_value(calibration).unwrap()
}
