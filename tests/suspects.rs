//! The defect among the good images.
#![cfg(feature = "flex")]

#[allow(dead_code)] // Shared with the behavioural suite, which uses all of it.
mod suite;

use std::ops::ControlFlow;

use image::{DynamicImage, Rgb};
use nfbmr::config::Augmentation;
use nfbmr::data::{Limits, OnBadFile};
use nfbmr::{
    AnomalyModel, CrossFitting, ImageName, Images, Suspect, System, TrainingStorage, weights,
};
use nfbmr_backend::Cpu;
use nfbmr_pipeline::Pipeline;
use suite::{SIDE, gears, small, small_of, train};

/// Good gears, the one of which at `place` has a large dark spot.
fn with_defect(count: u64, seed: u64, place: usize) -> Vec<DynamicImage> {
    let mut images = gears(count, 0, seed);
    let mut spoilt = images[place].to_rgb8();
    let spot = SIDE / 3..SIDE / 2;
    spot.clone().for_each(|y| spot.clone().for_each(|x| spoilt.put_pixel(x, y, Rgb([255, 0, 0]))));
    images[place] = spoilt.into();
    images
}

fn first(suspects: Option<&[Suspect]>) -> Option<&ImageName> {
    suspects.and_then(<[_]>::first).map(|suspect| &suspect.image)
}

#[test]
fn a_defect_among_the_training_images_is_named() {
    let model: Pipeline<Cpu> = train(&small(), &with_defect(16, 5, 11)).unwrap();
    assert_eq!(first(model.suspects()), Some(&ImageName::Index(11)), "{:?}", model.suspects());
}

#[test]
fn a_defect_among_the_calibration_images_is_named() {
    let mut model: Pipeline<Cpu> = train(&small(), &gears(16, 0, 5)).unwrap();
    let trained = model.suspects().unwrap().len();
    let held_out = with_defect(12, 6, 3);
    model.calibrate(&held_out, None, &mut |_| ControlFlow::Continue(())).unwrap();
    let found = &model.suspects().unwrap()[trained..];
    assert_eq!(first(Some(found)), Some(&ImageName::Index(3)), "{found:?}");
}

#[test]
fn a_defect_among_the_images_of_folds_is_named() {
    let (fitting, storage) = (CrossFitting::new(3, None), TrainingStorage::default());
    let images = with_defect(15, 5, 2);
    let go_on = &mut |_: &_| ControlFlow::Continue(());
    let (config, weights) = (small(), weights::embedded());
    let model = suite::cross_fit::<Cpu>(&config, weights, &images, fitting, &storage, go_on);
    let model = model.unwrap();
    assert_eq!(first(model.suspects()), Some(&ImageName::Index(2)), "{:?}", model.suspects());
}

#[test]
fn where_it_can_not_be_told_nothing_is_claimed() {
    let known = |config, images: u64| {
        train::<Cpu>(config, &gears(images, 0, 5)).unwrap().suspects().is_some()
    };
    let config = small();
    assert!(known(&config, 8) && !known(&config, 7));
    let mut turned = small();
    turned.augmentation = Augmentation::HalfTurn;
    let patchcore = small_of(System::PatchCore);
    assert!(!known(&turned, 8) && !known(&patchcore, 8));
}

#[test]
fn bad_files_do_not_shift_the_names() {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for (index, image) in with_defect(12, 5, 7).iter().enumerate() {
        let path = folder.path().join(format!("{index:02}.png"));
        image.save(&path).unwrap();
        paths.push(path);
    }
    std::fs::write(&paths[1], "text").unwrap();
    let (mut skipped, limits) = (Vec::new(), Limits::default());
    let on_bad = OnBadFile::Skip(&mut skipped);
    let images = Images::Files { paths: &paths, limits, on_bad };
    let mut go_on = |_: &_| ControlFlow::Continue(());
    let device = Default::default();
    let model =
        Pipeline::<Cpu>::train(&small(), weights::embedded(), images, &device, &mut go_on).unwrap();
    assert_eq!(first(model.suspects()), Some(&ImageName::Path(paths[7].clone())));
}
