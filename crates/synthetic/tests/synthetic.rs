//! Synthetic images: the same everywhere, and changed by a defect only where the mask says.

use image::{GrayImage, Rgb, RgbImage};
use nfbmr_data::{DatasetOptions, Layout, Limits, datasets, load_masks, mvtec};
use nfbmr_synthetic::{
    Counts, DefectKind, Kind, PartClass, Scene, SyntheticError, TextureClass, generate,
    paste_defect, write_datasets, write_mvtec,
};

const SIZE: u32 = 96;

/// FNV-1a over the bytes of an image.
fn hash(pixels: &[u8]) -> u64 {
    pixels
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |h, &byte| (h ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3))
}

fn marked_share(mask: &GrayImage) -> f64 {
    assert!(mask.iter().all(|&value| value == 0 || value == 255));
    mask.iter().filter(|&&value| value == 255).count() as f64 / mask.len() as f64
}

/// The largest change outside the mask and the mean change inside, in grey levels.
fn changes(clean: &RgbImage, changed: &RgbImage, mask: &GrayImage) -> (u8, f64) {
    let (mut outside, mut inside, mut marked) = (0, 0.0, 0.0);
    for ((a, b), m) in clean.pixels().zip(changed.pixels()).zip(mask.pixels()) {
        let change = (0..3).map(|c| a[c].abs_diff(b[c])).max().unwrap();
        if m[0] == 0 {
            outside = outside.max(change);
        } else {
            inside += f64::from(change);
            marked += 1.0;
        }
    }
    (outside, inside / marked)
}

#[test]
fn images_are_the_same_on_every_machine() {
    let expected = [
        [0x6c86_68be_6f34_3f19, 0x3a84_e633_52e2_a875],
        [0xa0d7_07ee_9abd_e035, 0xab57_07b8_5c60_f4ee],
        [0xcacb_8794_4101_bad3, 0x8084_70d1_7fae_a8f7],
        [0xf8e1_e777_a17b_b72c, 0x703c_ad94_15d2_3e8d],
        [0xed9b_ccf4_6462_0387, 0x5206_cb23_4ae4_e345],
        [0x05e6_9835_39b7_ecdd, 0x4f4c_07ea_8806_e874],
        [0xe27f_e87c_6a82_841c, 0x0965_becd_54cb_2b7d],
        [0x8754_d9cf_b686_9d91, 0xf886_d392_cad1_04ee],
        [0x3ef5_7848_f5a8_42d0, 0x10b7_a3e0_607e_76b7],
        [0xa0b2_b88b_35e2_bf81, 0xfb86_221e_4765_7f75],
        [0xb389_1a2a_8eb3_1fbc, 0x473a_6346_2d79_b84f],
        [0x75b1_a9af_913d_837e, 0xb6f8_1e1b_74d4_6ff4],
        [0x8a14_ef18_6892_6d12, 0x6687_c2e0_3901_3499],
    ];
    for (kind, expected) in Kind::ALL.into_iter().zip(expected) {
        let mut found = [0; 2];
        for (hash_of, defect) in found.iter_mut().zip([None, Some(DefectKind::Scratch)]) {
            *hash_of = hash(&generate(kind, 3, 5, defect, SIZE).unwrap().image);
        }
        assert_eq!(found, expected, "{}: {:#018x}, {:#018x}", kind.name(), found[0], found[1]);
    }
    let scenes = [
        (Scene { straight: true, ..Scene::default() }, 0x07b0_add1_24f8_0f50),
        (Scene { part_scale: 0.45, colours: 5, ..Scene::default() }, 0xc5d5_a136_fbae_3ad0),
    ];
    for (scene, expected) in scenes {
        let image = scene.generate(PARTS[2], 3, 5, Some(DefectKind::Bite), SIZE).unwrap().image;
        assert_eq!(hash(&image), expected, "{scene:?}: {:#018x}", hash(&image));
    }
}

#[test]
fn kind_seed_and_index_each_make_another_image() {
    let draw = |kind, seed, index| generate(Kind::Texture(kind), seed, index, None, SIZE).unwrap();
    let first = draw(TextureClass::Woven, 0, 0);
    assert_eq!(first, draw(TextureClass::Woven, 0, 0));
    assert_ne!(first, draw(TextureClass::Woven, 0, 1));
    assert_ne!(first, draw(TextureClass::Woven, 1, 0));
    assert_ne!(first, draw(TextureClass::Grid, 0, 0));
}

#[test]
fn defects_change_the_image_where_the_mask_says() {
    for kind in Kind::ALL {
        for &defect in kind.defects() {
            for index in 0..3 {
                let what = format!("{} {} {index}", kind.name(), defect.name());
                let clean = generate(kind, 11, index, None, SIZE).unwrap();
                assert_eq!(clean.mask, None);
                let drawn = generate(kind, 11, index, Some(defect), SIZE).unwrap();
                let mask = drawn.mask.unwrap();
                let share = marked_share(&mask);
                assert!((0.01..=0.05).contains(&share), "{what}: {share} of the image");
                let (outside, inside) = changes(&clean.image, &drawn.image, &mask);
                // The shadow of a changed form reaches a little further than its mask.
                let form = matches!(defect, DefectKind::MissingHole | DefectKind::Bite);
                let allowed = if form { 8 } else { 0 };
                assert!(outside <= allowed, "{what}: changed by {outside} outside the mask");
                assert!(inside >= 5.0, "{what}: changed by {inside} inside the mask");
            }
        }
    }
}

#[test]
fn smallest_images_can_have_every_defect() {
    for kind in Kind::ALL {
        for &defect in kind.defects() {
            let mask = generate(kind, 1, 0, Some(defect), 32).unwrap().mask.unwrap();
            let share = marked_share(&mask);
            assert!((0.005..=0.1).contains(&share), "{} {}: {share}", kind.name(), defect.name());
        }
    }
}

#[test]
fn impossible_requests_are_refused() {
    let gear = Kind::Part(PartClass::Gear);
    for size in [0, 31, 8193, u32::MAX] {
        assert_eq!(
            generate(gear, 0, 0, None, size),
            Err(SyntheticError::Size { min: 32, max: 8192, found: size })
        );
    }
    let defect = DefectKind::Faded;
    assert_eq!(
        generate(gear, 0, 0, Some(defect), SIZE),
        Err(SyntheticError::Defect { kind: gear, defect })
    );
}

#[test]
fn pasted_defects_change_the_image_where_the_mask_says() {
    let gradient = RgbImage::from_fn(160, 120, |x, y| Rgb([x as u8, y as u8, (x / 2 + y) as u8]));
    let flat = RgbImage::from_pixel(120, 200, Rgb([128; 3]));
    for normal in [gradient, flat] {
        let side = f64::from(normal.width().min(normal.height()));
        let square = side * side / f64::from(normal.width() * normal.height());
        for seed in 0..30 {
            let (image, mask) = paste_defect(&normal, seed).unwrap();
            assert_eq!(paste_defect(&normal, seed).unwrap(), (image.clone(), mask.clone()));
            let share = marked_share(&mask) / square;
            assert!((0.005..=0.06).contains(&share), "seed {seed}: {share} of the square");
            let (outside, inside) = changes(&normal, &image, &mask);
            assert_eq!(outside, 0, "seed {seed}");
            assert!(inside >= 5.0, "seed {seed}: changed by {inside} inside the mask");
        }
    }
}

#[test]
fn defects_fit_on_the_smallest_and_longest_images() {
    for (width, height) in [(16, 16), (16, 500), (500, 16)] {
        let normal = RgbImage::from_pixel(width, height, Rgb([100; 3]));
        for seed in 0..20 {
            let (image, _) = paste_defect(&normal, seed).unwrap();
            assert_ne!(image, normal, "{width} x {height}, seed {seed}");
        }
    }
    let error = paste_defect(&RgbImage::new(15, 40), 0).unwrap_err();
    assert_eq!(error.to_string(), "expected an image of at least 16 x 16 pixels, found 15 x 40");
}

#[test]
fn written_data_set_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let kind = Kind::Texture(TextureClass::Leather);
    let counts = Counts { train: 3, test_good: 2, test_defect: 6 };
    write_mvtec(folder.path(), kind, &counts, 48, 9).unwrap();
    let set = mvtec(folder.path()).unwrap();
    assert_eq!((set.train.len(), set.test.len()), (3, 8));
    let mut names: Vec<_> = set.test.iter().filter_map(|s| s.defect.as_deref()).collect();
    names.dedup();
    assert_eq!(names, ["distorted", "faded", "scratch", "spots", "stain"]);
    assert!(set.test.iter().all(|sample| sample.masks.is_empty() != sample.is_defect()));
    let first = image::open(&set.train[0].path).unwrap().into_rgb8();
    assert_eq!(first, generate(kind, 9, 0, None, 48).unwrap().image);

    let error = write_mvtec(folder.path(), kind, &counts, 8, 9).unwrap_err();
    assert_eq!(error.to_string(), "expected a side of 32 to 8192 pixels, found 8");
}

#[test]
fn benchmark_is_ten_textures_and_a_part() {
    let folder = tempfile::tempdir().unwrap();
    let counts = Counts { train: 1, test_good: 1, test_defect: 5 };
    write_datasets(folder.path(), &Kind::BENCHMARK, &counts, 32, 2).unwrap();
    let sets = datasets(folder.path(), Layout::Mvtec, &DatasetOptions::default()).unwrap();
    let names: Vec<_> = sets.iter().map(|set| set.name.as_str()).collect();
    let mut expected = Kind::BENCHMARK.map(Kind::name);
    expected.sort_unstable();
    assert_eq!(names, expected);
    let textures = Kind::BENCHMARK.iter().filter(|kind| matches!(kind, Kind::Texture(_)));
    assert_eq!(textures.count(), 10);
    for set in &sets {
        assert_eq!((set.train.len(), set.test.len()), (1, 6), "{}", set.name);
        for sample in set.test.iter().filter(|sample| sample.is_defect()) {
            let mask = load_masks(&sample.masks, 32, &Limits::default()).unwrap();
            assert!(mask.contains(&true) && mask.contains(&false), "{}", sample.path.display());
        }
    }
}

const PARTS: [Kind; 3] =
    [Kind::Part(PartClass::Gear), Kind::Part(PartClass::Flange), Kind::Part(PartClass::Bracket)];

/// Whether the metal of a part shows, which is brighter than the ground and its holes.
fn metal(image: &RgbImage) -> Vec<bool> {
    image.pixels().map(|pixel| pixel[0] > 95).collect()
}

/// The first and last column, then row, of the marked pixels of a square.
fn bounds(marked: &[bool]) -> [usize; 4] {
    let side = marked.len().isqrt();
    let places = || marked.iter().enumerate().filter(|(_, marked)| **marked).map(|(i, _)| i);
    let columns = || places().map(|i| i % side);
    let rows = || places().map(|i| i / side);
    [columns().min(), columns().max(), rows().min(), rows().max()].map(Option::unwrap)
}

/// The marked pixels of a square, stretched to a square of 64 pixels that they fill.
fn stretched(marked: &[bool]) -> Vec<bool> {
    let side = marked.len().isqrt();
    let [left, right, top, bottom] = bounds(marked);
    let at = |from: usize, to: usize, i: usize| from + ((to - from) * (2 * i + 1)) / 128;
    let cells = (0..64 * 64).map(|i| [at(left, right, i % 64), at(top, bottom, i / 64)]);
    cells.map(|[x, y]| marked[y * side + x]).collect()
}

fn overlap(a: &[bool], b: &[bool]) -> f64 {
    let both = a.iter().zip(b).filter(|(a, b)| **a && **b).count();
    let any = a.iter().zip(b).filter(|(a, b)| **a || **b).count();
    both as f64 / any as f64
}

#[test]
fn default_scene_is_what_generate_draws() {
    for kind in Kind::ALL {
        for defect in [None, Some(kind.defects()[3])] {
            let plain = generate(kind, 4, 1, defect, 64).unwrap();
            assert_eq!(Scene::default().generate(kind, 4, 1, defect, 64).unwrap(), plain);
            if matches!(kind, Kind::Texture(_)) {
                let other = Scene { straight: true, part_scale: 0.4, colours: 3 };
                assert_eq!(other.generate(kind, 4, 1, defect, 64).unwrap(), plain);
            }
        }
    }
}

#[test]
fn straight_parts_lie_alike_with_the_defects_of_turned_ones() {
    let straight = Scene { straight: true, ..Scene::default() };
    for kind in PARTS {
        let drawn = |seed| metal(&straight.generate(kind, seed, 0, None, 128).unwrap().image);
        let first = drawn(0);
        for seed in 1..6 {
            // The dice draw the scale.
            let share = overlap(&stretched(&first), &stretched(&drawn(seed)));
            assert!(share > 0.9, "{} {seed}: {share}", kind.name());
            let turned = metal(&generate(kind, seed, 0, None, 128).unwrap().image);
            let share = overlap(&stretched(&first), &stretched(&turned));
            assert!(share < 0.9, "{} {seed}, turned: {share}", kind.name());
        }
        let [left, right, top, bottom] = bounds(&first);
        for (from, to) in [(left, right), (top, bottom)] {
            assert!((from + to).abs_diff(127) <= 3, "{}: {from} to {to}", kind.name());
        }
        for &defect in kind.defects() {
            let share = |scene: &Scene| {
                let drawn = scene.generate(kind, 5, 2, Some(defect), 128).unwrap();
                marked_share(&drawn.mask.unwrap())
            };
            let ratio = share(&straight) / share(&Scene::default());
            assert!((0.85..1.15).contains(&ratio), "{} {}: {ratio}", kind.name(), defect.name());
        }
    }
}

#[test]
fn small_parts_lie_anywhere_in_the_image() {
    for part_scale in [0.3, 0.45, 0.9] {
        let small = Scene { part_scale, ..Scene::default() };
        for kind in PARTS {
            let mut lefts = Vec::new();
            for index in 0..8 {
                let clean = small.generate(kind, 2, index, None, 128).unwrap().image;
                let [left, right, top, bottom] = bounds(&metal(&clean));
                let what = format!("{} {part_scale} {index}", kind.name());
                assert!(left.min(top) >= 2 && right.max(bottom) <= 125, "{what}: at the border");
                let side = (right - left).max(bottom - top) as f64 / 128.0;
                let share = side / f64::from(part_scale);
                assert!((0.5..0.9).contains(&share), "{what}: {share} of the image");
                lefts.push(left);

                let defect = kind.defects()[index as usize % 4];
                let drawn = small.generate(kind, 2, index, Some(defect), 128).unwrap();
                let mask = drawn.mask.unwrap();
                let square = f64::from(part_scale) * f64::from(part_scale);
                let share = marked_share(&mask) / square;
                assert!((0.007..0.07).contains(&share), "{what}: {share} of the part's square");
                let (outside, inside) = changes(&clean, &drawn.image, &mask);
                assert!(
                    outside <= 8 && inside >= 5.0,
                    "{what}: {outside} outside, {inside} inside"
                );
            }
            let spread = lefts.iter().max().unwrap() - lefts.iter().min().unwrap();
            assert!(part_scale > 0.5 || spread > 20, "{} {part_scale}: {spread}", kind.name());
        }
    }
    for found in [0.29, 1.01, f32::INFINITY] {
        let scene = Scene { part_scale: found, ..Scene::default() };
        let error = scene.generate(PARTS[0], 0, 0, None, SIZE).unwrap_err();
        assert_eq!(error, SyntheticError::PartScale { min: 0.3, found });
    }
}

#[test]
fn parts_come_in_as_many_colours_as_asked_for() {
    let scene = Scene { colours: 3, ..Scene::default() };
    let mut hues: Vec<Vec<i32>> = Vec::new();
    for index in 0..24 {
        let image = scene.generate(PARTS[0], 6, index, None, 64).unwrap().image;
        let plain = generate(PARTS[0], 6, index, None, 64).unwrap().image;
        assert_eq!(image.get_pixel(0, 0), plain.get_pixel(0, 0), "the ground has no colour");
        // By the mean of each channel over the metal, as a share of the plain metal's.
        let mean = |image: &RgbImage, c: usize| {
            let marked = metal(&plain);
            let values = image.pixels().zip(&marked).filter(|(_, marked)| **marked);
            values.map(|(pixel, _)| f64::from(pixel[c])).sum::<f64>()
        };
        let hue = (0..3).map(|c| (8.0 * mean(&image, c) / mean(&plain, c)).round() as i32);
        hues.push(hue.collect());
    }
    hues.sort_unstable();
    hues.dedup();
    assert_eq!(hues.len(), 3, "{hues:?}");
}

#[test]
fn mix_has_the_images_of_each_kind() {
    let folder = tempfile::tempdir().unwrap();
    let counts = Counts { train: 2, test_good: 1, test_defect: 4 };
    let kinds = [PARTS[0], PARTS[2], PARTS[0]];
    Scene::default().write_mvtec(folder.path(), &kinds, &counts, 48, 9).unwrap();
    let set = mvtec(folder.path()).unwrap();
    assert_eq!((set.train.len(), set.test.len()), (4, 10));
    assert!(set.test.iter().all(|sample| sample.masks.is_empty() != sample.is_defect()));
    let read = |name| image::open(folder.path().join("train/good").join(name)).unwrap();
    for kind in &kinds {
        let image = read(format!("001_{}.png", kind.name())).into_rgb8();
        assert_eq!(image, generate(*kind, 9, 1, None, 48).unwrap().image);
    }
}
