//! Masks of every depth, as booleans.

use std::slice::from_ref;

use image::{
    DynamicImage, GrayAlphaImage, GrayImage, ImageBuffer, Luma, LumaA, Rgb, RgbImage, Rgba,
    RgbaImage,
};
use nfbmr_data::{DataError, Limits, Marked, Size, load_masks};
use proptest::prelude::*;
use tempfile::TempDir;

const WIDTH: u32 = 6;
const HEIGHT: u32 = 4;

fn load(image: impl Into<DynamicImage>) -> Vec<bool> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("mask.png");
    image.into().save(&path).unwrap();
    load_masks(from_ref(&path), (WIDTH, HEIGHT), &Limits::default()).unwrap()
}

/// What a grey mask of these values marks, in 8 and in 16 bits.
fn grey(values: &[u8]) -> Vec<bool> {
    let wide = values.iter().map(|&value| u16::from(value)).collect();
    let wide = ImageBuffer::<Luma<u16>, _>::from_vec(WIDTH, HEIGHT, wide).unwrap();
    let marked = load(GrayImage::from_vec(WIDTH, HEIGHT, values.to_vec()).unwrap());
    assert_eq!(load(wide), marked);
    marked
}

fn values(value: impl Strategy<Value = u8>) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(value, (WIDTH * HEIGHT) as usize)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn masks_of_every_depth_and_colour_are_read_back(
        marked in prop::collection::vec(any::<bool>(), (WIDTH * HEIGHT) as usize),
        channel in 0..3usize,
        bright in 1..=u8::MAX,
    ) {
        let at = |x: u32, y: u32| marked[(y * WIDTH + x) as usize];
        let grey = |x, y| u8::from(at(x, y)) * bright;
        let colour = |x, y| {
            let mut colour = [0; 3];
            colour[channel] = grey(x, y);
            colour
        };
        let (w, h) = (WIDTH, HEIGHT);
        prop_assert_eq!(&load(GrayImage::from_fn(w, h, |x, y| Luma([grey(x, y)]))), &marked);
        let image = GrayAlphaImage::from_fn(w, h, |x, y| LumaA([grey(x, y), 255]));
        prop_assert_eq!(&load(image), &marked);
        prop_assert_eq!(&load(RgbImage::from_fn(w, h, |x, y| Rgb(colour(x, y)))), &marked);
        let image = RgbaImage::from_fn(w, h, |x, y| {
            let [r, g, b] = colour(x, y);
            Rgba([r, g, b, 255])
        });
        prop_assert_eq!(&load(image), &marked);
        for bright in [1, u16::from(bright), u16::MAX] {
            let image = ImageBuffer::from_fn(w, h, |x, y| Luma([u16::from(at(x, y)) * bright]));
            prop_assert_eq!(&load(image), &marked);
        }
    }

    #[test]
    fn transparency_alone_is_the_mask_where_there_is_any(
        alpha in values(prop_oneof![Just(0), Just(255), any::<u8>()]),
        values in values(any::<u8>()),
        transparent in 0..(WIDTH * HEIGHT) as usize,
    ) {
        let mut alpha = alpha;
        alpha[transparent] = 0;
        let marked: Vec<_> = alpha.iter().map(|&alpha| alpha > 0).collect();
        let at = |x: u32, y: u32| (y * WIDTH + x) as usize;
        let image = GrayAlphaImage::from_fn(WIDTH, HEIGHT, |x, y| LumaA([values[at(x, y)], alpha[at(x, y)]]));
        prop_assert_eq!(&load(image), &marked);
        let image = RgbaImage::from_fn(WIDTH, HEIGHT, |x, y| Rgba([0, 0, 0, alpha[at(x, y)]]));
        prop_assert_eq!(&load(image), &marked);
    }

    #[test]
    fn classes_are_all_that_is_not_black(
        classes in prop::collection::vec(any::<u8>(), 1..=15),
        drawn in values(any::<u8>()),
    ) {
        let class = |drawn: u8| [&[0], &classes[..]].concat()[usize::from(drawn) % (classes.len() + 1)];
        let values: Vec<u8> = drawn.into_iter().map(class).collect();
        let marked: Vec<_> = values.iter().map(|&value| value > 0).collect();
        prop_assert_eq!(grey(&values), marked);
    }

    #[test]
    fn shades_are_cut_at_half_of_the_brightest(
        shades in values(0..=254u8),
        brightest in 17..=255u8,
    ) {
        let mut values: Vec<u8> = shades.into_iter().map(|shade| shade % brightest).collect();
        // 17 values at least.
        values[..17].copy_from_slice(&(0..16).chain([brightest]).collect::<Vec<u8>>());
        let marked: Vec<_> = values.iter().map(|&value| 2 * u16::from(value) > brightest.into()).collect();
        prop_assert_eq!(grey(&values), marked);
    }
}

#[test]
fn the_seventeenth_value_makes_shades() {
    let with = |brightest: u8| {
        let values: Vec<u8> = (0..24).map(|index| 10 * index.min(brightest)).collect();
        grey(&values).into_iter().filter(|&marked| marked).count()
    };
    // The values are 0 to 150: classes. From 0 to 160: shades, and 80 isn't above half.
    assert_eq!((with(15), with(16)), (23, 15));
}

/// Around the edges of a mask, compression with loss leaves all kinds of dark values; here too few to count as shades.
#[test]
fn a_mask_that_lost_detail_is_cut_at_half() {
    let folder = TempDir::new().unwrap();
    let half = GrayImage::from_fn(16, 16, |x, _| Luma([if x < 8 { 0 } else { 90 }]));
    let stains = |mut mask: GrayImage| {
        (0..4).for_each(|y| mask.put_pixel(y, y, Luma([3 + y as u8])));
        mask
    };
    let expected: Vec<bool> = (0..256).map(|index| index % 16 >= 8).collect();
    let marked = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Marked::load(&path, &Limits::default()).unwrap().pixels
    };
    let mut jpeg = std::io::Cursor::new(Vec::new());
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 90);
    stains(half.clone()).write_with_encoder(encoder).unwrap();
    // The content tells, not the name.
    assert_eq!(marked("mask.png", jpeg.get_ref()), expected);
    let mut png = std::io::Cursor::new(Vec::new());
    stains(half).write_to(&mut png, image::ImageFormat::Png).unwrap();
    let of_png = marked("mask.jpg", png.get_ref());
    assert_eq!(of_png.iter().filter(|&&marked| marked).count(), 128 + 4);
}

#[test]
fn masks_must_be_of_the_size_of_their_image() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("mask.png");
    GrayImage::new(6, 4).save(&path).unwrap();
    let error = load_masks(from_ref(&path), (4, 6), &Limits::default()).unwrap_err();
    let (wanted, got) = (Size { width: 4, height: 6 }, Size { width: 6, height: 4 });
    let right = matches!(
        &error,
        DataError::MaskSize { path: p, expected, found }
            if *p == path && *expected == wanted && *found == got
    );
    assert!(right, "{error:?}");
    let error =
        load_masks(from_ref(&path), (6, 4), &Limits { max_pixels: 23, ..Limits::default() });
    assert!(matches!(error, Err(DataError::Decode { .. })), "{error:?}");
    let error = load_masks(&[folder.path().join("none.png")], (6, 4), &Limits::default());
    assert!(matches!(error, Err(DataError::Read { .. })), "{error:?}");
}
