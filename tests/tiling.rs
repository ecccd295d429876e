//! Inputs cut into overlapping tiles.
#![cfg(feature = "flex")]

#[allow(dead_code)] // Shared with the behavioural suite, which uses all of it.
mod suite;

use std::ops::ControlFlow;

use image::DynamicImage;
use nfbmr::config::Tiling;
use nfbmr::{
    CalibrateError, FalseAlarmRate, PipelineConfig, PipelineError, StoredBackbone, System,
    TrainingStorage, weights,
};
use nfbmr_backend::Cpu;
use nfbmr_pipeline::Trainer;
use nfbmr_synthetic::{Kind, TextureClass};

type Pipeline = nfbmr_pipeline::Pipeline<Cpu>;

const SIDE: u32 = 96;

fn textures(good: u64, defective: u64, seed: u64) -> Vec<DynamicImage> {
    suite::images(Kind::Texture(TextureClass::Granite), good, defective, seed, SIDE)
}

/// Four tiles of 64 x 64, 32 pixels apart.
fn tiled() -> PipelineConfig {
    let mut config = suite::small();
    config.input_size = SIDE;
    config.tiling = Some(Tiling::new(64));
    config
}

#[test]
fn one_tile_is_the_image() {
    let images = textures(4, 2, 1);
    let mut config = tiled();
    config.tiling = None;
    let whole: Pipeline = suite::train(&config, &images[..4]).unwrap();
    config.tiling = Some(Tiling::new(SIDE));
    let tile: Pipeline = suite::train(&config, &images[..4]).unwrap();
    for image in &images {
        let (whole, tile) = (whole.detect(image).unwrap(), tile.detect(image).unwrap());
        suite::assert_close("score", &[tile.score], &[whole.score], 1e-6);
        suite::assert_close("map", &tile.anomaly_map.values, &whole.anomaly_map.values, 1e-6);
    }
}

#[test]
fn a_tiled_model_detects_saves_and_calibrates() {
    let images = textures(8, 2, 2);
    let folder = tempfile::tempdir().unwrap();
    for system in [System::NfBmr, System::Nf, System::Padim] {
        let config = tiled().with_system(system).unwrap();
        let mut model: Pipeline = suite::train(&config, &images[..4]).unwrap();
        assert_eq!(model.training_images(), 4);
        // The first tile of a training image, with another rest: not an image that was trained on.
        let mut like_trained = images[0].to_rgb8();
        image::imageops::replace(
            &mut like_trained,
            &images[5].crop_imm(64, 0, 32, SIDE).to_rgb8(),
            64,
            0,
        );
        let mut held_out = images[4..7].to_vec();
        held_out.push(like_trained.into());
        let (rate, go_on) =
            (FalseAlarmRate::new(0.25).ok(), &mut |_: &_| ControlFlow::Continue(()));
        model.calibrate(&held_out, rate, go_on).unwrap();
        let refused = model.calibrate(&images[3..7], rate, go_on).unwrap_err();
        let expected =
            matches!(&refused, PipelineError::Calibration(CalibrateError::TrainedOn { .. }));
        assert!(expected, "{refused}");

        let path = folder.path().join("model");
        model.save(&path, StoredBackbone::Referred).unwrap();
        let loaded = Pipeline::load(&path, weights::embedded(), &Default::default()).unwrap();
        for (image, batched) in images.iter().zip(loaded.detect_batch(&images).unwrap()) {
            let alone = model.detect(image).unwrap();
            assert_eq!(alone.score.to_bits(), batched.score.to_bits());
            assert!(alone.anomaly_map == batched.anomaly_map);
            let map = alone.anomaly_map;
            assert_eq!((map.width, map.height), (SIDE, SIDE));
            assert!(alone.verdict.is_some() && map.values.iter().all(|value| value.is_finite()));
        }
        let means = model.mean_features(&images[0]).unwrap();
        assert!(!means.source.is_empty() && means.source.iter().all(|mean| mean.is_finite()));
    }
}

#[test]
fn tiles_are_trained_on_wherever_features_are() {
    let (config, images) = (tiled(), textures(6, 0, 3));
    suite::trains_wherever_features_are::<Cpu>(&config, &images, 4);

    let mut go_on = |_: &nfbmr::Progress| ControlFlow::Continue(());
    let (storage, device) = (TrainingStorage::default(), Default::default());
    let trainer: Trainer<Cpu> =
        Trainer::new(&config, weights::embedded(), &images, &storage, &device, &mut go_on).unwrap();
    let mut untiled = config;
    untiled.tiling = None;
    assert!(!trainer.suits(&untiled).unwrap());
}

#[test]
fn tiles_that_do_not_fit_are_refused() {
    // The features of the last block are 8 pixels apart.
    for (input, size) in [(96, 128), (96, 44), (100, 64)] {
        let mut config = tiled();
        config.input_size = input;
        config.tiling = Some(Tiling::new(size));
        let refused = suite::train::<Cpu>(&config, &textures(2, 0, 4)).unwrap_err();
        assert!(refused.to_string().contains("tiling"), "{refused}");
    }
    // Those of the default's, 16.
    let mut config = PipelineConfig::default();
    for (size, fits) in [(112, true), (120, false), (104, false), (96, true)] {
        config.tiling = Some(Tiling::new(size));
        assert_eq!(config.validate().is_ok(), fits, "{size}");
    }
}
