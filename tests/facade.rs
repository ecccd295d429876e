//! The detector as programs see it: trained, saved, loaded, and what it says of an image.
#![cfg(all(feature = "flex", feature = "embedded-weights"))]

#[allow(dead_code)] // Shared with the behavioural suite, which uses all of it.
mod suite;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use image::DynamicImage;
use nfbmr::data::{DataError, Limits, list_images, load_image};
use nfbmr::{
    AnomalyModel, CalibrateError, DeviceName, Note, Phase, Pipeline, PipelineBuilder,
    PipelineConfig, PipelineError, StoredBackbone, WhiteLevel,
};
use serde_json::{Value, json};
use suite::{gears, small};

/// Writes images to a folder, in the order of their names.
fn write(images: &[DynamicImage], folder: &Path) -> Vec<PathBuf> {
    let path = |index| folder.join(format!("{index:02}.png"));
    let paths: Vec<PathBuf> = (0..images.len()).map(path).collect();
    images.iter().zip(&paths).for_each(|(image, path)| image.save(path).unwrap());
    paths
}

fn builder<'a>() -> PipelineBuilder<'a> {
    Pipeline::builder().config(small())
}

/// The bytes of a model's file.
fn saved(pipeline: &Pipeline) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.nfbmr");
    pipeline.save(&path).unwrap();
    fs::read(path).unwrap()
}

fn score(pipeline: &Pipeline, image: &DynamicImage) -> u32 {
    pipeline.detect(image).unwrap().score.to_bits()
}

#[test]
fn a_folder_of_good_parts_makes_a_detector() {
    let folder = tempfile::tempdir().unwrap();
    write(&gears(6, 0, 1), folder.path());
    let pipeline = Pipeline::train(folder.path()).unwrap();
    let mut config = PipelineConfig::default();
    // What the default leaves open.
    config.alignment = pipeline.config().alignment;
    config.augmentation = pipeline.config().augmentation;
    config.kinds = pipeline.config().kinds;
    assert_eq!(pipeline.config(), &config);
    assert_eq!(pipeline.device(), DeviceName::Cpu);
    assert_eq!(pipeline.calibration().unwrap().images(), 1, "a fifth");

    let path = folder.path().join("part.nfbmr");
    pipeline.save(&path).unwrap();
    let loaded = Pipeline::load(&path).unwrap();
    assert_eq!(loaded.config(), pipeline.config());
    assert_eq!(loaded.calibration(), pipeline.calibration());
    let image = &gears(0, 1, 2)[0];
    assert_eq!(score(&loaded, image), score(&pipeline, image));
}

#[test]
fn a_file_has_the_weights_that_are_not_embedded() {
    let folder = tempfile::tempdir().unwrap();
    let (images, path) = (gears(5, 0, 1), folder.path().join("part.nfbmr"));
    let pipeline = builder().train(&images).unwrap();
    let length = |save: &dyn Fn()| {
        save();
        fs::metadata(&path).unwrap().len()
    };
    let embedded = nfbmr::weights::embedded().unwrap();
    let backbone = embedded.as_bytes().len() as u64;
    let by_default = length(&|| pipeline.save(&path).unwrap());
    let included = length(&|| pipeline.save_with(&path, StoredBackbone::Included).unwrap());
    assert!(included > by_default + backbone, "{included} and {by_default}");
    assert_eq!(score(&Pipeline::load(&path).unwrap(), &images[0]), score(&pipeline, &images[0]));

    // The same network in another file.
    let other = nfbmr_backbone::Weights::from_bytes(embedded.as_bytes()).unwrap();
    let other = other.to_safetensors(nfbmr_backbone::Storage::F16).unwrap();
    let other = nfbmr::BackboneWeights::new(other);
    let pipeline = builder().weights(other.clone()).train(&images).unwrap();
    let by_default = length(&|| pipeline.save(&path).unwrap());
    assert!(by_default > other.as_bytes().len() as u64, "{by_default}");
    assert!(Pipeline::load(&path).is_ok());
    pipeline.save_with(&path, StoredBackbone::Referred).unwrap();
    let refused = Pipeline::load(&path).unwrap_err();
    assert!(matches!(refused, PipelineError::Model { .. }), "{refused}");
    assert!(Pipeline::builder().weights(other).load(&path).is_ok());
}

#[test]
fn images_are_held_out_folded_or_all_trained_on() {
    let images = gears(10, 0, 1);
    let rate = |rate: f64| builder().false_alarm_rate(rate);
    let pipeline = builder().train(&images).unwrap();
    assert_eq!(pipeline.calibration().unwrap().images(), 2, "a fifth");
    assert!(pipeline.drift().unwrap().is_none(), "too few");
    let half = rate(0.2).unwrap().hold_out(0.5).train(&images).unwrap();
    let calibration = half.calibration().unwrap();
    assert_eq!((calibration.images(), calibration.rate().get()), (5, 0.2));

    let many = builder().hold_out(0.8).train(&gears(25, 0, 1)).unwrap();
    assert!(many.drift().unwrap().is_some());
    let pipeline = builder().hold_out(0.0).train(&images).unwrap();
    assert!(pipeline.calibration().is_none() && pipeline.drift().unwrap().is_none());
    let detection = pipeline.detect(&images[0]).unwrap();
    assert_eq!((detection.p_value(), detection.is_anomalous()), (None, None));
    assert_eq!(detection.regions(), Ok(None));

    let folds = builder().folds(2).train(&images).unwrap();
    let calibration = folds.calibration().unwrap();
    assert_eq!((calibration.images(), calibration.threshold()), (10, None));
    assert!(calibration.cross().is_some() && folds.drift().unwrap().is_none());
    assert!(folds.detect(&images[0]).unwrap().p_value().is_some());

    for refused in [0.0, 1.0, f64::NAN] {
        assert!(matches!(rate(refused).err(), Some(PipelineError::Calibration(_))), "{refused}");
    }
    // Before anything is read or trained.
    let nowhere: Vec<PathBuf> = (0..10).map(|i| format!("nowhere/{i}.png").into()).collect();
    for builder in [rate(0.3).unwrap(), rate(0.05).unwrap().folds(3), builder().folds(1)] {
        let refused = builder.train(nowhere.clone()).unwrap_err();
        let expected = PipelineError::Calibration(CalibrateError::Uncalibrated);
        assert_eq!(
            std::mem::discriminant(&refused),
            std::mem::discriminant(&expected),
            "{refused}"
        );
    }
    for share in [-0.1, 1.0, f64::NAN] {
        let refused = builder().hold_out(share).train(nowhere.clone()).unwrap_err();
        assert!(matches!(refused, PipelineError::HoldOut(_)), "{share}: {refused}");
    }
}

#[test]
fn an_interrupted_training_goes_on_to_the_same_model() {
    let images = gears(10, 0, 1);
    let folder = tempfile::tempdir().unwrap();
    let expected = [builder().train(&images), builder().folds(2).train(&images)];
    for (folds, expected) in [false, true].into_iter().zip(expected) {
        let resume = folder.path().join(format!("resume/{folds}"));
        let builder = || {
            let builder = builder().resume(&resume);
            if folds { builder.folds(2) } else { builder }
        };
        for stop in [Phase::Flow, Phase::Bmr] {
            // The first epoch of a phase is kept at once.
            let interrupted = builder().progress(|progress| {
                let last_fold = progress.fold.is_none_or(|(fold, folds)| fold == folds);
                match progress.phase == stop && progress.epoch == 2 && last_fold {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            });
            let result = interrupted.train(&images);
            assert!(
                matches!(result, Err(PipelineError::Interrupted(phase)) if phase == stop),
                "{result:?}"
            );
            assert!(resume.join("features").exists());
        }
        let resumed = builder().train(&images).unwrap();
        assert!(saved(&resumed) == saved(&expected.unwrap()), "folds: {folds}");
    }
}

#[test]
fn the_training_tells_what_it_took_and_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let paths = write(&gears(8, 0, 1), folder.path());
    fs::write(folder.path().join("broken.png"), "no image").unwrap();
    fs::copy(&paths[2], folder.path().join("copy.png")).unwrap();
    fs::write(folder.path().join("notes.txt"), "no image").unwrap();

    let refused = builder().train(folder.path()).unwrap_err();
    assert!(
        matches!(&refused, PipelineError::Data(DataError::Decode { path, .. }) if path.ends_with("broken.png")),
        "{refused}"
    );
    let notes = RefCell::new(Vec::new());
    let pipeline = builder()
        .hold_out(0.0)
        .skip_bad(true)
        .notes(|note| notes.borrow_mut().push((std::mem::discriminant(note), note.to_string())))
        .train(folder.path())
        .unwrap();
    let notes = notes.take();
    let told = |what: &str| notes.iter().filter(|(_, note)| note.contains(what)).count();
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert_eq!(told("skipped: ") + told("a copy of"), 2, "{notes:?}");
    assert_eq!(told("broken.png") + told("copy.png"), 2, "{notes:?}");

    // As if they were not there.
    let clean = tempfile::tempdir().unwrap();
    write(&gears(8, 0, 1), clean.path());
    let without = builder().hold_out(0.0).train(list_images(clean.path()).unwrap()).unwrap();
    assert!(saved(&pipeline) == saved(&without));
}

#[test]
fn a_guessed_white_level_is_told() {
    let deep = |image: DynamicImage| {
        let mut image = image.to_rgb16();
        image.iter_mut().for_each(|value| *value /= 16);
        DynamicImage::from(image)
    };
    let images: Vec<DynamicImage> = gears(6, 0, 1).into_iter().map(deep).collect();
    let mut told = Vec::new();
    let notes = |note: &Note| match note {
        Note::WhiteLevel(WhiteLevel { value, .. }) => told.push(*value),
        other => panic!("{other:?}"),
    };
    let pipeline = builder().notes(notes).train(&images).unwrap();
    assert_eq!(told, [4095]);
    assert_eq!(AnomalyModel::white_level(&pipeline), Some(4095));
}

#[test]
fn files_and_images_in_memory_make_the_same_model() {
    let folder = tempfile::tempdir().unwrap();
    let paths = write(&gears(7, 0, 1), folder.path());
    let images: Vec<DynamicImage> =
        paths.iter().map(|path| load_image(path, &Limits::default()).unwrap()).collect();
    for folds in [false, true] {
        let builder = || if folds { builder().folds(3) } else { builder() };
        let of_files = builder().train(paths.clone()).unwrap();
        let of_folder = builder().train(folder.path()).unwrap();
        let of_images = builder().train(&images).unwrap();
        assert!(saved(&of_files) == saved(&of_folder), "folds: {folds}");
        assert!(saved(&of_files) == saved(&of_images), "folds: {folds}");
    }
}

#[test]
fn weights_of_another_network_are_refused() {
    let mut config = small();
    config.backbone.variant = nfbmr::config::Variant::Lite1;
    let refused = Pipeline::builder().config(config).train("nowhere").unwrap_err();
    assert!(matches!(refused, PipelineError::WeightsVariant { .. }), "{refused}");
}

#[test]
fn a_detection_is_json() {
    let images = gears(12, 2, 1);
    let mut pipeline = builder().hold_out(0.0).train(&images[..4].to_vec()).unwrap();
    let keys = [
        "score",
        "p_value",
        "is_anomalous",
        "threshold",
        "regions",
        "located",
        "kind",
        "width",
        "height",
    ];
    let fields = |pipeline: &Pipeline| {
        let detection = pipeline.detect(&images[13]).unwrap();
        let value = serde_json::to_value(&detection).unwrap();
        let found: BTreeSet<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(found, BTreeSet::from(keys));
        assert_eq!(value["score"], json!(detection.score));
        assert_eq!((&value["width"], &value["height"]), (&json!(suite::SIDE), &json!(suite::SIDE)));
        (detection, value)
    };
    let (_, value) = fields(&pipeline);
    for key in ["p_value", "is_anomalous", "threshold", "regions"] {
        assert_eq!(value[key], Value::Null, "{key}");
    }
    let mut go_on = |_: &nfbmr::Progress| ControlFlow::Continue(());
    pipeline.calibrate(&images[4..12].to_vec(), None, &mut go_on).unwrap();
    pipeline.calibration_mut().unwrap().set_threshold(-1e6).unwrap();
    pipeline.calibration_mut().unwrap().set_pixel_threshold(-1e6).unwrap();
    let (detection, value) = fields(&pipeline);
    assert_eq!(value["p_value"], json!(detection.p_value().unwrap()));
    assert_eq!((&value["is_anomalous"], &value["threshold"]), (&json!(true), &json!(-1e6)));
    let regions = detection.regions().unwrap().unwrap();
    assert_eq!(value["regions"], json!(regions));
    assert_eq!(value["regions"][0]["area"], json!(suite::SIDE * suite::SIDE));
}

#[test]
fn a_heatmap_has_the_size_of_its_image() {
    let images = gears(8, 1, 1);
    for share in [0.0, 0.5] {
        let pipeline = builder().hold_out(share).train(&images[..8].to_vec()).unwrap();
        let detection = pipeline.detect(&images[8]).unwrap();
        let drawn = pipeline.heatmap(&images[8].to_rgb8(), &detection).unwrap();
        assert_eq!(drawn.dimensions(), (suite::SIDE, suite::SIDE));
        assert_ne!(drawn, images[8].to_rgb8());
    }
}

/// The images are gone by the time that they are to be scored.
#[test]
fn a_model_that_cannot_be_calibrated_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let paths = write(&gears(8, 0, 3), folder.path());
    let notes = RefCell::new(Vec::new());
    let pipeline = builder()
        .progress(|progress| {
            if progress.phase == Phase::Bmr {
                paths
                    .iter()
                    .filter(|path| path.exists())
                    .for_each(|path| fs::remove_file(path).unwrap());
            }
            ControlFlow::Continue(())
        })
        .notes(|note| notes.borrow_mut().push(note.to_string()))
        .train(paths.clone())
        .unwrap();
    assert!(pipeline.calibration().is_none());
    let notes = notes.into_inner();
    assert!(notes.iter().any(|note| note.starts_with("not calibrated: cannot read")), "{notes:?}");
    assert!(pipeline.detect(&gears(0, 1, 2)[0]).unwrap().score.is_finite());
}

/// Copies of images in memory are called by their places among those given.
#[test]
fn copies_in_memory_are_named_by_their_index() {
    let mut images = gears(9, 0, 3);
    images.push(images[4].clone());
    let copies = |builder: PipelineBuilder<'_>| {
        let notes = RefCell::new(Vec::new());
        let told = |note: &Note| notes.borrow_mut().push(note.to_string());
        builder.notes(told).train(&images).unwrap();
        notes.into_inner()
    };
    let either = [
        "left out: the image at index 9, a copy of the image at index 4",
        "left out: the image at index 4, a copy of the image at index 9",
    ];
    for builder in [builder(), builder().hold_out(0.0), builder().folds(3)] {
        let notes = copies(builder);
        assert!(notes.len() == 1 && either.contains(&notes[0].as_str()), "{notes:?}");
    }
}
