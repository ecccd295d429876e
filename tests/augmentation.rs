//! Turned and mirrored copies of the training images.
#![cfg(feature = "flex")]

#[allow(dead_code)] // Shared with the behavioural suite, which uses all of it.
mod suite;

use image::{DynamicImage, Rgb};
use nfbmr::PipelineConfig;
use nfbmr::config::{Augmentation, Mask};
use nfbmr_backend::Cpu;
use nfbmr_pipeline::Pipeline;

/// Gears with a white mark in one corner, which look otherwise once they are turned or mirrored.
fn marked(good: u64, seed: u64) -> Vec<DynamicImage> {
    let mark = |image: DynamicImage| {
        let mut image = image.to_rgb8();
        for (x, y, pixel) in image.enumerate_pixels_mut() {
            if (4..12).contains(&x) && (6..20).contains(&y) {
                *pixel = Rgb([250; 3]);
            }
        }
        image.into()
    };
    suite::gears(good, 0, seed).into_iter().map(mark).collect()
}

fn augmented(augmentation: Augmentation) -> PipelineConfig {
    let mut config = suite::small();
    config.augmentation = augmentation;
    config
}

fn mean_score(model: &Pipeline<Cpu>, images: impl Iterator<Item = DynamicImage>) -> f32 {
    let images: Vec<_> = images.collect();
    let detections = model.detect_batch(&images).unwrap();
    detections.iter().map(|detection| detection.score).sum::<f32>() / images.len() as f32
}

#[test]
fn a_model_of_copies_knows_turned_parts() {
    let images = marked(12, 1);
    let others = marked(6, 2);
    let strangeness = |augmentation| {
        let model: Pipeline<Cpu> = suite::train(&augmented(augmentation), &images).unwrap();
        assert_eq!(model.training_images(), 12);
        let upright = mean_score(&model, others.iter().cloned());
        let turned = mean_score(&model, others.iter().map(DynamicImage::rotate90));
        let mirrored = mean_score(&model, others.iter().map(DynamicImage::fliph));
        println!("{augmentation:?}: {upright} upright, {turned} turned, {mirrored} mirrored");
        [turned / upright, mirrored / upright]
    };
    let [turned, mirrored] = strangeness(Augmentation::Off);
    assert!(turned > 1.5 && mirrored > 1.5, "{turned} and {mirrored}");
    let [turned, mirrored] = strangeness(Augmentation::Mirror);
    assert!(turned > 1.5 && mirrored < 1.2, "{turned} and {mirrored}");
    let [turned, _] = strangeness(Augmentation::QuarterTurns);
    assert!(turned < 1.2, "{turned}");
    let [turned, mirrored] = strangeness(Augmentation::All);
    assert!(turned < 1.2 && mirrored < 1.2, "{turned} and {mirrored}");
}

/// In memory, from a cache, by folds and behind a mask.
#[test]
fn copies_are_trained_on_wherever_features_are() {
    let images = marked(6, 3);
    let config = augmented(Augmentation::QuarterTurns);
    suite::trains_wherever_features_are::<Cpu>(&config, &images, 4);

    let mut masked = config;
    let left = image::GrayImage::from_fn(2, 1, |x, _| image::Luma([if x == 0 { 255 } else { 0 }]));
    masked.mask = Some(Mask::new(&left.into()).unwrap());
    let model: Pipeline<Cpu> = suite::train(&masked, &images).unwrap();
    assert!(model.detect(&images[0]).unwrap().score.is_finite());
}
