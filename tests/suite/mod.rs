//! What every backend must do, as functions generic over the backend.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;

use image::{DynamicImage, Rgb, RgbImage};
use nfbmr::backbone::BackboneConfig;
use nfbmr::backend::Backend;
use nfbmr::cache::FeatureCache;
use nfbmr::pipeline::{
    CrossFitted, CrossFitting, Fusion, Pipeline, Pooling, TargetCnnConfig, Trainer, TrainingError,
    TrainingStorage,
};
use nfbmr::synthetic::{Kind, PartClass, generate};
use nfbmr::{BackboneWeights, Frame, PipelineConfig, PipelineError, PixelFormat, System, weights};

pub const SIDE: u32 = 48;

/// A configuration that trains in a moment, on ndarray too.
pub fn small() -> PipelineConfig {
    let mut config = PipelineConfig::default();
    config.backbone.block = 4;
    config.earlier_blocks = vec![2];
    config.input_size = SIDE;
    config.flow.hidden = 16;
    config.flow.couplings = 2;
    config.flow_training.epochs = 2;
    config.flow_training.batch_size = 4;
    config.bmr.latent = 16;
    config.bmr.inner = 8;
    config.bmr_training.epochs = 2;
    config.bmr_training.batch_size = 4;
    config
}

/// Generated images, the first `good` without a defect.
pub fn images(kind: Kind, good: u64, defective: u64, seed: u64, side: u32) -> Vec<DynamicImage> {
    let defects = kind.defects();
    let image = |index: u64| {
        let defect = (index >= good).then(|| defects[index as usize % defects.len()]);
        generate(kind, seed, index, defect, side).unwrap().image.into()
    };
    (0..good + defective).map(image).collect()
}

/// Generated gears, the first `good` without a defect.
pub fn gears(good: u64, defective: u64, seed: u64) -> Vec<DynamicImage> {
    images(Kind::Part(PartClass::Gear), good, defective, seed, SIDE)
}

pub fn train<B: Backend>(
    config: &PipelineConfig,
    images: &[DynamicImage],
) -> Result<Pipeline<B>, PipelineError> {
    train_with(config, weights::embedded(), images)
}

pub fn train_with<B: Backend>(
    config: &PipelineConfig,
    weights: Option<&BackboneWeights>,
    images: &[DynamicImage],
) -> Result<Pipeline<B>, PipelineError> {
    let go_on = &mut |_: &nfbmr::Progress| ControlFlow::Continue(());
    Pipeline::train(config, weights, images, &Default::default(), go_on)
}

/// Relative to the largest value.
#[track_caller]
pub fn assert_close(what: &str, a: &[f32], b: &[f32], tolerance: f32) {
    assert_eq!(a.len(), b.len(), "{what}");
    let scale = b.iter().fold(0f32, |scale, v| scale.max(v.abs()));
    let error = a.iter().zip(b).fold(0f32, |error, (a, b)| error.max((a - b).abs()));
    assert!(error <= tolerance * scale, "{what}: off by {error} where values reach {scale}");
}

pub fn training_is_reproducible_and_depends_on_the_seed<B: Backend>() {
    let images = gears(5, 1, 3);
    let scores = |seed: u64| -> Vec<f32> {
        let mut config = small();
        config.seed = seed;
        let pipeline = train::<B>(&config, &images[..5]).unwrap();
        pipeline.detect_batch(&images).unwrap().iter().map(|d| d.score).collect()
    };
    assert_eq!(scores(1), scores(1));
    assert_ne!(scores(1), scores(2));
}

pub fn a_saved_model_scores_the_same_to_the_bit<B: Backend>() {
    let images = gears(4, 1, 4);
    let pipeline = train::<B>(&small(), &images[..4]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let before = pipeline.detect(&images[4]).unwrap();
    for (name, included) in [("reference", false), ("included", true)] {
        let path = folder.path().join(name);
        let embedded = match included {
            true => pipeline.save_with_backbone(&path).map(|()| None),
            false => pipeline.save(&path).map(|()| weights::embedded()),
        };
        let loaded = Pipeline::<B>::load(&path, embedded.unwrap(), &Default::default()).unwrap();
        let after = loaded.detect(&images[4]).unwrap();
        assert_eq!(loaded.config(), pipeline.config());
        assert_eq!(before.score.to_bits(), after.score.to_bits());
        assert_eq!(before.anomaly_map, after.anomaly_map);
    }
}

/// Every system trains, and a saved one scores the same.
pub fn every_system_trains_detects_and_saves<B: Backend>() {
    let images = gears(8, 4, 13);
    let folder = tempfile::tempdir().unwrap();
    let device = Default::default();
    let mut config = small();
    config.bpfm.latent = 16;
    config.target_cnn = Some(target_cnn());
    let weights = two_cnns();
    let weights = Some(&weights);
    for system in System::ALL {
        config.system = system;
        let pipeline = train_with::<B>(&config, weights, &images[..6]).unwrap();
        let path = folder.path().join(system.name());
        pipeline.save(&path).unwrap();
        let loaded = Pipeline::<B>::load(&path, weights, &device).unwrap();
        assert_eq!(loaded.config(), &config);
        if system == System::MbPfm {
            pipeline.save_with_backbone(&path).unwrap();
            Pipeline::<B>::load(&path, None, &device).unwrap();
        }
        for image in &images[6..] {
            let (before, after) = (pipeline.detect(image).unwrap(), loaded.detect(image).unwrap());
            assert!(before.score.is_finite(), "{system}");
            let (before_map, after_map) = (&before.anomaly_map.values, &after.anomaly_map.values);
            assert_close(system.name(), &[after.score], &[before.score], 1e-5);
            assert_close(system.name(), after_map, before_map, 1e-5);
            let size = (before.anomaly_map.width, before.anomaly_map.height);
            assert_eq!(size, (SIDE, SIDE), "{system}");
        }
    }
}

/// A second CNN for [`small`]'s: other blocks of the same network.
pub fn target_cnn() -> TargetCnnConfig {
    let config = small();
    let mut target = TargetCnnConfig::new(BackboneConfig { block: 3, ..config.backbone });
    target.earlier_blocks = config.earlier_blocks;
    target.latents = vec![8, 12];
    target
}

/// The embedded weights for both CNNs.
pub fn two_cnns() -> BackboneWeights {
    let weights = weights::embedded().unwrap().clone();
    weights.clone().with_target(weights)
}

/// What a trainer makes depends on the configuration alone, not on what it made before.
pub fn a_trainer_gives_what_a_training_gives<B: Backend>() {
    let images = gears(5, 0, 14);
    let mut config = small();
    let device = Default::default();
    let mut go_on = |_: &nfbmr::Progress| ControlFlow::Continue(());
    let weights = weights::embedded();
    let storage = TrainingStorage::default();
    let mut trainer =
        Trainer::<B>::new(&config, weights, &images, &storage, &device, &mut go_on).unwrap();
    for system in [System::Nf, System::NfBmr] {
        config.system = system;
        let shared = trainer.train(&config, &mut go_on).unwrap().detect(&images[0]).unwrap();
        let alone = train::<B>(&config, &images).unwrap().detect(&images[0]).unwrap();
        assert_eq!(shared.score.to_bits(), alone.score.to_bits(), "{system}");
    }
    config.input_size /= 2;
    let refused = trainer.train(&config, &mut go_on);
    assert!(matches!(refused, Err(PipelineError::Config(_))), "{refused:?}");
}

/// Features from a cache train the same model as those just extracted, in memory or not.
pub fn cached_features_train_the_same_model<B: Backend>() {
    let images = gears(5, 0, 15);
    let mut config = small();
    config.target_cnn = Some(target_cnn());
    let device = Default::default();
    let weights = two_cnns();
    let score = |config: &PipelineConfig, storage: TrainingStorage| {
        let mut go_on = |_: &nfbmr::Progress| ControlFlow::Continue(());
        Trainer::<B>::new(config, Some(&weights), &images, &storage, &device, &mut go_on)
            .and_then(|mut trainer| trainer.train(config, &mut go_on))
            .and_then(|pipeline| pipeline.detect(&images[0]))
            .map(|detection| detection.score.to_bits())
    };
    for system in [System::NfBmr, System::MbPfm] {
        config.system = system;
        let folder = tempfile::tempdir().unwrap();
        let cache = Arc::new(FeatureCache::open(folder.path().join("features.nfc")).unwrap());
        let storage = TrainingStorage::cached(cache.clone());
        let first = score(&config, storage.clone()).unwrap();
        // Two levels; two blocks of either CNN, of which one is the same.
        let of_an_image = if system == System::MbPfm { 3 } else { 2 };
        assert_eq!(cache.len(), of_an_image * images.len());
        let filled = cache.bytes();
        assert_eq!(first, score(&config, storage.clone()).unwrap(), "{system}");
        assert_eq!(cache.bytes(), filled, "the second training wrote nothing");
        // Read from the file at each step.
        let mut storage = storage;
        storage.memory = 0;
        let from_file = score(&config, storage.clone()).unwrap();
        assert_eq!(first, from_file, "{system}");
        storage.cache = None;
        let none = score(&config, storage);
        assert!(
            matches!(
                none,
                Err(PipelineError::Training(TrainingError::FeatureMemory { images: 5, .. }))
            ),
            "{none:?}"
        );
    }
}

pub fn a_calibrated_model_has_verdicts<B: Backend>() {
    let images = gears(18, 4, 16);
    let (training, held_out, tested) = (&images[..4], &images[4..16], &images[16..]);
    let mut pipeline = train::<B>(&small(), training).unwrap();
    let mut go_on = |_: &nfbmr::Progress| ControlFlow::Continue(());
    assert!(pipeline.calibrate(&images[..16], None, &mut go_on).is_err(), "it knows four of them");
    let calibration = pipeline.calibrate(held_out, None, &mut go_on).unwrap().clone();
    assert_eq!(calibration.image_scores().images(), 12);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    pipeline.save(&path).unwrap();
    let loaded = Pipeline::<B>::load(&path, weights::embedded(), &Default::default()).unwrap();
    assert_eq!(loaded.calibration(), Some(&calibration));
    for detection in loaded.detect_batch(tested).unwrap() {
        let verdict = detection.verdict.unwrap();
        assert_eq!(verdict.p_value, calibration.image_scores().p_value(detection.score).unwrap());
        assert_eq!(verdict.is_anomalous, detection.score > calibration.threshold().value);
    }
}

pub fn a_cross_fitted_model_has_verdicts<B: Backend>() {
    let images = gears(8, 4, 17);
    let mut go_on = |_: &nfbmr::Progress| ControlFlow::Continue(());
    let fitting = CrossFitting { folds: 2, rate: None };
    let (device, storage) = (Default::default(), TrainingStorage::default());
    let (training, weights) = (&images[..6], weights::embedded());
    let model = CrossFitted::<B>::train(
        &small(),
        weights,
        training,
        &fitting,
        &storage,
        &device,
        &mut go_on,
    );
    let model = model.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    model.save(&path).unwrap();
    let loaded = CrossFitted::<B>::load(&path, weights, &device).unwrap();
    assert_eq!(loaded.cross_calibration(), model.cross_calibration());
    for (image, batched) in images[6..].iter().zip(loaded.detect_batch(&images[6..]).unwrap()) {
        let scores: Vec<f32> =
            model.models().iter().map(|model| model.detect(image).unwrap().score).collect();
        let verdict = model.detect(image).unwrap().verdict.unwrap();
        assert_eq!(verdict, model.cross_calibration().verdict(&scores).unwrap());
        assert_close("score", &[batched.score], &[verdict.score], 1e-3);
    }
}

pub fn a_batch_scores_as_its_images_do<B: Backend>() {
    // A GPU's kernels are chosen by shape and round differently.
    let tolerance = if B::workers() > 1 { 1e-4 } else { 1e-3 };
    let mut images = gears(7, 2, 5);
    images[3] = images[3].crop_imm(0, 0, 50, 90);
    let pipeline = train::<B>(&small(), &images[..7]).unwrap();
    let batch = pipeline.detect_batch(&images).unwrap();
    assert_eq!(batch.len(), images.len());
    for (image, in_batch) in images.iter().zip(&batch) {
        let alone = pipeline.detect(image).unwrap();
        let map = &alone.anomaly_map;
        assert_eq!((map.width, map.height), (image.width(), image.height()));
        assert_close("score", &[in_batch.score], &[alone.score], tolerance);
        assert_close("map", &in_batch.anomaly_map.values, &map.values, tolerance);
        for component in [&alone.source, &alone.target, &alone.likelihood] {
            let map = &component.as_ref().unwrap().map;
            assert_eq!(map.values.len(), (map.width * map.height) as usize);
        }
    }
    assert!(pipeline.detect_batch(&[]).unwrap().is_empty());
}

pub fn frames_score_as_images_do<B: Backend>() {
    let images = gears(4, 0, 6);
    let pipeline = train::<B>(&small(), &images).unwrap();
    let rgb = images[0].to_rgb8();
    let stride = 3 * SIDE as usize + 5;
    let mut bytes = vec![77; stride * SIDE as usize];
    for (row, pixels) in bytes.chunks_mut(stride).zip(rgb.as_raw().chunks(3 * SIDE as usize)) {
        row[..pixels.len()].copy_from_slice(pixels);
    }
    let frame = Frame::new(&bytes, SIDE, SIDE, stride, PixelFormat::Rgb8).unwrap();
    let expected = pipeline.detect(&images[0]).unwrap();
    assert_eq!(pipeline.detect_frame(&frame).unwrap().score, expected.score);

    let grey = images[0].to_luma8();
    let frame = Frame::new(&grey, SIDE, SIDE, SIDE as usize, PixelFormat::Mono8).unwrap();
    let expected = pipeline.detect(&DynamicImage::ImageLuma8(grey.clone())).unwrap();
    assert_eq!(pipeline.detect_frame(&frame).unwrap().score, expected.score);
}

pub fn threads_share_a_pipeline<B: Backend>() {
    let images = gears(4, 0, 7);
    let pipeline = train::<B>(&small(), &images).unwrap();
    let expected: Vec<f32> = images.iter().map(|i| pipeline.detect(i).unwrap().score).collect();
    thread::scope(|scope| {
        let detect = |image| pipeline.detect(image).unwrap().score;
        let threads: Vec<_> = images.iter().map(|i| scope.spawn(move || detect(i))).collect();
        let found: Vec<f32> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_close("scores", &found, &expected, 1e-5);
    });
}

pub fn normalized_scores_average_one_on_the_training_images<B: Backend>() {
    let images = gears(6, 0, 8);
    let mut config = small();
    (config.fusion, config.pooling) = (Fusion::Normalized, Pooling::Mean);
    let pipeline = train::<B>(&config, &images).unwrap();
    let detections = pipeline.detect_batch(&images).unwrap();
    let mean = detections.iter().map(|d| d.score).sum::<f32>() / images.len() as f32;
    assert!((mean - 1.0).abs() < 1e-3, "{mean}");
}

pub fn images_that_cannot_train_are_refused<B: Backend>() {
    let refused = |images: &[DynamicImage]| match train::<B>(&small(), images) {
        Err(PipelineError::Training(error)) => error,
        other => panic!("{other:?}"),
    };
    let gear = gears(1, 0, 9);
    let blank = |grey: u8| DynamicImage::from(RgbImage::from_pixel(40, 40, Rgb([grey; 3])));
    assert_eq!(refused(&[]), TrainingError::TooFewImages { found: 0, skipped: 0 });
    assert_eq!(refused(&gear), TrainingError::TooFewImages { found: 1, skipped: 0 });
    assert_eq!(refused(&[gear[0].clone(), gear[0].clone()]), TrainingError::Identical(2));
    assert_eq!(refused(&[blank(3), blank(200), blank(9)]), TrainingError::Blank(3));
}

pub fn a_loss_that_is_not_finite_stops_training<B: Backend>() {
    let mut config = small();
    config.flow_training.learning_rate = 1e30;
    let error = train::<B>(&config, &gears(4, 0, 10)).unwrap_err();
    let expected = nfbmr::Phase::Flow;
    assert!(
        matches!(
            error,
            PipelineError::Training(TrainingError::NotFinite { phase, .. }) if phase == expected
        ),
        "{error}"
    );
}

pub fn the_caller_can_interrupt<B: Backend>() {
    let images = gears(4, 0, 11);
    for stop in [nfbmr::Phase::Features, nfbmr::Phase::Flow, nfbmr::Phase::Bmr] {
        let result = Pipeline::<B>::train(
            &small(),
            weights::embedded(),
            &images,
            &Default::default(),
            &mut |progress| match progress.phase == stop {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            },
        );
        assert!(matches!(result, Err(PipelineError::Interrupted(phase)) if phase == stop));
    }
}

/// A model trained on the default CPU backend scores the same on another device.
#[cfg(feature = "flex")]
#[allow(dead_code)] // Only with another backend in the build.
pub fn agrees_with_the_cpu(device: nfbmr::DeviceName, tolerance: f32) {
    let images = gears(4, 2, 12);
    let pipeline = train::<nfbmr::backend::Cpu>(&small(), &images[..4]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    pipeline.save(&path).unwrap();
    let other = nfbmr::load(&path, weights::embedded(), device).unwrap();
    for image in &images {
        let (cpu, other) = (pipeline.detect(image).unwrap(), other.detect(image).unwrap());
        assert_close("score", &[other.score], &[cpu.score], tolerance);
        assert_close("map", &other.anomaly_map.values, &cpu.anomaly_map.values, tolerance);
    }
}

/// From memory, from a cache and by three folds, each of six images is as many samples on two levels.
#[allow(dead_code)] // Of the tests of copies and tiles.
pub fn trains_wherever_features_are<B: Backend>(
    config: &PipelineConfig,
    images: &[DynamicImage],
    samples: usize,
) {
    let (weights, device) = (weights::embedded(), B::Device::default());
    let mut go_on = |_: &nfbmr::Progress| ControlFlow::Continue(());
    let folder = tempfile::tempdir().unwrap();
    let mut score = |storage: &TrainingStorage| {
        let trainer = Trainer::<B>::new(config, weights, images, storage, &device, &mut go_on);
        let mut trainer = trainer.unwrap();
        assert_eq!(trainer.images(), 6);
        assert!(trainer.features(5).is_ok() && trainer.features(6).is_err());
        let model = trainer.train(config, &mut go_on).unwrap();
        model.detect(&images[0]).unwrap().score.to_bits()
    };
    let in_memory = score(&TrainingStorage::default());
    let cache = Arc::new(FeatureCache::open(folder.path().join("features")).unwrap());
    let mut streamed = TrainingStorage::cached(cache.clone());
    streamed.memory = 0;
    assert_eq!(score(&streamed), in_memory);
    assert_eq!(cache.len() as usize, 6 * samples * 2);

    let (fitting, storage) = (CrossFitting { folds: 3, rate: None }, TrainingStorage::default());
    let folds =
        CrossFitted::<B>::train(config, weights, images, &fitting, &storage, &device, &mut go_on);
    assert!(folds.unwrap().models().iter().all(|model| model.training_images() == Some(4)));
}
