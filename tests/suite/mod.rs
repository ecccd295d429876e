//! What every backend must do, as functions generic over the backend.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;

use image::{DynamicImage, Rgb, RgbImage};
use nfbmr::config::{
    AlignmentMotion, Augmentation, BackboneConfig, BidirectionalPfmConfig, Fusion, Kinds,
    MultiBlockPfmConfig, NfBmrConfig, PfmConfig, Pooling, TargetCnnConfig, TrainingConfig,
};
use nfbmr::{
    BackboneWeights, CrossFitting, FeatureCache, Frame, Images, PipelineConfig, PipelineError,
    PixelFormat, Progress, ProgressFn, StoredBackbone, System, SystemConfig, TrainingError,
    TrainingStorage, weights,
};
use nfbmr_backend::Backend;
use nfbmr_pipeline::{CrossFitted, Pipeline, Trainer};
use nfbmr_synthetic::{Kind, PartClass, generate};

pub const SIDE: u32 = 48;

/// A configuration that trains in a moment, on ndarray too.
pub fn small() -> PipelineConfig {
    let mut config = PipelineConfig::default();
    config.system = small_nf_bmr().into();
    config.backbone.block = 4;
    config.earlier_blocks = vec![2];
    config.input_size = SIDE;
    config.alignment = AlignmentMotion::Off.into();
    config.augmentation = Augmentation::Off;
    config.kinds = Kinds::Number(1);
    config
}

/// The system of [`small`].
pub fn small_nf_bmr() -> NfBmrConfig {
    let mut own = NfBmrConfig::default();
    own.flow.hidden = 16;
    own.flow.couplings = 2;
    own.flow_training.epochs = 2;
    own.flow_training.batch_size = 4;
    own.bmr.latent = 16;
    own.bmr.inner = 8;
    own.bmr_training.epochs = 2;
    own.bmr_training.batch_size = 4;
    own
}

/// [`small`] for any system, with [`target_cnn`] for those of two CNNs.
pub fn small_of(system: System) -> PipelineConfig {
    let mut config = small().with_system(system).unwrap();
    let training = small_nf_bmr().bmr_training;
    match &mut config.system {
        SystemConfig::NfBpfm(own) => {
            own.bpfm.latent = 16;
            own.bpfm_training = training;
        }
        SystemConfig::DifferNet(own) => {
            own.hidden = 16;
            own.training = training;
        }
        SystemConfig::CsFlow(own) => {
            own.cross_flow.hidden = 8;
            own.training = training;
        }
        SystemConfig::Pfm(PfmConfig(own))
        | SystemConfig::Bpfm(BidirectionalPfmConfig(own))
        | SystemConfig::MbPfm(MultiBlockPfmConfig(own)) => {
            own.target_cnn = Some(target_cnn());
            own.bpfm_training = training;
        }
        _ => {}
    }
    config
}

/// How each of the networks of a system is trained.
#[allow(dead_code)] // Of tests of longer trainings.
pub fn trainings(system: &mut SystemConfig) -> Vec<&mut TrainingConfig> {
    match system {
        SystemConfig::Nf(own) => vec![&mut own.flow_training],
        SystemConfig::CsFlow(own) => vec![&mut own.training],
        SystemConfig::DifferNet(own) => vec![&mut own.training],
        SystemConfig::NfBpfm(own) => vec![&mut own.flow_training, &mut own.bpfm_training],
        SystemConfig::NfBmr(own) => vec![&mut own.flow_training, &mut own.bmr_training],
        SystemConfig::Pfm(PfmConfig(own))
        | SystemConfig::Bpfm(BidirectionalPfmConfig(own))
        | SystemConfig::MbPfm(MultiBlockPfmConfig(own)) => vec![&mut own.bpfm_training],
        _ => Vec::new(),
    }
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
    let go_on = &mut |_: &Progress| ControlFlow::Continue(());
    Pipeline::train(config, weights, images, &Default::default(), go_on)
}

/// Trains a model for each fold.
pub fn cross_fit<'a, B: Backend>(
    config: &PipelineConfig,
    weights: Option<&BackboneWeights>,
    images: impl Into<Images<'a>>,
    fitting: CrossFitting,
    storage: &TrainingStorage,
    progress: &mut ProgressFn<'_>,
) -> Result<CrossFitted<B>, PipelineError> {
    let (images, mut skipped, device) = (images.into(), Vec::new(), Default::default());
    let again = images.again(&mut skipped);
    let trainer = Trainer::new(config, weights, images, storage, &device, progress)?;
    CrossFitted::train(trainer, again, &fitting, progress)
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
    for backbone in [StoredBackbone::Referred, StoredBackbone::Included] {
        let path = folder.path().join(format!("{backbone:?}"));
        pipeline.save(&path, backbone).unwrap();
        let weights = weights::embedded().filter(|_| backbone == StoredBackbone::Referred);
        let loaded = Pipeline::<B>::load(&path, weights, &Default::default()).unwrap();
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
    let weights = two_cnns();
    let weights = Some(&weights);
    for &system in System::ALL {
        let config = small_of(system);
        let pipeline = train_with::<B>(&config, weights, &images[..6]).unwrap();
        let path = folder.path().join(system.name());
        pipeline.save(&path, StoredBackbone::Referred).unwrap();
        let loaded = Pipeline::<B>::load(&path, weights, &device).unwrap();
        assert_eq!(loaded.config(), &config);
        if system == System::MbPfm {
            pipeline.save(&path, StoredBackbone::Included).unwrap();
            Pipeline::<B>::load(&path, None, &device).unwrap();
        }
        for image in &images[6..] {
            let (before, after) = (pipeline.detect(image).unwrap(), loaded.detect(image).unwrap());
            assert!(before.score.is_finite(), "{system}");
            let (before_map, after_map) = (&before.anomaly_map.values, &after.anomaly_map.values);
            assert_close(system.name(), &[after.score], &[before.score], 1e-5);
            assert_close(system.name(), after_map, before_map, 1e-5);
            let size = (before.anomaly_map.width, before.anomaly_map.height);
            let side = if config.system.localises() { SIDE } else { 0 };
            assert_eq!(size, (side, side), "{system}");
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
    let config = small();
    let device = Default::default();
    let mut go_on = |_: &Progress| ControlFlow::Continue(());
    let weights = weights::embedded();
    let storage = TrainingStorage::default();
    let mut trainer =
        Trainer::<B>::new(&config, weights, &images, &storage, &device, &mut go_on).unwrap();
    for system in [System::Nf, System::NfBmr] {
        let config = small_of(system);
        let shared = trainer.train(&config, &mut go_on).unwrap().detect(&images[0]).unwrap();
        let alone = train::<B>(&config, &images).unwrap().detect(&images[0]).unwrap();
        assert_eq!(shared.score.to_bits(), alone.score.to_bits(), "{system}");
    }
    let mut config = config;
    config.input_size /= 2;
    let refused = trainer.train(&config, &mut go_on);
    assert!(matches!(refused, Err(PipelineError::Config(_))), "{refused:?}");
}

/// Features from a cache train the same model as those just extracted, in memory or not.
pub fn cached_features_train_the_same_model<B: Backend>() {
    let images = gears(5, 0, 15);
    let device = Default::default();
    let weights = two_cnns();
    let score = |config: &PipelineConfig, storage: TrainingStorage| {
        let mut go_on = |_: &Progress| ControlFlow::Continue(());
        Trainer::<B>::new(config, Some(&weights), &images, &storage, &device, &mut go_on)
            .and_then(|mut trainer| trainer.train(config, &mut go_on))
            .and_then(|pipeline| pipeline.detect(&images[0]))
            .map(|detection| detection.score.to_bits())
    };
    for system in [System::NfBmr, System::MbPfm] {
        let config = small_of(system);
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
    let mut go_on = |_: &Progress| ControlFlow::Continue(());
    assert!(pipeline.calibrate(&images[..16], None, &mut go_on).is_err(), "it knows four of them");
    let calibration = pipeline.calibrate(held_out, None, &mut go_on).unwrap().clone();
    assert_eq!(calibration.images(), 12);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    pipeline.save(&path, StoredBackbone::Referred).unwrap();
    let loaded = Pipeline::<B>::load(&path, weights::embedded(), &Default::default()).unwrap();
    assert_eq!(loaded.calibration(), Some(&calibration));
    let scores = calibration.split().unwrap().image_scores();
    let threshold = calibration.threshold().unwrap().value;
    for detection in loaded.detect_batch(tested).unwrap() {
        assert_eq!(detection.p_value(), Some(scores.p_value(detection.score).unwrap()));
        assert_eq!(detection.is_anomalous(), Some(detection.score > threshold));
        assert_eq!(detection.threshold, Some(threshold));
    }
}

pub fn a_cross_fitted_model_has_verdicts<B: Backend>() {
    let images = gears(8, 4, 17);
    let mut go_on = |_: &Progress| ControlFlow::Continue(());
    let fitting = CrossFitting::new(2, None);
    let (training, weights, storage) = (&images[..6], weights::embedded(), Default::default());
    let model = cross_fit::<B>(&small(), weights, training, fitting, &storage, &mut go_on);
    let model = model.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    model.save(&path, StoredBackbone::Referred).unwrap();
    let loaded = CrossFitted::<B>::load(&path, weights, &Default::default()).unwrap();
    assert_eq!(loaded.calibration(), model.calibration());
    let calibration = model.calibration().cross().unwrap();
    for (image, batched) in images[6..].iter().zip(loaded.detect_batch(&images[6..]).unwrap()) {
        let scores: Vec<f32> =
            model.models().iter().map(|model| model.detect(image).unwrap().score).collect();
        let verdict = model.detect(image).unwrap().verdict.unwrap();
        assert_eq!(verdict, calibration.verdict(&scores).unwrap());
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
    let (fusion, pooling) = (Fusion::Normalized, Pooling::Mean);
    config.system = NfBmrConfig { fusion, pooling, ..small_nf_bmr() }.into();
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
    let (mut config, mut own) = (small(), small_nf_bmr());
    own.flow_training.learning_rate = 1e30;
    config.system = own.into();
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
    let pipeline = train::<nfbmr_backend::Cpu>(&small(), &images[..4]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    pipeline.save(&path, StoredBackbone::Referred).unwrap();
    let other = nfbmr::Pipeline::builder().device(device).load(&path).unwrap();
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
    let mut go_on = |_: &Progress| ControlFlow::Continue(());
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

    let (fitting, storage) = (CrossFitting::new(3, None), TrainingStorage::default());
    let folds = cross_fit::<B>(config, weights, images, fitting, &storage, &mut go_on);
    assert!(folds.unwrap().models().iter().all(|model| model.training_images() == 4));
}
