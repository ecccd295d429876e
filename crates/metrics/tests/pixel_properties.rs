//! What holds of the pixel metrics whatever the maps and masks are.

mod reference;

use nfbmr_metrics::{Bounded, OperatingPoint, PixelHistogram};
use proptest::prelude::*;
use reference::{Image, assert_bounds_hold, histogram};

/// Scores of which many share a bin, many are tied and some are infinite.
fn score() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => (0u32..600).prop_map(|low| f32::from_bits(0x3f80_0000 + low)),
        2 => (0u32..600).prop_map(|low| -f32::from_bits(low)),
        2 => (-3i8..3).prop_map(f32::from),
        1 => -1e3..1e3f32,
        1 => prop_oneof![Just(f32::INFINITY), Just(f32::NEG_INFINITY)],
    ]
}

fn image() -> impl Strategy<Value = Image> {
    (1u32..9, 1u32..9).prop_flat_map(|(width, height)| {
        let pixels = (width * height) as usize;
        let mask = prop::collection::vec(prop::bool::weighted(0.3), pixels);
        (prop::collection::vec(score(), pixels), prop::option::of(mask))
            .prop_map(move |(map, mask)| Image { map, width, height, mask })
    })
}

/// Images with at least one pixel of each class.
fn images() -> impl Strategy<Value = Vec<Image>> {
    let both = (score(), score()).prop_map(|(normal, defect)| Image {
        map: vec![normal, defect],
        width: 1,
        height: 2,
        mask: Some(vec![false, true]),
    });
    (both, prop::collection::vec(image(), 0..4)).prop_map(|(both, mut images)| {
        images.push(both);
        images
    })
}

type Metrics = (Bounded<f64>, Bounded<f64>, Bounded<OperatingPoint>);

fn metrics(images: &[Image]) -> Metrics {
    let histogram = histogram(images);
    (histogram.auroc().unwrap(), histogram.aupro(0.3).unwrap(), histogram.f1_max().unwrap())
}

fn close(a: &Metrics, b: &Metrics) -> bool {
    // The order of additions decides the last digits of the overlap.
    a.0 == b.0 && (a.1.value - b.1.value).abs() < 1e-12 && (a.1.error - b.1.error).abs() < 1e-12
}

fn transposed(image: &Image) -> Image {
    let (width, height) = (image.width as usize, image.height as usize);
    let order = || (0..width).flat_map(move |x| (0..height).map(move |y| y * width + x));
    Image {
        map: order().map(|pixel| image.map[pixel]).collect(),
        width: image.height,
        height: image.width,
        mask: image.mask.as_ref().map(|mask| order().map(|pixel| mask[pixel]).collect()),
    }
}

proptest! {
    // A histogram over all of `f32` is slow to go through where nothing is optimised.
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn bounds_hold(images in images()) {
        assert_bounds_hold(&images);
    }

    #[test]
    fn the_order_of_images_and_pixels_does_not_matter(images in images()) {
        let expected = metrics(&images);
        let reversed: Vec<Image> = images.iter().rev().cloned().collect();
        let turned: Vec<Image> = images.iter().map(transposed).collect();
        for same in [reversed, turned] {
            let found = metrics(&same);
            prop_assert!(close(&found, &expected), "{found:?} is not {expected:?}");
            prop_assert_eq!(found.2, expected.2);
        }
    }

    #[test]
    fn increasing_maps_of_the_scores_stay_within_the_bounds(images in images()) {
        let mapped: Vec<Image> = images
            .iter()
            .map(|image| {
                // Increasing, and exact for the scores of `score` that are close to each other.
                let map = image.map.iter().map(|&s| if s < 1.0 { s } else { 2.0 * s - 1.0 });
                Image { map: map.collect(), ..image.clone() }
            })
            .collect();
        let (a, b) = (metrics(&images), metrics(&mapped));
        let within = |a: f64, b: f64, error: f64| (a - b).abs() <= error + 1e-12;
        prop_assert!(within(a.0.value, b.0.value, a.0.error + b.0.error));
        prop_assert!(within(a.1.value, b.1.value, a.1.error + b.1.error));
        prop_assert!(within(a.2.value.f1, b.2.value.f1, a.2.error.max(b.2.error)));
    }

    #[test]
    fn what_is_not_inspected_might_as_well_not_be_there(images in images(), scores: f32, marked: bool) {
        prop_assume!(!scores.is_nan());
        // Each image with a column more, which isn't inspected.
        let mut wider = PixelHistogram::new();
        for Image { map, width, height, mask } in &images {
            fn widen<T: Copy>(values: &[T], more: T, width: u32) -> Vec<T> {
                values.chunks(width as usize).flat_map(|row| [row, &[more]].concat()).collect()
            }
            let inspected = widen(&vec![true; map.len()], false, *width);
            let mask = mask.as_ref().map(|mask| widen(mask, marked, *width));
            let (map, width) = (widen(map, scores, *width), width + 1);
            let (mask, inspected) = (mask.as_deref(), Some(&inspected[..]));
            wider.add_inspected(&map, width, *height, mask, inspected).unwrap();
        }
        let found = (wider.auroc().unwrap(), wider.aupro(0.3).unwrap(), wider.f1_max().unwrap());
        let expected = metrics(&images);
        prop_assert!(close(&found, &expected), "{found:?} is not {expected:?}");
        prop_assert_eq!(found.2, expected.2);
    }

    #[test]
    fn an_empty_mask_is_no_mask(images in images()) {
        let spelt_out: Vec<Image> = images
            .iter()
            .map(|image| {
                let mask = image.mask.clone().unwrap_or_else(|| vec![false; image.map.len()]);
                Image { mask: Some(mask), ..image.clone() }
            })
            .collect();
        prop_assert_eq!(metrics(&spelt_out), metrics(&images));
    }

    #[test]
    fn nothing_panics(
        maps in prop::collection::vec(
            (
                prop::collection::vec(any::<f32>(), 0..10),
                0u32..5,
                prop_oneof![0u32..5, Just(u32::MAX)],
                prop::option::of(prop::collection::vec(any::<bool>(), 0..10)),
            ),
            0..6,
        ),
        limit in any::<f64>(),
    ) {
        let mut histogram = PixelHistogram::new();
        for (map, width, height, mask) in &maps {
            let _ = histogram.add(map, *width, *height, mask.as_deref());
            let fitting = histogram.add(map, map.len() as u32, 1, None);
            let usable = !map.is_empty() && !map.iter().any(|score| score.is_nan());
            prop_assert_eq!(fitting.is_ok(), usable);
        }
        let defined = histogram.auroc().is_ok();
        prop_assert_eq!(histogram.f1_max().is_ok(), defined);
        prop_assert_eq!(histogram.aupro(0.3).is_ok(), defined);
        let _ = histogram.aupro(limit);
    }
}
