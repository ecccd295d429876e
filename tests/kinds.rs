//! Several kinds of parts in one set.
#![cfg(feature = "flex")]

#[allow(dead_code)] // Shared with the behavioural suite, which uses all of it.
mod suite;

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use image::DynamicImage;
use nfbmr::config::{AlignmentMotion, Kinds, Tiling};
use nfbmr::data::{Label, LabelledImage, OnBadFile};
use nfbmr::evaluation::evaluate;
use nfbmr::{
    CrossFitting, KindsReason, PipelineConfig, PipelineError, StoredBackbone, System,
    TrainingError, TrainingStorage, weights,
};
use nfbmr_backend::Cpu;
use nfbmr_pipeline::{CrossFitted, Pipeline};
use nfbmr_synthetic::{DefectKind, Kind, PartClass, Scene, TextureClass};

const SIDE: u32 = 96;
const PRODUCTS: [PartClass; 3] = [PartClass::Gear, PartClass::Flange, PartClass::Bracket];

/// A part upright in the middle of the image.
fn part(product: PartClass, index: u64, defect: Option<DefectKind>) -> DynamicImage {
    let mut scene = Scene::default();
    (scene.straight, scene.part_scale) = (true, 1.0);
    scene.generate(Kind::Part(product), 3, index, defect, SIDE).unwrap().image.into()
}

/// The products in turn.
fn mixed(range: std::ops::Range<u64>) -> Vec<DynamicImage> {
    range.flat_map(|index| PRODUCTS.map(|product| part(product, index, None))).collect()
}

fn tiling() -> Tiling {
    let mut tiling = Tiling::new(32);
    tiling.overlap = 16;
    tiling
}

fn of(kinds: Kinds) -> PipelineConfig {
    let mut config = suite::small();
    config.kinds = kinds;
    config
}

/// The kind that each product is taken for, in the order of [`PRODUCTS`].
fn kinds_of(model: &Pipeline<Cpu>, range: std::ops::Range<u64>) -> Vec<BTreeSet<Option<usize>>> {
    let kind = |product, index| model.detect(&part(product, index, None)).unwrap().kind;
    PRODUCTS.map(|product| range.clone().map(|index| kind(product, index)).collect()).into()
}

#[test]
fn products_are_told_apart() {
    let model: Pipeline<Cpu> = suite::train(&of(Kinds::Auto), &mixed(0..12)).unwrap();
    let choice = model.choices().kinds.clone().unwrap();
    println!("{choice}");
    assert_eq!((&choice.images[..], choice.reason), (&[12; 3][..], KindsReason::Groups));
    assert_eq!(model.config().kinds.number(), Some(3));
    let kinds = kinds_of(&model, 100..106);
    assert!(kinds.iter().all(|own| own.len() == 1 && !own.contains(&None)), "{kinds:?}");
    assert_eq!(kinds.iter().flatten().collect::<BTreeSet<_>>().len(), 3);
    // Nothing that it has seen.
    let weave = suite::images(Kind::Texture(TextureClass::Woven), 1, 0, 1, SIDE).remove(0);
    let weave = model.detect(&weave).unwrap().score;
    assert!(mixed(100..106).iter().all(|good| model.detect(good).unwrap().score < weave));
}

#[test]
fn scores_of_kinds_are_alike() {
    let model: Pipeline<Cpu> = suite::train(&of(Kinds::Number(3)), &mixed(0..16)).unwrap();
    let mean = |product| {
        let score = |index| model.detect(&part(product, index, None)).unwrap().score;
        (100..112).map(score).sum::<f32>() / 12.0
    };
    let means = PRODUCTS.map(mean);
    let (low, high) = means
        .iter()
        .fold((f32::INFINITY, 0f32), |(low, high), own| (low.min(*own), high.max(*own)));
    println!("{means:?}");
    assert!(high < 1.5 * low, "{means:?}");
}

#[test]
fn a_file_tells_kinds_as_the_model_does() {
    let folder = tempfile::tempdir().unwrap();
    let model: Pipeline<Cpu> = suite::train(&of(Kinds::Number(3)), &mixed(0..6)).unwrap();
    let path = folder.path().join("kinds.nfbmr");
    model.save(&path, StoredBackbone::Referred).unwrap();
    let loaded = Pipeline::<Cpu>::load(&path, weights::embedded(), &Default::default()).unwrap();
    assert_eq!(loaded.choices(), model.choices());
    for image in mixed(100..103) {
        let (own, again) = (model.detect(&image).unwrap(), loaded.detect(&image).unwrap());
        assert_eq!((own.score.to_bits(), own.kind), (again.score.to_bits(), again.kind));
    }
}

#[test]
fn a_calibration_counts_by_kind() {
    let mut model: Pipeline<Cpu> = suite::train(&of(Kinds::Number(3)), &mixed(0..6)).unwrap();
    let go_on = &mut |_: &_| ControlFlow::Continue(());
    model.calibrate(&mixed(100..108), None, go_on).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kinds.nfbmr");
    model.save(&path, StoredBackbone::Referred).unwrap();
    let loaded = Pipeline::<Cpu>::load(&path, weights::embedded(), &Default::default()).unwrap();
    for model in [&mut model, &mut { loaded }] {
        let kinds = model.calibration().unwrap().split().unwrap().kinds();
        assert_eq!(kinds.iter().map(|own| own.images).collect::<Vec<_>>(), [8; 3]);
        let above: usize = kinds.iter().map(|own| own.above).sum();
        // 1 / 25, the smallest rate of 24 images.
        assert!(above <= 1, "{kinds:?}");
        model.calibration_mut().unwrap().set_threshold(-1.0).unwrap();
        let kinds = model.calibration().unwrap().split().unwrap().kinds();
        assert!(kinds.iter().all(|own| own.above == own.images), "{kinds:?}");
    }
}

#[test]
fn one_product_is_one_kind() {
    let chosen = |config: &PipelineConfig, images: &[DynamicImage]| {
        let model: Pipeline<Cpu> = suite::train(config, images).unwrap();
        let image = model.detect(&images[0]).unwrap();
        let choice = model.choices().kinds.clone().unwrap();
        println!("{choice}");
        assert_eq!((choice.images.len(), image.kind), (1, None));
        assert_eq!(model.config().kinds, Kinds::Number(1));
        choice.reason
    };
    for product in PRODUCTS {
        let images: Vec<_> = (0..16).map(|index| part(product, index, None)).collect();
        assert_eq!(chosen(&of(Kinds::Auto), &images), KindsReason::Groups);
    }
    assert_eq!(chosen(&of(Kinds::Auto), &mixed(0..3)), KindsReason::TooFewImages);
    let mut tiles = of(Kinds::Auto);
    tiles.tiling = Some(tiling());
    assert_eq!(chosen(&tiles, &mixed(0..6)), KindsReason::Tiles);
}

/// A brushed part whose outline looks alike in several directions lies in any of them once it is turned.
#[test]
fn directions_are_no_kinds() {
    let mut config = of(Kinds::Auto);
    config.alignment = AlignmentMotion::Rigid.into();
    let flange = |index| {
        Scene::default().generate(Kind::Part(PartClass::Flange), 3, index, None, 160).unwrap()
    };
    let images: Vec<DynamicImage> = (0..20).map(|index| flange(index).image.into()).collect();
    let model: Pipeline<Cpu> = suite::train(&config, &images).unwrap();
    println!("{}", model.choices().kinds.as_ref().unwrap());
    assert_eq!(model.config().kinds, Kinds::Number(1));
}

#[test]
fn what_cannot_be_so_many_kinds_is_refused() {
    let refused = |config: &PipelineConfig, images: &[DynamicImage]| {
        suite::train::<Cpu>(config, images).unwrap_err()
    };
    let error = refused(&of(Kinds::Number(5)), &mixed(0..2));
    let expected = TrainingError::Kinds { kinds: 5, images: 6, fewest: 2 };
    assert!(matches!(&error, PipelineError::Training(found) if *found == expected), "{error}");
    let error = refused(&of(Kinds::Number(0)), &mixed(0..2)).to_string();
    assert!(error.contains("kinds: expected `auto` or 1 to 64, found 0"), "{error}");
    let mut peer = suite::small_of(System::Padim);
    peer.kinds = Kinds::Number(2);
    let error = refused(&peer, &mixed(0..4)).to_string();
    assert!(error.contains("kinds: expected 1: `padim` as configured has no whitening"), "{error}");
    let mut tiles = of(Kinds::Number(2));
    tiles.tiling = Some(tiling());
    let error = refused(&tiles, &mixed(0..4)).to_string();
    assert!(error.contains("kinds: expected 1: tiles see no whole part"), "{error}");
}

#[test]
fn systems_without_whitening_have_one_kind() {
    let mut peer = suite::small_of(System::Padim);
    peer.kinds = Kinds::Auto;
    let model: Pipeline<Cpu> = suite::train(&peer, &mixed(0..8)).unwrap();
    assert_eq!((model.config().kinds, &model.choices().kinds), (Kinds::Number(1), &None));
}

#[test]
fn models_of_folds_and_evaluations_tell_kinds() {
    let fitting = CrossFitting::new(3, None);
    let storage = TrainingStorage::default();
    let images = mixed(0..8);
    let config = of(Kinds::Number(3));
    let go_on = &mut |_: &_| ControlFlow::Continue(());
    let weights = weights::embedded();
    let model: CrossFitted<Cpu> =
        suite::cross_fit(&config, weights, &images, fitting, &storage, go_on).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let labelled: Vec<LabelledImage> = PRODUCTS
        .into_iter()
        .enumerate()
        .map(|(index, product)| {
            let path = folder.path().join(format!("{index}.png"));
            part(product, 200, None).save(&path).unwrap();
            LabelledImage { path, label: Label::Normal, masks: Vec::new(), defect: None }
        })
        .collect();
    let go_on = &mut |_: &_, _: &_| ControlFlow::Continue(());
    let tested = evaluate(&model, &labelled, &Default::default(), OnBadFile::Stop, go_on).unwrap();
    let kinds: BTreeSet<_> = tested.images.iter().filter_map(|own| own.kind).collect();
    assert_eq!(kinds.len(), 3);
}
