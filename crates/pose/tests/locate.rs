//! Parts that lie in known ways, and those that aren't located.

use image::imageops::{crop_imm, replace};
use image::{Rgb, RgbImage};
use imageproc::geometric_transformations::{Border, Interpolation, Projection, warp};
use nfbmr_pose::{Location, Motion, Pose, PoseError, Problem, Scene, Template, Tolerance};
use nfbmr_synthetic::{Kind, PartClass, Scene as Drawing, TextureClass};
use proptest::prelude::*;

const SIDE: u32 = 256;

/// A part as it lies, or upright.
fn part(class: PartClass, index: u64, straight: bool, scale: f32) -> RgbImage {
    let mut drawing = Drawing::default();
    (drawing.straight, drawing.part_scale) = (straight, scale);
    drawing.generate(Kind::Part(class), 7, index, None, SIDE).unwrap().image
}

/// The image turned around its middle clockwise by so many degrees, shifted by so many pixels and grown.
fn moved(image: &RgbImage, degrees: f64, [x, y]: [f64; 2], scale: f64) -> RgbImage {
    let half = SIDE as f32 / 2.0 - 0.5;
    let map = Projection::translate(-half, -half)
        .and_then(Projection::scale(scale as f32, scale as f32))
        .and_then(Projection::rotate(degrees.to_radians() as f32))
        .and_then(Projection::translate(half + x as f32, half + y as f32));
    warp(image, map, Interpolation::Bilinear, Border::Replicate)
}

fn scenes(images: &[RgbImage]) -> Vec<Scene> {
    images.iter().map(Scene::new).collect()
}

fn locate(template: &Template, image: &RgbImage) -> Location {
    template.locate(&Scene::new(image))
}

/// A template of brackets, which look alike at no two angles.
fn brackets(motion: Motion, straight: bool) -> Template {
    let images: Vec<RgbImage> =
        (0..12).map(|index| part(PartClass::Bracket, index, straight, 0.7)).collect();
    Template::learn(&scenes(&images), motion).unwrap()
}

/// By how much the second lies otherwise: degrees, columns, rows and growth.
fn between(first: &Pose, second: &Pose) -> [f64; 4] {
    let turn = (second.angle - first.angle).to_degrees();
    let turn = turn - (turn / 360.0).round() * 360.0;
    let side = f64::from(SIDE);
    let [x, y] = [0, 1].map(|i| side * (second.center[i] - first.center[i]));
    [turn, x, y, second.scale / first.scale]
}

/// Where a pose's middle comes to lie when the image is moved.
fn shift_of(pose: &Pose, degrees: f64, [x, y]: [f64; 2], scale: f64) -> [f64; 2] {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let side = f64::from(SIDE);
    let [u, v] = pose.center.map(|at| side * (at - 0.5));
    [scale * (cos * u - sin * v) + x - u, scale * (sin * u + cos * v) + y - v]
}

#[test]
fn turns_and_shifts_are_found_to_a_part_of_a_pixel() {
    let template = brackets(Motion::Rigid, false);
    assert!(template.is_part() && !template.has_one_angle());
    for (index, degrees, shift) in [
        (20, 31.0, [4.0, -6.0]),
        (21, 90.0, [0.0, 3.5]),
        (22, -143.0, [-5.0, 2.0]),
        (23, 180.0, [1.5, 1.5]),
    ] {
        let image = part(PartClass::Bracket, index, true, 0.7);
        let first = locate(&template, &image);
        let second = locate(&template, &moved(&image, degrees, shift, 1.0));
        assert_eq!((first.problem, second.problem), (None, None));
        let [turn, x, y, growth] = between(&first.pose, &second.pose);
        let expected = shift_of(&first.pose, degrees, shift, 1.0);
        let off = (turn - degrees).rem_euclid(360.0);
        assert!(off.min(360.0 - off) < 0.5, "{turn} for {degrees}");
        assert!((x - expected[0]).hypot(y - expected[1]) < 0.8, "{x}, {y} for {expected:?}");
        assert_eq!(growth, 1.0);
        assert!(second.confidence > 0.8, "{}", second.confidence);
    }
}

#[test]
fn sizes_are_found_where_they_differ() {
    let images: Vec<RgbImage> = (0..12)
        .map(|index| {
            let grown = 0.85 + 0.025 * index as f64;
            moved(&part(PartClass::Bracket, index, false, 0.7), 0.0, [0.0; 2], grown)
        })
        .collect();
    let template = Template::learn(&scenes(&images), Motion::Similarity).unwrap();
    let image = part(PartClass::Bracket, 30, false, 0.7);
    let first = locate(&template, &image);
    for scale in [0.85, 1.1] {
        let second = locate(&template, &moved(&image, 20.0, [0.0; 2], scale));
        let [.., growth] = between(&first.pose, &second.pose);
        assert!((growth - scale).abs() < 0.02, "{growth} for {scale}");
    }
}

#[test]
fn whole_images_that_are_slightly_turned_are_laid_over_each_other() {
    // A weave fills the image: nothing stands out of it.
    let weave = |index| {
        let kind = Kind::Texture(TextureClass::Woven);
        Drawing::default().generate(kind, 5, index, None, SIDE).unwrap().image
    };
    let template =
        Template::learn(&scenes(&(0..6).map(weave).collect::<Vec<_>>()), Motion::Rigid).unwrap();
    assert!(!template.is_part());
    let image = weave(0);
    let first = locate(&template, &image);
    for degrees in [-6.0, 4.0] {
        let second = locate(&template, &moved(&image, degrees, [0.0; 2], 1.0));
        let [turn, ..] = between(&first.pose, &second.pose);
        assert!((turn - degrees).abs() < 1.0, "{turn} for {degrees}");
    }
}

#[test]
fn a_part_that_is_not_there_cut_off_or_twice_there_is_said() {
    let template = brackets(Motion::Rigid, false);
    let image = part(PartClass::Bracket, 40, true, 0.45);
    let small: Vec<RgbImage> = (0..12).map(|i| part(PartClass::Bracket, i, false, 0.45)).collect();
    let small = Template::learn(&scenes(&small), Motion::Rigid).unwrap();
    let problem = |image: &RgbImage| locate(&small, image).problem;
    assert_eq!(problem(&image), None);

    let ground = *image.get_pixel(2, 2);
    assert_eq!(problem(&RgbImage::from_pixel(SIDE, SIDE, ground)), Some(Problem::NotFound));
    assert_eq!(problem(&RgbImage::from_pixel(1, 1, ground)), Some(Problem::NotFound));
    assert_eq!(problem(&RgbImage::new(900, 3)), Some(Problem::NotFound));

    let mut cut = RgbImage::from_pixel(SIDE, SIDE, ground);
    let right = crop_imm(&image, SIDE / 2, 0, SIDE / 2, SIDE).to_image();
    replace(&mut cut, &right, 0, 0);
    assert_eq!(problem(&cut), Some(Problem::TouchesBorder));

    // Of two in a wider image neither is meant.
    let wide = |parts: &[u64]| {
        let mut wide = RgbImage::from_pixel(2 * SIDE, 2 * SIDE, ground);
        for (&index, at) in parts.iter().zip([20, i64::from(SIDE) - 25]) {
            replace(&mut wide, &part(PartClass::Bracket, index, false, 0.7), at, at);
        }
        wide
    };
    let alone: Vec<RgbImage> = (0..8).map(|index| wide(&[index])).collect();
    let in_wide = Template::learn(&scenes(&alone), Motion::Rigid).unwrap();
    assert_eq!(locate(&in_wide, &wide(&[50])).problem, None);
    assert_eq!(locate(&in_wide, &wide(&[51, 52])).problem, Some(Problem::Several));

    // Another part of about the same size is unlike the template.
    let gear = locate(&template, &part(PartClass::Gear, 0, true, 0.55));
    let own = locate(&template, &part(PartClass::Bracket, 60, true, 0.7));
    assert!(gear.confidence < 0.8 * own.confidence, "{} and {}", gear.confidence, own.confidence);
}

#[test]
fn a_tolerance_is_of_the_mean_of_good_parts() {
    let template = brackets(Motion::Rigid, true);
    assert!(template.has_one_angle());
    let image = part(PartClass::Bracket, 70, true, 0.7);
    let beyond = |image: &RgbImage, tolerance: Tolerance| {
        template.beyond(&tolerance, &locate(&template, image).pose)
    };
    let both = Tolerance { angle: Some(5.0), shift: Some(0.03) };
    assert_eq!(beyond(&image, both), None);
    assert_eq!(beyond(&moved(&image, 3.0, [2.0, 2.0], 1.0), both), None);
    match beyond(&moved(&image, 12.0, [0.0; 2], 1.0), both) {
        Some(Problem::Angle { found, .. }) => assert!((found - 12.0).abs() < 1.0, "{found}"),
        other => panic!("{other:?}"),
    }
    match beyond(&moved(&image, 0.0, [12.8, 0.0], 1.0), Tolerance { angle: None, ..both }) {
        Some(Problem::Shift { found, .. }) => assert!((found - 0.05).abs() < 0.01, "{found}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(beyond(&moved(&image, 40.0, [9.0; 2], 1.0), Tolerance::default()), None);
}

#[test]
fn a_template_is_kept_as_facts_and_values() {
    let template = brackets(Motion::Rigid, false);
    let (facts, values) = template.parts();
    let json = serde_json::to_string(facts).unwrap();
    let read = Template::from_parts(serde_json::from_str(&json).unwrap(), &values).unwrap();
    assert_eq!(read, template);
    let image = part(PartClass::Bracket, 80, false, 0.7);
    assert_eq!(locate(&read, &image), locate(&template, &image));

    let short = Template::from_parts(facts.clone(), &values[1..]);
    assert!(matches!(short, Err(PoseError::Values { expected, .. }) if expected == values.len()));
    let mut broken = values.clone();
    broken[9] = f32::NAN;
    assert!(matches!(Template::from_parts(facts.clone(), &broken), Err(PoseError::Values { .. })));
    for (key, value) in
        [("likeness", "1e999"), ("half", "[0.0,0.1]"), ("pixels", "[3,80]"), ("radius", "-1.0")]
    {
        let start = json.find(&format!("\"{key}\":")).unwrap() + key.len() + 3;
        let rest = &json[start..];
        let end = start
            + if rest.starts_with('[') {
                rest.find(']').unwrap() + 1
            } else {
                rest.find([',', '}']).unwrap()
            };
        let changed = format!("{}{value}{}", &json[..start], &json[end..]);
        let Ok(facts) = serde_json::from_str(&changed) else { continue };
        assert!(matches!(Template::from_parts(facts, &values), Err(PoseError::Facts(_))), "{key}");
    }
    assert!(matches!(Template::learn(&[], Motion::Shift), Err(PoseError::NoImages)));
}

#[test]
fn any_image_gives_a_template_and_a_place() {
    let blank = RgbImage::from_pixel(40, 30, Rgb([9; 3]));
    for images in [vec![blank.clone()], vec![RgbImage::new(1, 1), RgbImage::new(5000, 2), blank]] {
        for motion in [Motion::Shift, Motion::Rigid, Motion::Similarity] {
            let template = Template::learn(&scenes(&images), motion).unwrap();
            let found = locate(&template, &part(PartClass::Gear, 0, false, 1.0));
            assert!(
                found.pose.center.iter().all(|at| at.is_finite()) && found.confidence.is_finite()
            );
        }
    }
}

proptest! {
    #[test]
    fn a_template_lies_over_the_image_as_its_pose_says(
        center in prop::array::uniform2(0.2f64..0.8), angle in -3.0f64..3.0, scale in 0.5f64..2.0,
        size in prop::array::uniform2(8u32..500),
    ) {
        let blank = RgbImage::from_pixel(60, 60, Rgb([9; 3]));
        let template = Template::learn(&scenes(&[blank]), Motion::Rigid).unwrap();
        let map = template.to_image(&Pose { center, angle, scale }, size);
        let unit = f64::from(size[0].max(size[1]));
        let middle = map.apply([0.5; 2]);
        prop_assert!((middle[0] - unit * center[0]).abs() < 1e-6);
        prop_assert!((middle[1] - unit * center[1]).abs() < 1e-6);
        let [a, b] = [[0.0, 0.0], [1.0, 0.0]].map(|corner| map.apply(corner));
        let along = [b[0] - a[0], b[1] - a[1]];
        prop_assert!((along[0].hypot(along[1]) - unit * scale * template.sides()[0]).abs() < 1e-6);
        prop_assert!((along[1].atan2(along[0]) - angle).abs() < 1e-9);
        let back = map.inverse().unwrap();
        for place in [[0.0, 0.0], [0.3, 0.9]] {
            let again = back.apply(map.apply(place));
            prop_assert!((again[0] - place[0]).abs() + (again[1] - place[1]).abs() < 1e-9);
        }
    }
}
