//! Pixel metrics against scikit-learn, anomalib and the exact values.

mod reference;

use nfbmr_metrics::{Bounded, MetricError, PixelHistogram, auroc, f1_max};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reference::{Image, assert_bounds_hold, exact_aupro, histogram, pixels};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    width: u32,
    height: u32,
    maps: Vec<Vec<f32>>,
    masks: Vec<Option<Vec<bool>>>,
    auroc: f64,
    aupro: Vec<Limited>,
    f1_max: Point,
}

#[derive(Deserialize)]
struct Limited {
    limit: f64,
    value: f64,
}

#[derive(Deserialize)]
struct Point {
    threshold: f64,
    precision: f64,
    recall: f64,
    f1: f64,
}

impl Case {
    fn images(&self) -> Vec<Image> {
        let (width, height) = (self.width, self.height);
        let images = self.maps.iter().cloned().zip(self.masks.iter().cloned());
        images.map(|(map, mask)| Image { map, width, height, mask }).collect()
    }
}

/// In maps as small as the fixtures', a bin shared by two pixels may be worth this much.
const SHARED_BIN: f64 = 1e-3;

fn cases() -> Vec<Case> {
    let cases: Vec<Case> = serde_json::from_str(include_str!("fixtures/pixel.json")).unwrap();
    assert!(cases.len() > 8);
    cases
}

#[test]
fn auroc_and_f1_equal_scikit_learn() {
    for case in cases() {
        let histogram = histogram(&case.images());
        let area = histogram.auroc().unwrap();
        assert!((area.value - case.auroc).abs() <= area.error + 1e-12, "{}", case.name);
        assert!(area.error < SHARED_BIN, "{}: {}", case.name, area.error);

        let Bounded { value, error } = histogram.f1_max().unwrap();
        assert!(value.f1 <= case.f1_max.f1 + 1e-12, "{}", case.name);
        assert!(case.f1_max.f1 <= value.f1 + error + 1e-12, "{}", case.name);
        if error == 0.0 {
            assert_eq!(value.threshold, case.f1_max.threshold, "{}", case.name);
            assert!((value.precision - case.f1_max.precision).abs() < 1e-12, "{}", case.name);
            assert!((value.recall - case.f1_max.recall).abs() < 1e-12, "{}", case.name);
        }
    }
}

#[test]
fn aupro_equals_anomalib() {
    for case in cases() {
        let histogram = histogram(&case.images());
        for Limited { limit, value } in &case.aupro {
            let found = histogram.aupro(*limit).unwrap();
            // anomalib computes in single precision.
            let apart = (found.value - value).abs();
            assert!(apart < found.error + 2e-6, "{} up to {limit}: {found:?}", case.name);
            assert!(found.error < SHARED_BIN, "{} up to {limit}: {found:?}", case.name);
            let exact = exact_aupro(&case.images(), *limit);
            assert!((exact - value).abs() < 2e-6, "{} up to {limit}: {exact}", case.name);
        }
    }
}

/// An image whose normal scores are chi-square with 20 degrees of freedom, divided by 20, and whose
/// defects, two squares that touch, score `gain` times as much.
fn speckle(rng: &mut ChaCha8Rng, side: u32, gain: f32, with_defect: bool) -> Image {
    let end = side / 3;
    let inside =
        |from: u32, to: u32, x: u32, y: u32| (from..to).contains(&x) && (from..to).contains(&y);
    let mask: Vec<bool> = (0..side * side)
        .map(|pixel| {
            let (x, y) = (pixel % side, pixel / side);
            with_defect && (inside(end / 2, end, x, y) || inside(end, end + 2, x, y))
        })
        .collect();
    let map = mask
        .iter()
        .map(|&is_defect| {
            // A chi-square of 20 degrees of freedom is the sum of 10 exponentials of mean 2.
            let sum: f32 = (0..10).map(|_| -2.0 * rng.random_range(1e-7f32..1.0).ln()).sum();
            sum / 20.0 * if is_defect { gain } else { 1.0 }
        })
        .collect();
    Image { map, width: side, height: side, mask: with_defect.then_some(mask) }
}

#[test]
fn maps_of_many_pixels_keep_four_digits() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for gain in [1.0, 1.2, 2.0] {
        let images: Vec<Image> =
            (0..8).map(|index| speckle(&mut rng, 90, gain, index % 2 == 0)).collect();
        let histogram = histogram(&images);
        let (scores, labels) = pixels(&images);

        let area = histogram.auroc().unwrap();
        let exact = auroc(&scores, &labels).unwrap();
        assert!((area.value - exact).abs() <= area.error, "{area:?}, exactly {exact}");
        assert!(0.0 < area.error && area.error < 1e-4, "{area:?}");

        let best = histogram.f1_max().unwrap();
        let exact = f1_max(&scores, &labels).unwrap();
        assert!((0.0..=best.error).contains(&(exact.f1 - best.value.f1)), "{best:?}, {exact:?}");
        assert!(best.error < 1e-3, "{best:?}");

        let pro = histogram.aupro(0.3).unwrap();
        assert!(0.0 < pro.error && pro.error < 1e-4, "{pro:?}");
    }
}

#[test]
fn scores_far_from_zero_have_a_wide_bound() {
    let images = [Image {
        map: (0..400).map(|i| 1e4 + (i * 7 % 400) as f32 / 200.0).collect(),
        width: 20,
        height: 20,
        mask: Some((0..400).map(|i: u32| i.is_multiple_of(5)).collect()),
    }];
    assert!(histogram(&images).auroc().unwrap().error > 0.05);
    assert_bounds_hold(&images);
}

#[test]
fn ties_cost_no_accuracy() {
    let map = |image: usize| (0..100).map(|i| ((i * 31 + image * 17) % 8) as f32).collect();
    let mask = |image: usize| Some((0..100).map(|i| (i + image).is_multiple_of(3)).collect());
    let images: Vec<Image> = (0..3)
        .map(|image| Image { map: map(image), width: 10, height: 10, mask: mask(image) })
        .collect();
    let histogram = histogram(&images);
    assert_eq!(histogram.auroc().unwrap().error, 0.0);
    assert_eq!(histogram.f1_max().unwrap().error, 0.0);
    assert!(histogram.aupro(0.3).unwrap().error < 1e-12);
    assert_bounds_hold(&images);
}

#[test]
fn each_component_counts_the_same() {
    // Nine pixels that are missed and one that is found.
    let mut mask = vec![false; 25];
    for pixel in [0, 1, 2, 5, 6, 7, 10, 11, 12, 24] {
        mask[pixel] = true;
    }
    let map = (0..25).map(|pixel| {
        if pixel == 24 {
            1.0
        } else if mask[pixel] {
            -1.0
        } else {
            0.0
        }
    });
    let mut histogram = PixelHistogram::new();
    histogram.add(&map.collect::<Vec<f32>>(), 5, 5, Some(&mask)).unwrap();
    let area = histogram.aupro(0.3).unwrap();
    assert!((area.value - 0.5).abs() < 1e-15, "{area:?}");
    assert_eq!(histogram.f1_max().unwrap().value.recall, 1.0);
}

#[test]
fn unusable_images_are_refused_and_leave_no_trace() {
    let mut histogram = PixelHistogram::new();
    histogram.add(&[0.5, 0.25], 2, 1, Some(&[true, false])).unwrap();
    let refused = [
        (histogram.clone().add(&[0.5], 2, 1, None), "2 x 1 scores, at least one, found 1 scores"),
        (histogram.clone().add(&[], 0, 3, None), "0 x 3 scores, at least one, found 0 scores"),
        (histogram.clone().add(&[], u32::MAX, u32::MAX, None), "found 0 scores"),
        (histogram.clone().add(&[0.5], 1, 1, Some(&[])), "1 x 1 pixels as its map has, found 0"),
        (histogram.add(&[0.5, f32::NAN], 1, 2, Some(&[true, false])), "found NaN at index 1"),
    ];
    for (result, message) in refused {
        let found = result.unwrap_err().to_string();
        assert!(found.contains(message), "{found}");
    }
    assert_eq!(histogram.auroc(), Ok(Bounded { value: 1.0, error: 0.0 }));
}

#[test]
fn one_class_and_limits_out_of_range_are_refused() {
    let mut histogram = PixelHistogram::new();
    let none = MetricError::OneClass { negatives: 0, positives: 0 };
    assert_eq!(histogram.auroc(), Err(none.clone()));
    assert_eq!(histogram.aupro(0.3), Err(none.clone()));
    assert_eq!(histogram.f1_max(), Err(none));
    histogram.add(&[0.5, 0.25], 2, 1, None).unwrap();
    let normal = MetricError::OneClass { negatives: 2, positives: 0 };
    assert_eq!(histogram.aupro(0.3), Err(normal));
    histogram.add(&[0.5, 0.25], 2, 1, Some(&[true, false])).unwrap();
    for found in [0.0, -0.0, -1.0, 1.0001, f64::INFINITY] {
        assert_eq!(histogram.aupro(found), Err(MetricError::FprLimit { found }));
    }
    assert!(histogram.aupro(f64::NAN).is_err());
    assert!(histogram.aupro(f64::MIN_POSITIVE).unwrap().value.is_finite());
}
