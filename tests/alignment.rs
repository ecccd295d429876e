//! Parts that lie at any angle, located before they are inspected.
#![cfg(feature = "flex")]

#[allow(dead_code)] // Shared with the behavioural suite, which uses all of it.
mod suite;

use std::ops::ControlFlow;

use image::{DynamicImage, Rgb, RgbImage};
use nfbmr::config::{Alignment, AlignmentMotion, Augmentation, Mask, Tiling, Tolerance};
use nfbmr::data::{Label, LabelledImage, OnBadFile};
use nfbmr::evaluation::evaluate;
use nfbmr::{
    AlignmentReason, CalibrateError, Detection, FalseAlarmRate, PipelineConfig, PipelineError,
    Problem, StoredBackbone,
};
use nfbmr_backend::Cpu;
use nfbmr_pipeline::{CrossFitted, CrossFitting, Pipeline, Trainer, TrainingStorage};
use nfbmr_synthetic::{DefectKind, Kind, PartClass, Scene, TextureClass};

const SIDE: u32 = 160;

/// Small brackets anywhere in the image at any angle, or upright in its middle.
fn bracket(
    index: u64,
    straight: bool,
    defect: Option<DefectKind>,
) -> nfbmr_synthetic::SyntheticImage {
    let mut scene = Scene::default();
    (scene.straight, scene.part_scale) = (straight, 0.5);
    scene.generate(Kind::Part(PartClass::Bracket), 3, index, defect, SIDE).unwrap()
}

fn brackets(range: std::ops::Range<u64>, straight: bool) -> Vec<DynamicImage> {
    range.map(|index| bracket(index, straight, None).image.into()).collect()
}

fn tiles() -> Tiling {
    let mut tiles = Tiling::new(32);
    tiles.overlap = 16;
    tiles
}

fn aligned(motion: AlignmentMotion) -> PipelineConfig {
    let mut config = suite::small();
    config.alignment = motion.into();
    config
}

fn auroc(config: &PipelineConfig, images: &[DynamicImage]) -> f64 {
    let model: Pipeline<Cpu> = suite::train(config, images).unwrap();
    let score = |defect: Option<DefectKind>, index| {
        model.detect(&bracket(index, false, defect).image.into()).unwrap().score
    };
    let good: Vec<f32> = (100..112).map(|index| score(None, index)).collect();
    let kinds = [DefectKind::Stain, DefectKind::MissingHole, DefectKind::Bite];
    let bad: Vec<f32> =
        (200..212).map(|index| score(Some(kinds[index as usize % 3]), index)).collect();
    let wins = bad.iter().flat_map(|bad| good.iter().map(move |good| bad > good));
    wins.filter(|&wins| wins).count() as f64 / 144.0
}

#[test]
fn parts_at_any_angle_are_inspected_as_upright_ones() {
    let images = brackets(0..16, false);
    let [off, rigid] =
        [AlignmentMotion::Off, AlignmentMotion::Rigid].map(|m| auroc(&aligned(m), &images));
    println!("{off} without, {rigid} with");
    assert!(rigid > 0.93 && rigid > off + 0.1, "{off} and {rigid}");
}

#[test]
fn training_finds_out_what_to_align_and_says_why() {
    let chosen = |images: &[DynamicImage], change: &dyn Fn(&mut PipelineConfig)| {
        let mut config = aligned(AlignmentMotion::Auto);
        change(&mut config);
        let model: Pipeline<Cpu> = suite::train(&config, images).unwrap();
        let choice = model.choices().alignment.clone().unwrap();
        assert_eq!(model.config().alignment.motion, choice.chosen);
        println!("{choice}");
        (choice.chosen, choice.reason)
    };
    let turned = brackets(0..20, false);
    let (motion, reason) = chosen(&turned, &|_| {});
    assert_eq!((motion, reason), (AlignmentMotion::Rigid, AlignmentReason::AnyAngleAndMarks));
    let few = chosen(&turned[..6], &|_| {});
    assert_eq!(few, (AlignmentMotion::Rigid, AlignmentReason::AnyAngle));
    let (straight, _) = chosen(&brackets(0..6, true), &|_| {});
    assert_eq!(straight, AlignmentMotion::Off);
    let tiles = chosen(&turned[..6], &|config| config.tiling = Some(tiles()));
    assert_eq!(tiles, (AlignmentMotion::Off, AlignmentReason::Tiles));
    let weaves = suite::images(Kind::Texture(TextureClass::Woven), 6, 0, 1, SIDE);
    assert_eq!(chosen(&weaves, &|_| {}).0, AlignmentMotion::Off);
}

#[test]
fn maps_regions_and_places_are_of_the_original_image() {
    let mut model: Pipeline<Cpu> =
        suite::train(&aligned(AlignmentMotion::Rigid), &brackets(0..14, false)).unwrap();
    let calibration = brackets(300..312, false);
    model.calibrate(&calibration, None, &mut |_| ControlFlow::Continue(())).unwrap();
    let sample = bracket(400, false, Some(DefectKind::Stain));
    let detection = model.detect(&sample.image.clone().into()).unwrap();
    let map = &detection.anomaly_map;
    assert_eq!((map.width, map.height), (SIDE, SIDE));
    let located = detection.located.unwrap();
    assert_eq!(located.problem, None);
    let inspected = map.inspected.as_ref().unwrap();
    let share = inspected.iter().filter(|&&inside| inside).count() as f64 / inspected.len() as f64;
    assert!((0.1..0.6).contains(&share), "{share}");
    // The highest place is where the defect is painted.
    let marked: Vec<usize> = (0..)
        .zip(sample.mask.as_ref().unwrap().pixels())
        .filter(|(_, p)| p.0[0] > 0)
        .map(|(i, _)| i)
        .collect();
    let mean = |of: &dyn Fn(usize) -> bool| {
        let values = (0..).zip(&map.values).filter(|(index, _)| inspected[*index] && of(*index));
        let values: Vec<f32> = values.map(|(_, value)| *value).collect();
        values.iter().sum::<f32>() / values.len() as f32
    };
    let (on, beside) =
        (mean(&|index| marked.contains(&index)), mean(&|index| !marked.contains(&index)));
    assert!(on > 1.3 * beside, "{on} on the defect, {beside} beside it");
    let json = serde_json::to_value(&detection).unwrap();
    assert_eq!(json["located"]["problem"], serde_json::Value::Null);
    assert!((json["located"]["x"].as_f64().unwrap() - located.x).abs() < 1e-9);

    // Turned by a quarter, the image has the same score, and a map that is turned.
    let turned = model.detect(&DynamicImage::from(sample.image.clone()).rotate90()).unwrap();
    assert!(
        (turned.score - detection.score).abs() < 0.15 * detection.score,
        "{} and {}",
        turned.score,
        detection.score
    );
    let quarter = (turned.located.unwrap().angle - located.angle).rem_euclid(360.0);
    assert!((quarter - 90.0).abs() < 1.5, "{quarter}");
}

#[test]
fn a_part_that_is_not_located_is_anomalous_for_that_alone() {
    let mut model: Pipeline<Cpu> =
        suite::train(&aligned(AlignmentMotion::Rigid), &brackets(0..12, false)).unwrap();
    let ground = *bracket(0, false, None).image.get_pixel(1, 1);
    let empty: DynamicImage = RgbImage::from_pixel(SIDE, SIDE, ground).into();
    let check = |detection: &Detection| {
        assert_eq!(detection.not_located(), Some(Problem::NotFound));
        assert_eq!(detection.is_anomalous(), Some(true));
        assert!(detection.score.is_finite());
        assert_eq!(serde_json::to_value(detection).unwrap()["located"]["problem"], "not found");
    };
    check(&model.detect(&empty).unwrap());

    // It counts in the false-alarm rate: with one of 20 images lost, 5 % are still kept, with two they aren't.
    let mut images = brackets(500..519, false);
    images.push(empty.clone());
    let rate = Some(FalseAlarmRate::new(0.1).unwrap());
    let go_on = &mut |_: &_| ControlFlow::Continue(());
    let calibration = model.calibrate(&images, rate, go_on).unwrap();
    assert!(calibration.threshold().unwrap().value < f32::MAX);
    assert_eq!(calibration.images(), 20);
    let detection = model.detect(&empty).unwrap();
    check(&detection);
    assert!((detection.p_value().unwrap() - 2.0 / 21.0).abs() < 1e-12);
    let small = FalseAlarmRate::new(0.05).unwrap();
    assert!(model.calibration_mut().unwrap().set_rate(small).is_err());
    let strict = model.calibrate(&images, Some(small), go_on);
    match strict {
        Err(PipelineError::Calibration(CalibrateError::NotLocated {
            found: 1,
            images: 20,
            ..
        })) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_part_that_lies_wrong_is_anomalous() {
    let mut config = aligned(AlignmentMotion::Rigid);
    config.alignment.tolerance = Tolerance { angle: Some(8.0), shift: Some(0.1) };
    let model: Pipeline<Cpu> = suite::train(&config, &brackets(0..10, true)).unwrap();
    let upright: DynamicImage = bracket(30, true, None).image.into();
    assert_eq!(model.detect(&upright).unwrap().not_located(), None);
    let turned = model.detect(&upright.rotate180()).unwrap();
    assert!(matches!(turned.not_located(), Some(Problem::Angle { .. })), "{:?}", turned.located);
    assert_eq!(turned.is_anomalous(), Some(true));

    let refused = |config: &PipelineConfig, images: &[DynamicImage]| {
        suite::train::<Cpu>(config, images).unwrap_err().to_string()
    };
    let any = refused(&config, &brackets(0..10, false));
    assert!(any.contains("about one angle"), "{any}");
    config.alignment.motion = AlignmentMotion::Auto;
    let off = refused(&config, &brackets(0..6, true));
    assert!(off.contains("chose no alignment"), "{off}");
    config.alignment.motion = AlignmentMotion::Off;
    assert!(config.validate().unwrap_err().to_string().contains("found `off`"));
}

#[test]
fn a_model_file_has_the_template_and_what_was_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.nfbmr");
    let mut config = aligned(AlignmentMotion::Auto);
    config.augmentation = Augmentation::Auto;
    let images = brackets(0..6, false);
    let model: Pipeline<Cpu> = suite::train(&config, &images).unwrap();
    assert_eq!(model.config().alignment.motion, AlignmentMotion::Rigid);
    assert_ne!(model.config().augmentation, Augmentation::Auto);
    model.save(&path, StoredBackbone::Referred).unwrap();
    let weights = nfbmr::weights::embedded();
    let loaded = Pipeline::<Cpu>::load(&path, weights, &Default::default()).unwrap();
    assert_eq!(loaded.choices(), model.choices());
    let image = bracket(50, false, None).image.into();
    let [first, second] = [&model, &loaded].map(|model| model.detect(&image).unwrap());
    assert_eq!((first.score, first.located), (second.score, second.located));
    assert_eq!(first.anomaly_map, second.anomaly_map);
}

/// From folds, behind a mask, in tiles, letterboxed and with copies.
#[test]
fn alignment_goes_with_everything_else() {
    let images = brackets(0..8, false);
    let config = aligned(AlignmentMotion::Rigid);
    let trainer = Trainer::<Cpu>::new(
        &config,
        nfbmr::weights::embedded(),
        &images,
        &TrainingStorage::default(),
        &Default::default(),
        &mut |_| ControlFlow::Continue(()),
    );
    let folds = CrossFitting::new(4, None);
    let go_on = &mut |_: &_| ControlFlow::Continue(());
    let model = CrossFitted::train(trainer.unwrap(), &images, &folds, go_on).unwrap();
    let detection = model.detect(&bracket(60, false, None).image.into()).unwrap();
    assert_eq!(detection.not_located(), None);
    let empty = RgbImage::from_pixel(SIDE, SIDE, Rgb([70, 74, 78]));
    assert_eq!(model.detect(&empty.into()).unwrap().is_anomalous(), Some(true));

    let mut all = config;
    all.augmentation = Augmentation::QuarterTurns;
    all.tiling = Some(tiles());
    all.fit = nfbmr::config::Fit::Letterbox { fill: [9; 3] };
    let lower = image::GrayImage::from_fn(4, 4, |_, y| image::Luma([if y > 0 { 255 } else { 0 }]));
    all.mask = Some(Mask::new(&lower.into()).unwrap());
    let model: Pipeline<Cpu> = suite::train(&all, &images).unwrap();
    let detection = model.detect(&bracket(61, false, None).image.into()).unwrap();
    let inspected = detection.anomaly_map.inspected.unwrap();
    assert!(inspected[..(SIDE * SIDE / 4) as usize].iter().all(|&inspected| !inspected));
    assert!(inspected.contains(&true) && detection.score.is_finite());
}

/// A defect outside of the part's box is one that isn't found, and no pixel of it is left out.
#[test]
fn pixel_metrics_are_of_the_whole_image() {
    let model: Pipeline<Cpu> =
        suite::train(&aligned(AlignmentMotion::Rigid), &brackets(0..8, false)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let sample = bracket(70, true, None);
    sample.image.save(at("good.png")).unwrap();
    bracket(71, true, None).image.save(at("bad.png")).unwrap();
    let corner = image::GrayImage::from_fn(SIDE, SIDE, |x, y| {
        image::Luma([if x < 9 && y < 9 { 255 } else { 0 }])
    });
    corner.save(at("mask.png")).unwrap();
    let mut defect = LabelledImage::normal(at("bad.png"));
    (defect.label, defect.masks) = (Label::Defect, vec![at("mask.png")]);
    let tested = [LabelledImage::normal(at("good.png")), defect];
    let go_on = &mut |_: &_, _: &_| ControlFlow::Continue(());
    let found = evaluate(&model, &tested, &Default::default(), OnBadFile::Stop, go_on).unwrap();
    assert_eq!(found.masks().not_inspected, 0);
    let pixels = found.pixel_metrics().unwrap().unwrap();
    assert!(pixels.auroc.value < 0.6, "{:?}", pixels.auroc);
}

#[test]
fn the_setting_is_a_name_or_a_table() {
    let read = |json: &str| serde_json::from_str::<Alignment>(json);
    assert_eq!(read(r#""rigid""#).unwrap(), AlignmentMotion::Rigid.into());
    let with = read(r#"{"tolerance": {"angle": 3.0}}"#).unwrap();
    assert_eq!((with.motion, with.tolerance.angle), (AlignmentMotion::Auto, Some(3.0)));
    let written = serde_json::to_string(&with).unwrap();
    assert_eq!(read(&written).unwrap(), with);
    for wrong in [r#""upright""#, r#"{"motion": "rigid", "angle": 3}"#, "3"] {
        let problem = read(wrong).unwrap_err().to_string();
        assert!(problem.contains("off") || problem.contains("motion"), "{problem}");
    }
}
