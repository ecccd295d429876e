//! Masks of every depth, as booleans.

use image::{
    DynamicImage, GrayAlphaImage, GrayImage, ImageBuffer, Luma, LumaA, Rgb, RgbImage, Rgba,
    RgbaImage,
};
use nfbmr_data::{DataError, Limits, Size, load_masks};
use proptest::prelude::*;
use tempfile::TempDir;

const WIDTH: u32 = 6;
const HEIGHT: u32 = 4;

fn load(image: impl Into<DynamicImage>) -> Vec<bool> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("mask.png");
    image.into().save(&path).unwrap();
    load_masks(&[path.clone()], (WIDTH, HEIGHT), &Limits::default()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn black_and_white_masks_of_every_depth_are_read_back(
        marked in prop::collection::vec(any::<bool>(), (WIDTH * HEIGHT) as usize),
        channel in 0..3usize,
        alpha: u8,
    ) {
        let at = |x: u32, y: u32| marked[(y * WIDTH + x) as usize];
        let grey = |x, y| u8::from(at(x, y)) * 255;
        let colour = |x, y| {
            let mut colour = [0; 3];
            colour[channel] = grey(x, y);
            colour
        };
        let (w, h) = (WIDTH, HEIGHT);
        prop_assert_eq!(&load(GrayImage::from_fn(w, h, |x, y| Luma([grey(x, y)]))), &marked);
        let image = GrayAlphaImage::from_fn(w, h, |x, y| LumaA([grey(x, y), alpha]));
        prop_assert_eq!(&load(image), &marked);
        prop_assert_eq!(&load(RgbImage::from_fn(w, h, |x, y| Rgb(colour(x, y)))), &marked);
        let image = RgbaImage::from_fn(w, h, |x, y| {
            let [r, g, b] = colour(x, y);
            Rgba([r, g, b, alpha])
        });
        prop_assert_eq!(&load(image), &marked);
        let image = ImageBuffer::from_fn(w, h, |x, y| Luma([u16::from(at(x, y)) * u16::MAX]));
        prop_assert_eq!(&load(image), &marked);
    }

    #[test]
    fn dark_masks_mark_all_that_is_not_black(
        values in prop::collection::vec(0..=127u8, (WIDTH * HEIGHT) as usize),
    ) {
        let marked: Vec<_> = values.iter().map(|&value| value > 0).collect();
        let wide = values.iter().map(|&value| u16::from(value)).collect();
        prop_assert_eq!(&load(GrayImage::from_vec(WIDTH, HEIGHT, values).unwrap()), &marked);
        let wide = ImageBuffer::<Luma<u16>, _>::from_vec(WIDTH, HEIGHT, wide).unwrap();
        prop_assert_eq!(&load(wide), &marked);
    }

    #[test]
    fn bright_masks_are_cut_at_half(
        values in prop::collection::vec(any::<u8>(), (WIDTH * HEIGHT) as usize),
    ) {
        let mut values = values;
        values[0] = 128;
        let marked: Vec<_> = values.iter().map(|&value| value >= 128).collect();
        prop_assert_eq!(load(GrayImage::from_vec(WIDTH, HEIGHT, values).unwrap()), marked);
    }
}

#[test]
fn masks_must_be_of_the_size_of_their_image() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("mask.png");
    GrayImage::new(6, 4).save(&path).unwrap();
    let error = load_masks(&[path.clone()], (4, 6), &Limits::default()).unwrap_err();
    let (wanted, got) = (Size { width: 4, height: 6 }, Size { width: 6, height: 4 });
    let right = matches!(
        &error,
        DataError::MaskSize { path: p, expected, found }
            if *p == path && *expected == wanted && *found == got
    );
    assert!(right, "{error:?}");
    let error =
        load_masks(&[path.clone()], (6, 4), &Limits { max_pixels: 23, ..Limits::default() });
    assert!(matches!(error, Err(DataError::Decode { .. })), "{error:?}");
    let error = load_masks(&[folder.path().join("none.png")], (6, 4), &Limits::default());
    assert!(matches!(error, Err(DataError::Read { .. })), "{error:?}");
}
