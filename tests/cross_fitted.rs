//! Ensembles of folds: for few images, each scored by the model that was trained without it.
#![cfg(feature = "flex")]

#[allow(dead_code)] // Shared with the behavioural suite, which uses all of it.
mod suite;

use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use image::DynamicImage;
use nfbmr::calibration::{CalibrationError, RateBasis};
use nfbmr::data::{Limits, OnBadFile};
use nfbmr::{
    AnomalyModel, CalibrateError, CrossCalibration, CrossFitting, DefectPixels, Detection,
    FalseAlarmRate, FeatureCache, Images, ModelError, ModelInfo, Phase, PipelineError, Progress,
    StoredBackbone, System, TrainingStorage, weights,
};
use nfbmr_backend::Cpu;
use nfbmr_pipeline::FORMAT_VERSION;
use nfbmr_test_support::read_model::read_model;
use nfbmr_test_support::rewrite::{Tensor, rewrite};
use safetensors::SafeTensors;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

type CrossFitted = nfbmr_pipeline::CrossFitted<Cpu>;
type Pipeline = nfbmr_pipeline::Pipeline<Cpu>;

const FOLDS: usize = 4;

/// Of twelve gears in four folds.
static MODEL: LazyLock<CrossFitted> =
    LazyLock::new(|| train(&good(12), &TrainingStorage::default()).unwrap());

fn good(count: u64) -> Vec<DynamicImage> {
    suite::gears(count, 0, 1)
}

/// Good and defective gears that no model was trained on.
fn others() -> Vec<DynamicImage> {
    suite::gears(3, 3, 2)
}

fn go_on(_: &Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn rate(rate: f64) -> FalseAlarmRate {
    FalseAlarmRate::new(rate).unwrap()
}

fn train<'a>(
    images: impl Into<Images<'a>>,
    storage: &TrainingStorage,
) -> Result<CrossFitted, PipelineError> {
    train_with(images, CrossFitting::new(FOLDS, None), storage, &mut go_on)
}

fn train_with<'a>(
    images: impl Into<Images<'a>>,
    fitting: CrossFitting,
    storage: &TrainingStorage,
    progress: &mut nfbmr::ProgressFn<'_>,
) -> Result<CrossFitted, PipelineError> {
    suite::cross_fit(&suite::small(), weights::embedded(), images, fitting, storage, progress)
}

/// What the folds of a model say.
fn cross(model: &CrossFitted) -> &CrossCalibration {
    model.calibration().cross().unwrap()
}

/// Which pixels belong to a defect.
fn marked(detection: &Detection) -> &[bool] {
    match &detection.defect_pixels {
        Some(DefectPixels::Marked(pixels)) => pixels,
        other => panic!("{other:?}"),
    }
}

fn refused<T>(result: Result<T, PipelineError>) -> CalibrateError {
    match result {
        Err(PipelineError::Calibration(error)) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("expected an error"),
    }
}

fn same(a: &Detection, b: &Detection) {
    assert_eq!(a.score.to_bits(), b.score.to_bits());
    assert_eq!(a.verdict, b.verdict);
    assert_eq!((&a.anomaly_map, &a.defect_pixels), (&b.anomaly_map, &b.defect_pixels));
}

/// The images that a model was not trained on: those that it lets itself be calibrated on.
fn held_out<'a>(model: &Pipeline, images: &'a [DynamicImage]) -> Vec<&'a DynamicImage> {
    let new = |image: &&DynamicImage| {
        let mut model = model.clone();
        match model.calibrate(std::slice::from_ref(*image), None, &mut go_on) {
            Ok(_) => true,
            Err(PipelineError::Calibration(CalibrateError::TrainedOn { .. })) => false,
            Err(other) => panic!("{other}"),
        }
    };
    images.iter().filter(new).collect()
}

fn peak(detection: &Detection) -> f32 {
    detection.anomaly_map.values.iter().copied().fold(f32::MIN, f32::max)
}

#[test]
fn p_values_count_the_images_that_each_model_was_not_trained_on() {
    let images = good(12);
    let calibration = cross(&MODEL);
    let mut all = BTreeSet::new();
    // Of each model, the scores and the peaks of the images that it hasn't seen.
    let mut by_fold = Vec::new();
    for (fold, model) in MODEL.models().iter().enumerate() {
        let new = held_out(model, &images);
        assert_eq!((new.len(), model.training_images()), (3, 9));
        all.extend(new.iter().map(|image| image.as_bytes().to_vec()));
        let found: Vec<Detection> = new.iter().map(|image| model.detect(image).unwrap()).collect();
        let mut scores: Vec<f32> = found.iter().map(|found| found.score).collect();
        let mut peaks: Vec<f32> = found.iter().map(peak).collect();
        scores.sort_by(f32::total_cmp);
        peaks.sort_by(f32::total_cmp);
        assert_eq!(calibration.image_scores().folds()[fold].scores(), scores);
        assert_eq!(calibration.pixel_scores().unwrap().folds()[fold].scores(), peaks);
        by_fold.push((scores, peaks));
    }
    assert_eq!(all.len(), 12, "each image is held out once");
    assert_eq!(calibration.rate(), rate(1.0 / 13.0));
    assert_eq!(calibration.basis(), RateBasis::SmallestSupported);
    // k = 1, m = 3: (2 (k - 1) + m) / (n + m).
    assert_eq!(calibration.bound().proven, 3.0 / 15.0);

    let at_least = |scores: &[f32], score: f32| scores.iter().filter(|s| **s >= score).count();
    let mut anomalous = 0;
    for image in others() {
        let joint = MODEL.detect(&image).unwrap();
        let each: Vec<Detection> =
            MODEL.models().iter().map(|model| model.detect(&image).unwrap()).collect();
        let with_fold = || each.iter().zip(&by_fold);
        let higher: usize = with_fold().map(|(d, (scores, _))| at_least(scores, d.score)).sum();
        let mean = each.iter().map(|d| f64::from(d.score)).sum::<f64>() / FOLDS as f64;
        let verdict = joint.verdict.unwrap();
        assert_eq!((joint.score, verdict.score), (mean as f32, mean as f32));
        assert_eq!(verdict.p_value, (1.0 + higher as f64) / 13.0);
        assert_eq!(verdict.is_anomalous, higher == 0);
        anomalous += usize::from(higher == 0);

        let pixels = marked(&joint);
        for (pixel, &found) in pixels.iter().enumerate() {
            let values = || with_fold().map(|(d, fold)| (d.anomaly_map.values[pixel], fold));
            let higher: usize = values().map(|(value, (_, peaks))| at_least(peaks, value)).sum();
            assert_eq!(found, higher == 0, "pixel {pixel}");
            let mean = values().map(|(value, _)| f64::from(value)).sum::<f64>() / FOLDS as f64;
            assert_eq!(joint.anomaly_map.values[pixel], mean as f32);
        }
        let regions = joint.regions().unwrap().unwrap();
        let area: u64 = regions.iter().map(|region| region.area).sum();
        assert_eq!(area, pixels.iter().filter(|found| **found).count() as u64);
        let likelihood = joint.likelihood.as_ref().unwrap().score;
        let each = each.iter().map(|d| f64::from(d.likelihood.as_ref().unwrap().score));
        assert_eq!(likelihood, (each.sum::<f64>() / FOLDS as f64) as f32);
    }
    assert!(anomalous > 0, "the comparison saw both verdicts");
}

#[test]
fn a_model_of_a_fold_is_that_of_its_images_in_the_order_of_their_contents() {
    let images = good(12);
    let model = &MODEL.models()[2];
    let new: Vec<&[u8]> = held_out(model, &images).into_iter().map(|i| i.as_bytes()).collect();
    let mut others: Vec<DynamicImage> =
        images.iter().filter(|image| !new.contains(&image.as_bytes())).cloned().collect();
    others.sort_by_key(|image| {
        let size = [image.width().to_le_bytes(), image.height().to_le_bytes()].concat();
        Sha256::digest([&size, image.to_rgb8().as_raw().as_slice()].concat()).to_vec()
    });
    let alone: Pipeline = suite::train(&suite::small(), &others).unwrap();
    for image in self::others() {
        same(&model.detect(&image).unwrap(), &alone.detect(&image).unwrap());
    }
}

#[test]
fn a_loaded_model_gives_the_same_verdicts_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, whole) = (folder.path().join("plain"), folder.path().join("whole"));
    MODEL.save(&plain, StoredBackbone::Referred).unwrap();
    MODEL.save(&whole, StoredBackbone::Included).unwrap();
    let images = others();
    let before = MODEL.detect_batch(&images).unwrap();
    for (path, weights) in [(&plain, weights::embedded()), (&whole, None)] {
        let by_name = nfbmr::Pipeline::load(path).unwrap();
        let loaded = CrossFitted::load(path, weights, &Default::default()).unwrap();
        assert_eq!(by_name.calibration(), Some(MODEL.calibration()));
        for (image, before) in images.iter().zip(&before) {
            same(&loaded.detect(image).unwrap(), before);
            same(&by_name.detect(image).unwrap(), before);
        }
        let info = ModelInfo::read(path).unwrap();
        assert_eq!(info.format_version, FORMAT_VERSION);
        assert_eq!(info.training_images, 12);
        assert_eq!(info.calibration.as_ref(), Some(MODEL.calibration()));
        assert_eq!((&info.config, info.backbone_included), (MODEL.config(), weights.is_none()));
        assert_eq!(info.bytes, fs::metadata(path).unwrap().len());
        // As docs/file-format.md has it.
        if let Some(said) = read_model(path) {
            let said = said.unwrap();
            assert!(said.starts_with("ok: 4 folds of 12 images, each version 0, "), "{said}");
        }
    }
    let sizes = [&plain, &whole].map(|path| fs::metadata(path).unwrap().len());
    let backbone = weights::embedded().unwrap().as_bytes().len() as u64;
    assert!(sizes[1] - sizes[0] < backbone + 1000, "the backbone is there once: {sizes:?}");
    match CrossFitted::load(&plain, None, &Default::default()) {
        Err(PipelineError::Model { path, source: ModelError::Backbone { found: None, .. } }) => {
            assert_eq!(path, plain);
        }
        other => panic!("{:?}", other.map(|_| ())),
    }
}

#[test]
fn both_backbones_of_a_system_of_two_are_in_the_file() {
    let (config, weights) = (suite::small_of(System::MbPfm), suite::two_cnns());
    let (fitting, storage) = (CrossFitting::new(2, None), TrainingStorage::default());
    let weights = Some(&weights);
    let model: CrossFitted =
        suite::cross_fit(&config, weights, &good(4), fitting, &storage, &mut go_on).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    model.save(&path, StoredBackbone::Included).unwrap();
    let loaded = CrossFitted::load(&path, None, &Default::default()).unwrap();
    let image = &others()[0];
    same(&loaded.detect(image).unwrap(), &model.detect(image).unwrap());
}

#[test]
fn another_rate_changes_verdicts_and_no_p_value() {
    let mut model = MODEL.clone();
    let images = others();
    let before = model.detect_batch(&images).unwrap();
    model.calibration_mut().set_rate(rate(0.5)).unwrap();
    let calibration = cross(&model);
    assert_eq!((calibration.rate(), calibration.basis()), (rate(0.5), RateBasis::Asked));
    // k = 6: (2 · 5 + 3) / 15.
    assert_eq!(calibration.bound().proven, 13.0 / 15.0);
    let mut changed = false;
    for (image, before) in images.iter().zip(before) {
        let (before, now) =
            (before.verdict.unwrap(), model.detect(image).unwrap().verdict.unwrap());
        assert_eq!((before.p_value, before.score), (now.p_value, now.score));
        assert_eq!(now.is_anomalous, now.p_value <= 0.5);
        changed |= now.is_anomalous != before.is_anomalous;
    }
    assert!(changed);
    let too_small = model.calibration_mut().set_rate(rate(0.07)).unwrap_err();
    let CalibrateError::Refused(CalibrationError::UnsupportedRate { images, needed, .. }) =
        too_small
    else {
        panic!("{too_small}");
    };
    assert_eq!((images, needed), (12, 14));
    assert_eq!(model.calibration().rate(), rate(0.5), "the rate stays");
}

#[test]
fn what_an_ordinary_model_can_is_refused_with_what_to_do() {
    let mut model: Box<dyn AnomalyModel> = Box::new(MODEL.clone());
    let images = others();
    let refusals = [
        refused(model.calibrate((&images).into(), None, &mut go_on).map(|_| ())),
        model.calibration_mut().unwrap().set_threshold(1.0).unwrap_err(),
        model.calibration_mut().unwrap().set_pixel_threshold(1.0).unwrap_err(),
    ];
    for error in refusals {
        assert!(matches!(error, CalibrateError::CrossFitted { folds: FOLDS, .. }), "{error}");
        assert!(error.to_string().contains("set its false-alarm rate"), "{error}");
    }
    let calibration = model.calibration().unwrap();
    assert!(calibration.threshold().is_none() && calibration.pixel_threshold().is_none());
}

/// Before any file is read.
#[test]
fn folds_and_rates_that_the_images_do_not_support_are_refused() {
    let paths: Vec<PathBuf> = (0..12).map(|i| format!("absent-{i}").into()).collect();
    let error = |images: &[PathBuf], folds, rate: Option<f64>| {
        let mut builder = nfbmr::Pipeline::builder().config(suite::small()).folds(folds);
        if let Some(rate) = rate {
            builder = builder.false_alarm_rate(rate).unwrap();
        }
        refused(builder.train(images.to_vec()))
    };
    for folds in [0, 1] {
        let error = error(&paths, folds, None);
        let CalibrateError::Refused(CalibrationError::TooFewFolds { found }) = error else {
            panic!("{error}");
        };
        assert_eq!(found, folds);
    }
    let too_few = |folds, needed, found| CalibrateError::TooFewForFolds { folds, needed, found };
    assert_eq!(error(&paths, 13, None), too_few(13, 13, 12));
    assert_eq!(error(&paths[..2], 2, None), too_few(2, 3, 2));
    let needed = error(&paths, 5, Some(0.08));
    let expected = CalibrationError::UnsupportedRate { rate: 0.08, images: 10, needed: 12 };
    assert_eq!(needed, CalibrateError::Refused(expected));
}

#[test]
fn contents_that_repeat_count_once_and_what_is_left_over_trains_all() {
    let storage = TrainingStorage::default();
    let mut images = good(12);
    images.push(images[4].clone());
    let repeated = train(&images, &storage).unwrap();
    assert_eq!(repeated.calibration(), MODEL.calibration());
    let copies = vec![images[0].clone(); 12];
    let fails = train(&copies, &storage);
    assert!(fails.is_err(), "twelve copies are one image");

    let images = good(13);
    let model = train(&images, &storage).unwrap();
    assert_eq!(model.calibration().images(), 12);
    assert!(model.models().iter().all(|model| model.training_images() == 10));
}

#[test]
fn bad_files_can_be_skipped_and_are_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut paths: Vec<PathBuf> = Vec::new();
    for (i, image) in good(12).iter().enumerate() {
        paths.push(folder.path().join(format!("{i}.png")));
        image.save(&paths[i]).unwrap();
    }
    let broken = folder.path().join("broken.png");
    fs::write(&broken, "").unwrap();
    paths.insert(5, broken);
    let storage = TrainingStorage::default();
    assert!(matches!(train(&paths, &storage), Err(PipelineError::Data(_))));
    let mut skipped = Vec::new();
    let limits = Limits::default();
    let images = Images::Files { paths: &paths, limits, on_bad: OnBadFile::Skip(&mut skipped) };
    let model = train(images, &storage).unwrap();
    assert_eq!(model.calibration(), MODEL.calibration());
    assert_eq!(skipped.len(), 1);
}

#[test]
fn progress_names_the_fold_and_an_interrupted_training_resumes_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Arc::new(FeatureCache::open(folder.path().join("features")).unwrap());
    let mut storage = TrainingStorage::cached(cache.clone());
    storage.checkpoint = Some(folder.path().join("model.checkpoint"));
    let fitting = CrossFitting::new(FOLDS, None);
    let mut told = Vec::new();
    let result = train_with(&good(12), fitting.clone(), &storage, &mut |progress: &Progress| {
        told.push(progress.to_string());
        match (progress.fold, progress.phase) {
            (Some((3, FOLDS)), Phase::Bmr) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    });
    assert!(matches!(result, Err(PipelineError::Interrupted(Phase::Bmr))));
    assert!(told[0].starts_with("features: "), "{told:?}");
    assert!(
        told.iter().any(|line| line.starts_with("fold 2 of 4, level 1 of 2, flow: epoch 1 of 2")),
        "{told:?}"
    );
    assert_eq!(cache.len(), 24, "features of each image once, on two levels");
    let files = fitting.checkpoints(storage.checkpoint.as_ref().unwrap());
    assert_eq!(files.iter().filter(|path| path.exists()).count(), 3);
    assert_eq!(files[2], folder.path().join("model.checkpoint.3"));

    let resumed = train(&good(12), &storage).unwrap();
    assert_eq!(resumed.calibration(), MODEL.calibration());
    for image in others() {
        same(&resumed.detect(&image).unwrap(), &MODEL.detect(&image).unwrap());
    }
}

/// The error of a file by each of its readers.
#[track_caller]
fn error(path: &Path) -> ModelError {
    let model = |result: Result<(), PipelineError>| match result {
        Err(PipelineError::Model { path: named, source }) => {
            assert_eq!(named, path);
            source
        }
        other => panic!("{other:?}"),
    };
    let weights = weights::embedded();
    let by_name = model(nfbmr::Pipeline::load(path).map(|_| ()));
    let own = model(CrossFitted::load(path, weights, &Default::default()).map(|_| ()));
    assert_eq!(by_name.to_string(), own.to_string());
    own
}

#[test]
fn hostile_files_are_refused_with_their_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    MODEL.save(&path, StoredBackbone::Referred).unwrap();
    let changed = folder.path().join("changed");
    let unchanged = |metadata: String| metadata;
    let keep = |_: &str, _: &mut Tensor| true;
    rewrite(&path, &changed, unchanged, keep);
    assert!(CrossFitted::load(&changed, weights::embedded(), &Default::default()).is_ok());

    // Metadata.
    let with = |pointer: &'static str, value: Value| {
        rewrite(&path, &changed, |metadata| edited(&metadata, pointer, &value), keep);
        assert!(ModelInfo::read(&changed).is_err(), "{pointer}");
        error(&changed)
    };
    let newer = with("/format_version", json!(FORMAT_VERSION + 1));
    assert!(matches!(newer, ModelError::Version { found: 1, expected: 0 }), "{newer}");
    for folds in [json!(0), json!(3), json!(5), json!(u64::MAX)] {
        let found = with("/folds", folds);
        assert!(matches!(found, ModelError::Folds { .. }), "{found}");
    }
    let scores = "/calibration/image_scores/folds";
    let cases = [
        (scores, json!([])),
        (scores, json!([{"scores": [1.0]}])),
        ("/calibration/image_scores/folds/0/scores", json!([1.0])),
        ("/calibration/image_scores/folds/0/scores", json!([1.0, 2.0, 1e99])),
        ("/calibration/pixel_scores/folds/1/scores", json!([])),
        ("/calibration/rate", json!(0.01)),
        ("/calibration/rate", json!(1.5)),
        ("/calibration/basis", json!("default")),
        ("/calibration/surprise", json!(1)),
    ];
    for (pointer, value) in cases {
        let found = with(pointer, value);
        assert!(matches!(found, ModelError::Metadata(_)), "{pointer}: {found}");
    }
    // The bound follows from the rest, whatever the file says.
    let bound = json!({"asked": 0.1, "twice": 0.0, "proven": 0.0});
    rewrite(&path, &changed, |metadata| edited(&metadata, "/calibration/bound", &bound), keep);
    let loaded = CrossFitted::load(&changed, weights::embedded(), &Default::default()).unwrap();
    assert_eq!(loaded.calibration(), MODEL.calibration());

    // Tensors.
    let with = |change: &dyn Fn(&str, &mut Tensor) -> bool| {
        rewrite(&path, &changed, unchanged, change);
        assert!(ModelInfo::read(&changed).is_err());
        error(&changed)
    };
    let missing = with(&|name, _| name != "fold.2");
    assert_eq!(missing.to_string(), "expected a model for each fold, found none for fold 2");
    let typed = with(&|_, tensor| {
        tensor.dtype = safetensors::Dtype::I8;
        true
    });
    assert!(matches!(typed, ModelError::DType { .. }), "{typed}");
    // The model of one fold exchanged for other content.
    let put = |content: &[u8]| {
        with(&|name, tensor| {
            if name == "fold.1" {
                (tensor.data, tensor.shape) = (content.to_vec(), vec![content.len()]);
            }
            true
        })
    };
    let whole = fs::read(&path).unwrap();
    for (content, reason) in [(&b""[..], "fold 1: "), (b"text", "fold 1: "), (&whole, "ordinary")] {
        let found = put(content);
        assert!(matches!(found, ModelError::Fold { fold: 1, .. }), "{found}");
        assert!(found.to_string().contains(reason), "{found}");
    }
    let saved = |model: &Pipeline| {
        let path = folder.path().join("other");
        model.save(&path, StoredBackbone::Referred).unwrap();
        fs::read(&path).unwrap()
    };
    let mut config = suite::small();
    config.seed += 1;
    let other = put(&saved(&suite::train(&config, &good(4)).unwrap()));
    let reason = "expected models of one configuration and backbone, found another in fold 1";
    assert_eq!(other.to_string(), reason);
    let mut model = MODEL.models()[1].clone();
    model.calibrate(&others(), None, &mut go_on).unwrap();
    let calibrated = put(&saved(&model));
    assert!(calibrated.to_string().contains("aren't calibrated by themselves"), "{calibrated}");

    // A tensor that belongs to nothing.
    let metadata = |_: String| {
        let mut fewer = metadata_of(&whole);
        fewer["folds"] = json!(3);
        for scores in ["image_scores", "pixel_scores"] {
            fewer["calibration"][scores]["folds"].as_array_mut().unwrap().pop();
        }
        fewer["calibration"]["basis"] = json!("asked");
        fewer["calibration"]["rate"] = json!(0.5);
        fewer.to_string()
    };
    rewrite(&path, &changed, metadata, keep);
    let left = error(&changed);
    assert!(left.to_string().ends_with("found the tensor fold.3"), "{left}");
}

fn metadata_of(file: &[u8]) -> Value {
    let (_, header) = SafeTensors::read_metadata(file).unwrap();
    serde_json::from_str(&header.metadata().as_ref().unwrap()["nfbmr-cross-fitted"]).unwrap()
}

/// JSON with the value at a path set or added.
fn edited(metadata: &str, pointer: &str, value: &Value) -> String {
    let mut metadata: Value = serde_json::from_str(metadata).unwrap();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match metadata.pointer_mut(parent).unwrap() {
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value.clone(),
        object => object[key] = value.clone(),
    }
    metadata.to_string()
}

#[test]
fn damaged_files_and_models_of_the_other_kind_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (path, damaged) = (folder.path().join("model"), folder.path().join("damaged"));
    MODEL.save(&path, StoredBackbone::Referred).unwrap();
    let whole = fs::read(&path).unwrap();
    for position in (0..whole.len()).step_by(whole.len() / 40) {
        let mut bytes = whole.clone();
        bytes[position] ^= 0x10;
        fs::write(&damaged, &bytes).unwrap();
        let result = nfbmr::Pipeline::load(&damaged);
        assert!(matches!(result, Err(PipelineError::Model { .. })), "byte {position}");
        fs::write(&damaged, &whole[..position]).unwrap();
        let result = CrossFitted::load(&damaged, weights::embedded(), &Default::default());
        assert!(matches!(result, Err(PipelineError::Model { .. })), "{position} bytes");
    }
    let kind = |result: Result<(), PipelineError>| match result {
        Err(PipelineError::Model { source: ModelError::Kind { cross_fitted }, .. }) => cross_fitted,
        other => panic!("{other:?}"),
    };
    let device = Default::default();
    assert!(kind(Pipeline::load(&path, weights::embedded(), &device).map(|_| ())));
    let ordinary = folder.path().join("ordinary");
    MODEL.models()[0].save(&ordinary, StoredBackbone::Referred).unwrap();
    assert!(!kind(CrossFitted::load(&ordinary, weights::embedded(), &device).map(|_| ())));
    assert!(nfbmr::Pipeline::load(&ordinary).is_ok());
}
