//! Images held out of training.

use std::collections::BTreeSet;
use std::path::PathBuf;

use nfbmr_data::{HoldOutError, hold_out};
use proptest::prelude::*;

fn paths(count: usize) -> Vec<PathBuf> {
    (0..count).map(|index| PathBuf::from(format!("good/{index:03}.png"))).collect()
}

proptest! {
    #[test]
    fn the_parts_share_nothing_and_lose_nothing(
        count in 0usize..300, share in 0.001f64..0.999, seed: u64,
    ) {
        let images = paths(count);
        match hold_out(images.clone(), share, seed) {
            Ok(parts) => {
                prop_assert!(parts.training.len() >= 2 && !parts.calibration.is_empty());
                let off = parts.calibration.len() as f64 - share * count as f64;
                prop_assert!(off.abs() <= 0.5 || parts.calibration.len() == 1);
                prop_assert!(parts.training.is_sorted() && parts.calibration.is_sorted());
                let all: BTreeSet<_> = parts.training.iter().chain(&parts.calibration).collect();
                prop_assert_eq!(all.len(), parts.training.len() + parts.calibration.len());
                prop_assert!(all.into_iter().eq(&images));
            }
            Err(HoldOutError::TooFewImages { found, held_out }) => {
                prop_assert!(found == count && held_out + 2 > count);
            }
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn order_and_repeated_paths_mean_nothing(
        images in Just(paths(40)).prop_shuffle(), again in 0usize..40, seed: u64,
    ) {
        let expected = hold_out(paths(40), 0.25, seed).unwrap();
        prop_assert_eq!(&hold_out(images.clone(), 0.25, seed).unwrap(), &expected);
        let repeated = images.iter().chain(&images[..again]);
        prop_assert_eq!(hold_out(repeated.cloned().collect(), 0.25, seed).unwrap(), expected);
    }
}

#[test]
fn every_image_is_held_out_about_as_often() {
    let images = paths(20);
    let mut counts = [0; 20];
    for seed in 0..2000 {
        for path in hold_out(images.clone(), 0.25, seed).unwrap().calibration {
            counts[images.binary_search(&path).unwrap()] += 1;
        }
    }
    // 500 each, with a standard deviation of 19.
    assert!(counts.iter().all(|count| (400..600).contains(count)), "{counts:?}");
}

/// The seeds of a user give the same images for ever: those that a ChaCha8 written in Python draws.
#[test]
fn a_seed_is_the_same_on_every_machine() {
    let held_out = |seed| hold_out(paths(100), 0.03, seed).unwrap().calibration;
    let good =
        |indices: [u8; 3]| indices.map(|index| PathBuf::from(format!("good/{index:03}.png")));
    assert_eq!(held_out(0), good([9, 40, 87]));
    assert_eq!(held_out(1), good([24, 54, 86]));
}

#[test]
fn too_few_images_and_shares_out_of_range_are_refused() {
    assert_eq!(hold_out(paths(3), 0.01, 0).unwrap().calibration.len(), 1);
    for (count, share, held_out) in [(0, 0.5, 1), (1, 0.2, 1), (2, 0.2, 1), (10, 0.9, 9)] {
        let error = hold_out(paths(count), share, 0).unwrap_err();
        assert_eq!(error, HoldOutError::TooFewImages { found: count, held_out });
    }
    assert_eq!(
        hold_out(paths(2), 0.2, 0).unwrap_err().to_string(),
        "expected 2 images or more to train on besides 1 held out, found 2 in all"
    );
    for share in [0.0, 1.0, -0.5, f64::NAN, f64::INFINITY] {
        assert!(matches!(hold_out(paths(9), share, 0), Err(HoldOutError::Share { .. })));
    }
}
