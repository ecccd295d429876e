//! A picture in 12 bits is seen as the same picture in 8 bits, however its depth is known.
#![cfg(feature = "flex")]

#[allow(dead_code)] // Shared with the behavioural suite, which uses all of it.
mod suite;

use std::fs;
use std::io::Cursor;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::LazyLock;

use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgb};
use nfbmr::data::{DataError, Limits, OnBadFile, decode_image};
use nfbmr::{
    AnomalyModel, CrossFitting, Detection, Frame, Images, PipelineConfig, PipelineError,
    PixelFormat, Progress, StoredBackbone, TrainingStorage, detect_files, weights, white_level,
};
use nfbmr_backend::Cpu;
use nfbmr_pipeline::{CrossFitted, Trainer};

type Pipeline = nfbmr_pipeline::Pipeline<Cpu>;

/// Four good gears in 8 bits, a good and a defective one.
static GEARS: LazyLock<Vec<DynamicImage>> = LazyLock::new(|| suite::gears(5, 1, 1));

/// Trained on the first four in 8 bits.
static SHALLOW: LazyLock<Pipeline> = LazyLock::new(|| train(&suite::small(), &GEARS[..4]));

/// Trained on the same four in 12 bits.
static DEEP: LazyLock<Pipeline> = LazyLock::new(|| {
    let images: Vec<DynamicImage> = GEARS[..4].iter().map(|image| deep(image).into()).collect();
    train(&suite::small(), &images)
});

fn train(config: &PipelineConfig, images: &[DynamicImage]) -> Pipeline {
    suite::train::<Cpu>(config, images).unwrap()
}

fn go_on(_: &Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn twelve_bits(value: u8) -> u16 {
    ((u32::from(value) * 4095 + 127) / 255) as u16
}

/// The picture from 0 to 4095.
fn deep(image: &DynamicImage) -> ImageBuffer<Rgb<u16>, Vec<u16>> {
    let image = image.to_rgb8();
    ImageBuffer::from_fn(image.width(), image.height(), |x, y| {
        Rgb(image[(x, y)].0.map(twelve_bits))
    })
}

/// The same with a pixel of 9000.
fn too_bright(image: &DynamicImage) -> DynamicImage {
    let mut image = deep(image);
    image[(3, 5)].0[1] = 9000;
    image.into()
}

/// A PNG file of 16 bits that says how many of them count.
fn png(image: &DynamicImage, bits: u8) -> Vec<u8> {
    let mut png = Cursor::new(Vec::new());
    image.write_to(&mut png, ImageFormat::Png).unwrap();
    let body = [*b"sBIT", [bits; 4]].concat();
    let body = &body[..7];
    let chunk = [&[0, 0, 0, 3], body, &crc32fast::hash(body).to_be_bytes()].concat();
    let png = png.into_inner();
    [&png[..33], &chunk, &png[33..]].concat()
}

/// A TIFF file of 16 bits that says its largest value, of each channel.
fn tiff(image: &ImageBuffer<Rgb<u16>, Vec<u16>>, white: u16) -> Vec<u8> {
    const SHORT: u16 = 3;
    const LONG: u16 = 4;
    let (width, height) = image.dimensions();
    let directory = 8 + 2 + 10 * 12 + 4;
    let entries = [
        (256, LONG, 1, width),
        (257, LONG, 1, height),
        (258, SHORT, 3, directory),
        (259, SHORT, 1, 1),
        (262, SHORT, 1, 2),
        (273, LONG, 1, directory + 12),
        (277, SHORT, 1, 3),
        (278, LONG, 1, height),
        (279, LONG, 1, 6 * width * height),
        (281, SHORT, 3, directory + 6),
    ];
    let mut file = b"II\x2a\0\x08\0\0\0\x0a\0".to_vec();
    for (tag, kind, count, value) in entries {
        file.extend([u16::to_le_bytes(tag), kind.to_le_bytes()].concat());
        file.extend([u32::to_le_bytes(count), value.to_le_bytes()].concat());
    }
    file.extend([0; 4]);
    for value in [16, 16, 16, white, white, white].iter().chain(image.as_raw()) {
        file.extend(value.to_le_bytes());
    }
    file
}

#[track_caller]
fn assert_same(found: &Detection, expected: &Detection) {
    assert_eq!(found.score.to_bits(), expected.score.to_bits());
    assert_eq!(found.anomaly_map, expected.anomaly_map);
}

#[test]
fn a_guessed_and_a_set_white_level_give_the_score_of_8_bits() {
    let expected = SHALLOW.detect(&GEARS[5]).unwrap();
    assert_eq!(SHALLOW.config().white_level, None);
    assert_eq!(DEEP.config().white_level, Some(4095));
    let mut config = suite::small();
    config.white_level = Some(4095);
    let set = train(&config, &GEARS[..4]);
    for model in [&*DEEP, &set] {
        assert_same(&model.detect(&deep(&GEARS[5]).into()).unwrap(), &expected);
        assert_same(&model.detect(&GEARS[5]).unwrap(), &expected);
    }
    // 8 bits do not count in the guess.
    let mixed: Vec<DynamicImage> =
        GEARS[..2].iter().cloned().chain(GEARS[2..4].iter().map(|i| deep(i).into())).collect();
    let level = white_level(&mixed).unwrap().unwrap();
    assert_eq!((level.value, level.images), (4095, 2));
    let mixed = train(&suite::small(), &mixed);
    assert_same(&mixed.detect(&deep(&GEARS[5]).into()).unwrap(), &expected);
}

#[test]
fn a_declared_depth_gives_the_score_of_8_bits() {
    let expected = SHALLOW.detect(&GEARS[5]).unwrap();
    let image = deep(&GEARS[5]);
    for file in [png(&image.clone().into(), 12), tiff(&image, 4095)] {
        let image = decode_image(&file, &Limits::default()).unwrap();
        assert_same(&SHALLOW.detect(&image).unwrap(), &expected);
        assert_same(&DEEP.detect(&image).unwrap(), &expected);
    }
}

#[test]
fn a_model_of_8_bits_alone_refuses_what_may_be_12_bits() {
    let error = SHALLOW.detect(&deep(&GEARS[5]).into()).unwrap_err().to_string();
    assert!(error.starts_with("expected a white level for 16-bit values up to "), "{error}");
    let mut full = deep(&GEARS[5]);
    full.iter_mut()
        .for_each(|value| *value = ((u32::from(*value) * 255 + 2047) / 4095 * 257) as u16);
    let expected = SHALLOW.detect(&GEARS[5]).unwrap();
    assert_same(&SHALLOW.detect(&full.into()).unwrap(), &expected);
}

#[test]
fn frames_give_the_score_of_8_bits() {
    let (side, grey) = (suite::SIDE, GEARS[5].to_luma8());
    let bytes =
        |values: &[u16]| -> Vec<u8> { values.iter().flat_map(|v| v.to_le_bytes()).collect() };
    let expected = SHALLOW.detect(&grey.clone().into()).unwrap();
    let wide: Vec<u16> = grey.iter().map(|&value| twelve_bits(value)).collect();
    let wide = bytes(&wide);
    let stride = 2 * side as usize;
    for (model, format) in [(&*SHALLOW, PixelFormat::Mono12), (&*DEEP, PixelFormat::Mono16)] {
        let frame = Frame::new(&wide, side, side, stride, format).unwrap();
        assert_same(&model.detect_frame(&frame).unwrap(), &expected);
    }
    let frame = Frame::new(&wide, side, side, stride, PixelFormat::Mono10).unwrap();
    let error = SHALLOW.detect_frame(&frame).unwrap_err();
    assert!(error.to_string().contains("up to 1023 in a frame of Mono10, found "), "{error}");

    let expected = SHALLOW.detect(&GEARS[5]).unwrap();
    let wide = bytes(deep(&GEARS[5]).as_raw());
    let frame = Frame::new(&wide, side, side, 3 * stride, PixelFormat::Rgb16).unwrap();
    assert_same(&DEEP.detect_frame(&frame).unwrap(), &expected);
    let mut swapped = GEARS[5].to_rgb8().into_raw();
    swapped.chunks_exact_mut(3).for_each(|pixel| pixel.swap(0, 2));
    let frame = Frame::new(&swapped, side, side, 3 * side as usize, PixelFormat::Bgr8).unwrap();
    assert_same(&SHALLOW.detect_frame(&frame).unwrap(), &expected);
}

#[test]
fn a_value_above_the_white_level_is_an_error_of_its_image() {
    const PROBLEM: &str = "expected 16-bit values up to 4095 (the model's white level), found 9000";
    let bright = too_bright(&GEARS[4]);
    assert_eq!(DEEP.detect(&bright).unwrap_err().to_string(), PROBLEM);

    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..3).map(|i| folder.path().join(format!("{i}.png"))).collect();
    let images = [deep(&GEARS[4]).into(), bright, deep(&GEARS[5]).into()];
    paths.iter().zip(&images).for_each(|(path, image)| image.save(path).unwrap());
    let mut found = Vec::new();
    detect_files(&*DEEP, &paths, &Limits::default(), &mut |_, detected| {
        found.push(detected);
        ControlFlow::Continue(())
    });
    let [Ok(first), Err(error), Ok(last)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(error.to_string(), format!("cannot use {}: {PROBLEM}", paths[1].display()));
    // What is shown is the picture in 8 bits.
    assert_eq!((&first.image, &last.image), (&GEARS[4].to_rgb8(), &GEARS[5].to_rgb8()));

    let mut model = DEEP.clone();
    let error = model.calibrate(&paths, None, &mut go_on).unwrap_err();
    assert!(error.to_string().contains(PROBLEM), "{error}");
    let mut skipped = Vec::new();
    let on_bad = OnBadFile::Skip(&mut skipped);
    let images = Images::Files { paths: &paths, limits: Limits::default(), on_bad };
    model.calibrate(images, None, &mut go_on).unwrap();
    assert!(matches!(&skipped[..], [DataError::Pixels { path, .. }] if *path == paths[1]));
}

#[test]
fn bad_files_are_told_once_in_the_guess_and_the_training() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..4).map(|i| folder.path().join(format!("{i}.png"))).collect();
    for (path, image) in paths.iter().zip(&GEARS[..]) {
        deep(image).save(path).unwrap();
    }
    let bytes = fs::read(&paths[1]).unwrap();
    fs::write(&paths[1], &bytes[..bytes.len() / 2]).unwrap();
    let error = white_level(&paths).unwrap_err();
    assert!(error.to_string().contains("1.png"), "{error}");
    let mut skipped = Vec::new();
    let on_bad = OnBadFile::Skip(&mut skipped);
    let images = Images::Files { paths: &paths, limits: Limits::default(), on_bad };
    let (config, device) = (suite::small(), Default::default());
    let model = Pipeline::train(&config, weights::embedded(), images, &device, &mut go_on).unwrap();
    assert_eq!((model.config().white_level, skipped.len()), (Some(4095), 1));
}

#[test]
fn a_trainer_keeps_the_white_level_of_its_features() {
    let images: Vec<DynamicImage> = GEARS[..4].iter().map(|image| deep(image).into()).collect();
    let (config, device) = (suite::small(), Default::default());
    let storage = TrainingStorage::default();
    let weights = weights::embedded();
    let mut trainer =
        Trainer::<Cpu>::new(&config, weights, &images, &storage, &device, &mut go_on).unwrap();
    assert!(trainer.suits(&config).unwrap());
    assert_eq!(trainer.train(&config, &mut go_on).unwrap().config().white_level, Some(4095));
    let mut other = config.clone();
    other.white_level = Some(16383);
    assert!(!trainer.suits(&other).unwrap());
    assert!(matches!(trainer.train(&other, &mut go_on), Err(PipelineError::Config(_))));
    other.white_level = Some(254);
    let error = other.validate().unwrap_err().to_string();
    assert!(error.ends_with("white_level must be 255 to 65535, found 254"), "{error}");

    let fitting = CrossFitting::new(2, None);
    let folds: CrossFitted<Cpu> =
        suite::cross_fit(&config, weights, &images, fitting, &storage, &mut go_on).unwrap();
    assert_eq!(folds.white_level(), Some(4095));
    let expected = folds.detect(&GEARS[5]).unwrap();
    assert_same(&folds.detect(&deep(&GEARS[5]).into()).unwrap(), &expected);
}

#[test]
fn a_saved_model_keeps_its_white_level() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.nfbmr");
    DEEP.save(&path, StoredBackbone::Referred).unwrap();
    let model = nfbmr::Pipeline::load(&path).unwrap();
    assert_eq!(model.white_level(), Some(4095));
    let grey = ImageBuffer::from_pixel(9, 9, Luma([4095u16]));
    assert!(model.detect(&grey.into()).is_ok());
}
