//! What lies outside of the inspected part counts neither in training nor in detection.
#![cfg(feature = "flex")]

#[allow(dead_code)] // Shared with the behavioural suite, which uses all of it.
mod suite;

use image::{DynamicImage, GrayImage, Luma, Rgb};
use nfbmr::backend::Cpu;
use nfbmr::data::Fit;
use nfbmr::pipeline::{Mask, Pipeline};
use nfbmr::{PipelineConfig, weights};

/// The left half is inspected, at a size of its own.
fn left_half() -> Mask {
    let pixel = |x, _| Luma([if x < 5 { 255 } else { 0 }]);
    Mask::new(&GrayImage::from_fn(10, 3, pixel).into()).unwrap()
}

/// With its right half in a colour, or a square of the left.
fn painted(image: &DynamicImage, colour: Rgb<u8>, right: bool) -> DynamicImage {
    let mut image = image.to_rgb8();
    let (width, height) = image.dimensions();
    for (x, y, pixel) in image.enumerate_pixels_mut() {
        let square = (2..width / 3).contains(&x) && (2..height / 3).contains(&y);
        if if right { x >= width / 2 } else { square } {
            *pixel = colour;
        }
    }
    image.into()
}

fn masked(fit: Fit) -> PipelineConfig {
    let mut config = suite::small();
    (config.mask, config.fit) = (Some(left_half()), fit);
    config
}

#[test]
fn the_rest_of_an_image_changes_nothing() {
    let images = suite::gears(5, 0, 31);
    let others: Vec<_> =
        images.iter().map(|image| painted(image, Rgb([250, 3, 9]), true)).collect();
    for fit in [Fit::Squash, Fit::Letterbox { fill: [0; 3] }] {
        let config = masked(fit);
        let pipeline = suite::train::<Cpu>(&config, &images).unwrap();
        let of_others = suite::train::<Cpu>(&config, &others).unwrap();
        let detection = pipeline.detect(&images[0]).unwrap();
        for other in [pipeline.detect(&others[0]).unwrap(), of_others.detect(&images[0]).unwrap()] {
            assert_eq!(other.score.to_bits(), detection.score.to_bits(), "{fit:?}");
            assert_eq!(other.anomaly_map, detection.anomaly_map, "{fit:?}");
        }
        let defect = pipeline.detect(&painted(&images[0], Rgb([250, 3, 9]), false)).unwrap();
        assert!(defect.score > 1.5 * detection.score, "{} and {}", defect.score, detection.score);

        let map = &defect.anomaly_map;
        let least = map.values.iter().copied().fold(f32::INFINITY, f32::min);
        let right = map.values.chunks(map.width as usize).flat_map(|row| &row[row.len() / 2..]);
        assert!(right.clone().count() > 0 && right.clone().all(|&value| value == least), "{fit:?}");
    }
}

#[test]
fn a_model_file_keeps_the_mask() {
    let images = suite::gears(4, 0, 32);
    let pipeline = suite::train::<Cpu>(&masked(Fit::Squash), &images).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.nfbmr");
    pipeline.save(&path).unwrap();
    let loaded = Pipeline::<Cpu>::load(&path, weights::embedded(), &Default::default()).unwrap();
    assert_eq!(loaded.config().mask, Some(left_half()));
    let (before, after) =
        (pipeline.detect(&images[0]).unwrap(), loaded.detect(&images[0]).unwrap());
    assert_eq!(before.anomaly_map, after.anomaly_map);
}
