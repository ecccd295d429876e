//! Trains on generated images and finds the defects in others.
#![cfg(feature = "flex")]

#[allow(dead_code)] // Shared with the behavioural suite, which uses all of it.
mod suite;

use nfbmr::PipelineConfig;
use nfbmr::config::NfBmrConfig;
use nfbmr::evaluation::auroc;
use nfbmr_backend::Cpu;
use nfbmr_synthetic::{Kind, TextureClass};

/// Side of the images in pixels.
const SIDE: u32 = 128;

/// Image AUROC on woven textures after so many epochs a phase.
fn found(mut config: PipelineConfig, epochs: usize) -> f64 {
    let kind = Kind::Texture(TextureClass::Woven);
    let train = suite::images(kind, 24, 0, 1, SIDE);
    let test = suite::images(kind, 12, 12, 2, SIDE);
    let labels: Vec<bool> = (0..test.len()).map(|i| i >= 12).collect();
    config.input_size = SIDE;
    suite::trainings(&mut config.system).into_iter().for_each(|own| own.epochs = epochs);
    let pipeline = suite::train::<Cpu>(&config, &train).unwrap();
    let detections = pipeline.detect_batch(&test).unwrap();
    let scores: Vec<f32> = detections.iter().map(|detection| detection.score).collect();
    auroc(&scores, &labels).unwrap()
}

#[test]
fn the_default_finds_defects() {
    let found = found(PipelineConfig::default(), 10);
    assert!(found >= 0.95, "AUROC {found}");
}

/// On features of one block as they are, as in the paper.
#[test]
fn training_finds_defects_that_untrained_networks_miss() {
    let mut config = PipelineConfig::default();
    config.system = NfBmrConfig { whitening: None, ..NfBmrConfig::default() }.into();
    config.earlier_blocks.clear();
    let (trained, untrained) = (found(config.clone(), 40), found(config, 0));
    assert!(trained >= 0.9, "AUROC {trained}");
    assert!(trained >= untrained + 0.1, "AUROC {trained}, untrained {untrained}");
}
