//! Defect regions against scipy and their invariants.

use nfbmr_metrics::{DefectRegion, MetricError, defect_regions, marked_regions};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    width: u32,
    height: u32,
    map: Vec<f32>,
    threshold: f32,
    regions: Vec<DefectRegion>,
}

#[test]
fn regions_equal_scipy() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("fixtures/regions.json")).unwrap();
    assert!(cases.len() >= 10);
    assert!(cases.iter().map(|case| case.regions.len()).sum::<usize>() > 30);
    for Case { name, width, height, map, threshold, regions } in cases {
        assert_eq!(defect_regions(&map, width, height, threshold).unwrap(), regions, "{name}");
    }
}

#[test]
fn unusable_maps_are_refused() {
    let size = |width, height, scores| Err(MetricError::MapSize { width, height, scores });
    assert_eq!(defect_regions(&[1.0; 5], 2, 3, 0.0), size(2, 3, 5));
    assert_eq!(defect_regions(&[], 0, 0, 0.0), size(0, 0, 0));
    assert_eq!(defect_regions(&[], u32::MAX, u32::MAX, 0.0), size(u32::MAX, u32::MAX, 0));
    let nan = defect_regions(&[1.0, f32::NAN], 2, 1, 0.0);
    assert_eq!(nan, Err(MetricError::NanScore { index: 1 }));
    assert_eq!(defect_regions(&[1.0], 1, 1, f32::NAN), Err(MetricError::NanThreshold));
    let short = MetricError::MaskSize { width: 2, height: 1, pixels: 1 };
    assert_eq!(marked_regions(&[1.0; 2], 2, 1, &[true]), Err(short));
}

#[test]
fn infinite_scores_and_thresholds_are_the_ends_of_the_order() {
    let map = [f32::INFINITY, f32::NEG_INFINITY, 0.0];
    let regions = |threshold| defect_regions(&map, 3, 1, threshold).unwrap();
    assert!(regions(f32::INFINITY).is_empty());
    let found = regions(f32::NEG_INFINITY);
    assert_eq!(found.iter().map(|region| region.peak).collect::<Vec<_>>(), [f32::INFINITY, 0.0]);
}

fn map() -> impl Strategy<Value = (Vec<f32>, u32, u32)> {
    (1u32..9, 1u32..9).prop_flat_map(|(width, height)| {
        let score = prop_oneof![(0i8..4).prop_map(f32::from), -1f32..4.0];
        let map = prop::collection::vec(score, (width * height) as usize);
        (map, Just(width), Just(height))
    })
}

proptest! {
    #[test]
    fn regions_hold_what_is_above_the_threshold((map, width, height) in map(), threshold in -1f32..4.0) {
        let regions = defect_regions(&map, width, height, threshold).unwrap();
        let above = map.iter().filter(|&&score| score > threshold).count() as u64;
        prop_assert_eq!(regions.iter().map(|region| region.area).sum::<u64>(), above);
        let highest = map.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        prop_assert_eq!(!regions.is_empty(), highest > threshold);
        prop_assert!(regions.first().is_none_or(|region| region.peak == highest));
        prop_assert!(regions.is_sorted_by(|a, b| a.peak >= b.peak));
        for region in regions {
            let DefectRegion { x, y, area, peak, peak_x, peak_y, .. } = region;
            prop_assert!(x + region.width <= width && y + region.height <= height);
            prop_assert!(area <= u64::from(region.width) * u64::from(region.height));
            prop_assert!(area >= u64::from(region.width.max(region.height)));
            prop_assert_eq!(map[(peak_y * width + peak_x) as usize], peak);
            prop_assert!((x..x + region.width).contains(&peak_x));
            prop_assert!((y..y + region.height).contains(&peak_y));
        }
    }

    #[test]
    fn marked_regions_hold_what_is_marked((map, width, height) in map(), threshold in -1f32..4.0) {
        let marked: Vec<bool> = map.iter().map(|&score| score <= threshold).collect();
        let regions = marked_regions(&map, width, height, &marked).unwrap();
        // Turned around, they are what is above.
        let around: Vec<f32> = map.iter().map(|score| -score).collect();
        let above = defect_regions(&around, width, height, (-threshold).next_down()).unwrap();
        let boxes = |regions: &[DefectRegion]| {
            let mut boxes: Vec<_> = regions.iter().map(|r| (r.x, r.y, r.width, r.height, r.area)).collect();
            boxes.sort_unstable();
            boxes
        };
        prop_assert_eq!(boxes(&regions), boxes(&above));
        let least = regions.iter().map(|region| region.peak).fold(f32::NEG_INFINITY, f32::max);
        prop_assert!(least <= threshold);
    }

    #[test]
    fn nothing_panics(
        map in prop::collection::vec(any::<f32>(), 0..30),
        width in 0u32..7,
        height in 0u32..7,
        threshold in any::<f32>(),
    ) {
        let fits = map.len() == (width * height) as usize && !map.is_empty();
        let usable = fits && !map.iter().any(|score| score.is_nan()) && !threshold.is_nan();
        prop_assert_eq!(defect_regions(&map, width, height, threshold).is_ok(), usable);
    }
}
