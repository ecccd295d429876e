//! `resize_rgb` against Pillow.

use std::path::Path;

use image::RgbImage;
use nfbmr_data::{Limits, SizeError, load_image, resize_rgb, to_rgb8};

fn fixture(name: &str) -> RgbImage {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/resize");
    to_rgb8(&load_image(folder.join(format!("{name}.png")), &Limits::default()).unwrap(), None)
        .unwrap()
}

#[test]
fn within_one_grey_level_of_pillow() {
    for name in ["noise", "gradient", "checker", "pixel", "row"] {
        let source = fixture(name);
        for (width, height) in [(16, 16), (13, 7), (64, 64), (101, 37), (1, 1), (47, 5)] {
            let expected = fixture(&format!("{name}_{width}x{height}"));
            let got = resize_rgb(&source, width, height).unwrap();
            assert_eq!(got.dimensions(), expected.dimensions());
            let worst =
                got.iter().zip(expected.iter()).map(|(&a, &b)| a.abs_diff(b)).max().unwrap();
            assert!(worst <= 1, "{name} to {width} x {height}: off by {worst}");
        }
    }
}

#[test]
fn same_size_changes_nothing() {
    let source = fixture("noise");
    assert_eq!(resize_rgb(&source, source.width(), source.height()), Ok(source));
}

#[test]
fn spare_bytes_after_the_pixels_are_ignored() {
    // An image may own a longer buffer than its size needs.
    let image = RgbImage::from_raw(2, 2, vec![50; 40]).unwrap();
    assert_eq!(resize_rgb(&image, 1, 1).unwrap().as_raw(), &[50; 3]);
}

#[test]
fn empty_images_are_refused() {
    let source = fixture("noise");
    assert!(matches!(resize_rgb(&source, 0, 4), Err(SizeError::EmptyTarget { .. })));
    assert!(matches!(resize_rgb(&source, 4, 0), Err(SizeError::EmptyTarget { .. })));
    let empty = RgbImage::new(4, 0);
    assert!(matches!(resize_rgb(&empty, 4, 4), Err(SizeError::EmptySource { .. })));
}
