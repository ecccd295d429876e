//! Trains on generated images and finds the defects in others.
#![cfg(feature = "flex")]

#[allow(dead_code)] // Shared with the behavioural suite, which uses all of it.
mod suite;

use nfbmr::backend::Cpu;
use nfbmr::data::synthetic::{Kind, TextureClass};
use nfbmr::{PipelineConfig, metrics};

#[test]
fn finds_defects_that_untrained_networks_miss() {
    const SIDE: u32 = 128;
    let kind = Kind::Texture(TextureClass::Woven);
    let train = suite::images(kind, 24, 0, 1, SIDE);
    let test = suite::images(kind, 12, 12, 2, SIDE);
    let labels: Vec<bool> = (0..test.len()).map(|i| i >= 12).collect();
    let auroc = |epochs: usize| {
        let mut config = PipelineConfig::default();
        config.input_size = SIDE;
        config.flow_training.epochs = epochs;
        config.bmr_training.epochs = epochs;
        let pipeline = suite::train::<Cpu>(&config, &train).unwrap();
        let detections = pipeline.detect_batch(&test).unwrap();
        let scores: Vec<f32> = detections.iter().map(|detection| detection.score).collect();
        metrics::auroc(&scores, &labels).unwrap()
    };
    let (trained, untrained) = (auroc(40), auroc(0));
    println!("AUROC {trained}, untrained {untrained}");
    assert!(trained >= 0.95, "AUROC {trained}");
    assert!(trained >= untrained + 0.1, "AUROC {trained}, untrained {untrained}");
}
