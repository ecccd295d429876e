//! What lies outside of the inspected part counts neither in training nor in detection.
#![cfg(feature = "flex")]

#[allow(dead_code)] // Shared with the behavioural suite, which uses all of it.
mod suite;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use image::{DynamicImage, GrayImage, Luma, Rgb, Rgba, RgbaImage};
use nfbmr::config::{Augmentation, Fit, Mask};
use nfbmr::data::Limits;
use nfbmr::{
    CalibrateError, Calibration, CrossFitting, DefectPixels, Detection, PipelineConfig,
    PipelineError, Progress, StoredBackbone, System, TrainingStorage, weights,
};
use nfbmr_backend::Cpu;
use nfbmr_data::resize_rgb;
use nfbmr_pipeline::{CrossFitted, Pipeline};
use proptest::prelude::*;

/// A size of photographs, which the network's input is far from.
const PHOTO: [u32; 2] = [500, 350];

fn go_on(_: &Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// The left half is inspected, at a size of its own.
fn left_half() -> Mask {
    let pixel = |x, _| Luma([if x < 5 { 255 } else { 0 }]);
    Mask::new(&GrayImage::from_fn(10, 3, pixel).into()).unwrap()
}

/// A round part, whose pixels are no whole number of a photograph's.
fn round() -> GrayImage {
    GrayImage::from_fn(37, 23, |x, y| {
        let [x, y] = [x as f32 / 18.0 - 1.0, y as f32 / 11.0 - 0.8];
        Luma([if x * x + y * y < 0.4 { 255 } else { 0 }])
    })
}

/// Whether a pixel of a photograph overlaps a pixel that the mask marks.
fn inspected(mask: &GrayImage, [x, y]: [u32; 2], [width, height]: [u32; 2]) -> bool {
    let meet = |a: u32, of_a: u32, b: u32, of_b: u32| {
        a * of_b < (b + 1) * of_a && b * of_a < (a + 1) * of_b
    };
    mask.enumerate_pixels().any(|(u, v, pixel)| {
        pixel.0[0] > 0 && meet(x, width, u, mask.width()) && meet(y, height, v, mask.height())
    })
}

/// Whether each pixel of a photograph is inspected by the round mask.
static INSPECTED: LazyLock<Vec<bool>> = LazyLock::new(|| {
    let positions = (0..PHOTO[1]).flat_map(|y| (0..PHOTO[0]).map(move |x| [x, y]));
    positions.map(|at| inspected(&round(), at, PHOTO)).collect()
});

fn photos(count: u64, seed: u64) -> Vec<DynamicImage> {
    let large = |image: DynamicImage| resize_rgb(&image.to_rgb8(), PHOTO[0], PHOTO[1]).unwrap();
    suite::gears(count, 0, seed).into_iter().map(|image| large(image).into()).collect()
}

/// With all that the round mask leaves out changed, to something else in each image.
fn changed_outside(images: &[DynamicImage]) -> Vec<DynamicImage> {
    let change = |(index, image): (usize, &DynamicImage)| {
        let mut image = image.to_rgb8();
        let pixels = image.pixels_mut().enumerate().filter(|(pixel, _)| !INSPECTED[*pixel]);
        pixels.for_each(|(pixel, found)| *found = Rgb([255, (pixel * (7 + index)) as u8, 9]));
        image.into()
    };
    images.iter().enumerate().map(change).collect()
}

fn masked(mask: Mask, fit: Fit) -> PipelineConfig {
    let mut config = suite::small();
    (config.mask, config.fit) = (Some(mask), fit);
    config
}

fn same(a: &Detection, b: &Detection, what: &str) {
    assert_eq!(a.score.to_bits(), b.score.to_bits(), "{what}");
    assert_eq!(a.anomaly_map, b.anomaly_map, "{what}");
}

const FITS: [Fit; 2] = [Fit::Squash, Fit::Letterbox { fill: [0; 3] }];

/// Neither what is resized nor what is turned brings in anything of it.
#[test]
fn the_rest_of_an_image_changes_nothing() {
    let images = photos(4, 31);
    let others = changed_outside(&images);
    for fit in FITS {
        for augmentation in [Augmentation::Off, Augmentation::All] {
            let what = format!("{fit:?} {augmentation:?}");
            let mut config = masked(Mask::new(&round().into()).unwrap(), fit);
            config.augmentation = augmentation;
            let pipeline = suite::train::<Cpu>(&config, &images).unwrap();
            let of_others = suite::train::<Cpu>(&config, &others).unwrap();
            let detection = pipeline.detect(&images[0]).unwrap();
            same(&pipeline.detect(&others[0]).unwrap(), &detection, &what);
            same(&of_others.detect(&images[0]).unwrap(), &detection, &what);
            same(&of_others.detect(&others[0]).unwrap(), &detection, &what);
            assert_eq!(detection.anomaly_map.inspected.as_ref(), Some(&*INSPECTED), "{what}");
        }
    }
}

/// Of systems with a score of their own too, and of tiles.
#[test]
fn the_rest_of_an_image_changes_nothing_of_other_systems() {
    let images = photos(4, 34);
    let others = changed_outside(&images);
    for system in [System::PatchCore, System::Padim, System::Nf] {
        let mut config = masked(Mask::new(&round().into()).unwrap(), Fit::Squash);
        config = config.with_system(system).unwrap();
        let pipeline = suite::train::<Cpu>(&config, &images).unwrap();
        let detection = pipeline.detect(&images[0]).unwrap();
        same(&pipeline.detect(&others[0]).unwrap(), &detection, system.name());
    }
}

#[test]
fn a_defect_inside_is_seen() {
    let images = suite::gears(5, 0, 31);
    for fit in FITS {
        let pipeline = suite::train::<Cpu>(&masked(left_half(), fit), &images).unwrap();
        let mut defect = images[0].to_rgb8();
        for (x, y, pixel) in defect.enumerate_pixels_mut() {
            if (2..suite::SIDE / 3).contains(&x) && (2..suite::SIDE / 3).contains(&y) {
                *pixel = Rgb([250, 3, 9]);
            }
        }
        let good = pipeline.detect(&images[0]).unwrap();
        let defect = pipeline.detect(&defect.into()).unwrap();
        assert!(defect.score > 1.5 * good.score, "{} and {}", defect.score, good.score);
    }
}

/// Where all that is inspected is above the threshold, the region is all of it, and no more.
#[test]
fn a_region_ends_with_the_inspected_part() {
    let images = photos(12, 35);
    let config = masked(left_half(), Fit::Squash);
    let left = |x: u32, y: u32, width: u32, height: u32| {
        assert_eq!([x, y, width, height], [0, 0, PHOTO[0] / 2, PHOTO[1]]);
    };
    let mut model = suite::train::<Cpu>(&config, &images[..4]).unwrap();
    model.calibrate(&images[4..].to_vec(), None, &mut go_on).unwrap();
    let detection = model.detect(&images[0]).unwrap();
    let map = &detection.anomaly_map;
    let lowest = map.inspected_values().fold(f32::INFINITY, f32::min);
    let highest = map.inspected_values().fold(f32::NEG_INFINITY, f32::max);
    model.calibration_mut().unwrap().set_pixel_threshold(lowest.next_down()).unwrap();
    let regions = model.detect(&images[0]).unwrap().regions().unwrap().unwrap();
    assert_eq!((regions.len(), regions[0].peak), (1, highest));
    assert_eq!(regions[0].area, u64::from(PHOTO[0] / 2 * PHOTO[1]));
    left(regions[0].x, regions[0].y, regions[0].width, regions[0].height);
    // What calibration takes of an image is the highest inspected value.
    let peak = |image| {
        let map = model.detect(image).unwrap().anomaly_map;
        map.inspected_values().fold(f32::NEG_INFINITY, f32::max)
    };
    let mut peaks: Vec<f32> = images[4..].iter().map(peak).collect();
    peaks.sort_unstable_by(f32::total_cmp);
    let calibration = model.calibration().and_then(Calibration::split).unwrap();
    assert_eq!(calibration.pixel_scores().unwrap().scores(), peaks);

    let (storage, fitting) = (TrainingStorage::default(), CrossFitting::new(3, None));
    let weights = weights::embedded();
    let model: CrossFitted<Cpu> =
        suite::cross_fit(&config, weights, &images, fitting, &storage, &mut go_on).unwrap();
    // All of it is far from what the models know.
    let white = DynamicImage::from(image::RgbImage::from_pixel(PHOTO[0], PHOTO[1], Rgb([255; 3])));
    let detection = model.detect(&white).unwrap();
    let Some(DefectPixels::Marked(pixels)) = &detection.defect_pixels else {
        panic!("{:?}", detection.defect_pixels)
    };
    let pixels = pixels.chunks(PHOTO[0] as usize);
    assert!(pixels.clone().any(|row| row[..PHOTO[0] as usize / 2].contains(&true)));
    assert!(pixels.clone().all(|row| !row[PHOTO[0] as usize / 2..].contains(&true)));
    for region in detection.regions().unwrap().unwrap() {
        assert!(region.x + region.width <= PHOTO[0] / 2 && region.peak.is_finite(), "{region:?}");
    }
}

/// Models that inspect a dot in a corner, and the left half.
static MODELS: LazyLock<Vec<Pipeline<Cpu>>> = LazyLock::new(|| {
    let dot = GrayImage::from_fn(160, 160, |x, y| Luma([if [x, y] == [155, 3] { 1 } else { 0 }]));
    let images = suite::gears(4, 0, 33);
    let masks = [Mask::new(&dot.into()).unwrap(), left_half()];
    let configs = masks.iter().flat_map(|mask| FITS.map(|fit| masked(mask.clone(), fit)));
    configs.map(|config| suite::train::<Cpu>(&config, &images).unwrap()).collect()
});

fn size() -> impl Strategy<Value = (u32, u32)> {
    prop_oneof![
        (1u32..6, 1u32..6),
        (1u32..3, 1u32..4001),
        (1u32..4001, 1u32..3),
        (30u32..200, 30u32..200),
        Just((1, 4000)),
        Just((4000, 1)),
        Just((1, 1)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// However small or narrow the image is, something of it is inspected.
    #[test]
    fn an_image_of_any_size_has_a_score_and_regions_inside((width, height) in size(), value: u8) {
        let image = GrayImage::from_fn(width, height, |x, y| Luma([value.wrapping_add((x ^ y) as u8)]));
        for model in &*MODELS {
            let detection = model.detect(&image.clone().into()).unwrap();
            let map = &detection.anomaly_map;
            let count = map.inspected_values().count();
            prop_assert!(detection.score.is_finite() && count > 0);
            prop_assert!(map.inspected_values().all(f32::is_finite));
            let regions = map.regions(f32::MIN).unwrap();
            prop_assert_eq!(regions.len(), 1);
            prop_assert_eq!(regions[0].area, count as u64);
            prop_assert!(regions[0].peak.is_finite());
        }
    }
}

#[test]
fn a_model_file_keeps_the_mask() {
    let images = suite::gears(4, 0, 32);
    let pipeline = suite::train::<Cpu>(&masked(left_half(), Fit::Squash), &images).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.nfbmr");
    pipeline.save(&path, StoredBackbone::Referred).unwrap();
    let loaded = Pipeline::<Cpu>::load(&path, weights::embedded(), &Default::default()).unwrap();
    assert_eq!(loaded.config().mask, Some(left_half()));
    let (before, after) =
        (pipeline.detect(&images[0]).unwrap(), loaded.detect(&images[0]).unwrap());
    assert_eq!(before.anomaly_map, after.anomaly_map);
}

fn write(images: &[DynamicImage], folder: &Path) -> Vec<PathBuf> {
    let path = |index| folder.join(format!("{index}.png"));
    let paths: Vec<PathBuf> = (0..images.len()).map(path).collect();
    images.iter().zip(&paths).for_each(|(image, path)| image.save(path).unwrap());
    paths
}

/// Training sees files and decoded images alike, and calibration knows them again by what is inspected.
#[test]
fn training_and_calibration_see_the_same_image() {
    let images = photos(4, 36);
    let folder = tempfile::tempdir().unwrap();
    let paths = write(&images, folder.path());
    let others = changed_outside(&images);
    for fit in FITS {
        let config = masked(Mask::new(&round().into()).unwrap(), fit);
        let decoded = suite::train::<Cpu>(&config, &images).unwrap();
        let (weights, device) = (weights::embedded(), Default::default());
        let mut of_files =
            Pipeline::<Cpu>::train(&config, weights, &paths, &device, &mut go_on).unwrap();
        let detections =
            (of_files.detect(&images[1]).unwrap(), decoded.detect(&images[1]).unwrap());
        same(&detections.0, &detections.1, "files");
        for images in [&images, &others] {
            match of_files.calibrate(images, None, &mut go_on) {
                Err(PipelineError::Calibration(CalibrateError::TrainedOn { found, .. })) => {
                    assert_eq!(found, images.len());
                }
                other => panic!("{other:?}"),
            }
        }
        of_files.calibrate(&photos(3, 37), None, &mut go_on).unwrap();
    }
}

/// All of these inspect the left half.
#[test]
fn pictures_of_the_inspected_part_are_read_in_one_way() {
    let folder = tempfile::tempdir().unwrap();
    let left = |value: u8, other: u8| move |x: u32| if x < 20 { value } else { other };
    let grey = |value: fn(u32) -> u8| GrayImage::from_fn(40, 12, |x, _| Luma([value(x)]));
    let clear = |alpha: fn(u32) -> u8, colour: [u8; 3]| {
        RgbaImage::from_fn(40, 12, |x, _| {
            let [r, g, b] = colour;
            Rgba([r, g, b, alpha(x)])
        })
    };
    let bit = left(1, 0);
    let red = image::RgbImage::from_fn(40, 12, |x, _| Rgb([237 * bit(x), 0, 0]));
    let pictures: [(&str, DynamicImage); 7] = [
        ("white.png", grey(|x| if x < 20 { 255 } else { 0 }).into()),
        ("ones.png", grey(|x| u8::from(x < 20)).into()),
        ("classes.png", grey(|x| [1, 200, 0, 0][x as usize / 10]).into()),
        ("red.png", red.into()),
        ("clear.png", clear(|x| if x < 20 { 255 } else { 0 }, [255; 3]).into()),
        ("clear-and-black.png", clear(|x| if x < 20 { 90 } else { 0 }, [0; 3]).into()),
        ("lossy.jpg", grey(|x| if x < 20 { 250 } else { 0 }).into()),
    ];
    for (name, picture) in pictures {
        let path = folder.path().join(name);
        picture.save(&path).unwrap();
        let mask = Mask::load(&path, &Limits::default()).unwrap();
        // A JPEG file blurs the border, which is within a block here.
        let exact = if name == "lossy.jpg" { 0.06 } else { 0.0 };
        assert!((mask.share() - 0.5).abs() <= exact, "{name}: {mask:?}");
        if name != "lossy.jpg" {
            assert_eq!(Mask::new(&picture).unwrap(), mask, "{name}");
        }
    }
    let path = folder.path().join("dark.png");
    GrayImage::new(4, 4).save(&path).unwrap();
    let problem = Mask::load(&path, &Limits::default()).unwrap_err().to_string();
    assert!(problem.ends_with(&format!("found none in {}", path.display())), "{problem}");
}
