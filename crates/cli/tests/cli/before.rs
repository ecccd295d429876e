//! What is found before a training, and what a failed one leaves.

use std::fs;

use image::{DynamicImage, Rgb, RgbImage};

use crate::support::{GEARS, Shop};

/// A gear of those to train on.
fn gear(index: usize) -> RgbImage {
    let path = GEARS.join(format!("train/good/{index:03}.png"));
    image::open(path).unwrap().into_rgb8()
}

fn save(shop: &Shop, name: &str, image: RgbImage) {
    let path = shop.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image.save(path).unwrap();
}

/// The next run isn't in the way of an earlier one.
fn train(shop: &Shop, folder: &str, more: &str) -> crate::support::Ran {
    shop.nfbmr(&format!("train {folder} -o part.nfbmr --config small.toml {more}"))
}

#[test]
fn the_same_photo_in_two_formats_counts_once() {
    let shop = Shop::new();
    for index in 0..10 {
        save(&shop, &format!("good/{index}.png"), gear(index));
        save(&shop, &format!("good/{index}.bmp"), gear(index));
    }
    let ran = train(&shop, "good", "--hold-out 0.4").succeeds();
    let copies = ran.stderr.lines().filter(|line| line.contains(", a copy of good/")).count();
    assert_eq!(copies, 10, "{}", ran.stderr);
    assert_eq!(shop.files(), ["good", "part.nfbmr", "small.toml"].map(str::to_owned).to_vec());
    // What is left doesn't support the rate: said before networks are trained.
    let ran = train(&shop, "good", "--hold-out 0.4 --max-false-alarms 0.12");
    let ran = ran.fails(&["hint: calibrate on"]);
    assert!(!ran.stderr.contains("flow:"), "{}", ran.stderr);
    train(&shop, "good", "").succeeds();
}

#[test]
fn a_truncated_image_is_found_before_the_training() {
    let shop = Shop::new();
    for index in 0..10 {
        save(&shop, &format!("good/{index}.png"), gear(index));
    }
    // Whichever image is held out.
    for index in 0..10 {
        let path = shop.path(format!("good/{index}.png"));
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let ran = train(&shop, "good", "");
        let ran = ran.fails(&[&format!("cannot decode good/{index}.png")]);
        assert!(!ran.stderr.contains("flow:"), "{}", ran.stderr);
        assert!(!shop.path("part.nfbmr").exists());
        fs::write(&path, whole).unwrap();
    }
    train(&shop, "good", "").succeeds();
}

#[test]
fn a_training_that_fails_by_itself_is_not_in_the_way_of_the_next() {
    let shop = Shop::new();
    let line = "--set flow_training.learning_rate=1e30 --set flow_training.epochs=9";
    train(&shop, &shop.gears(), line).fails(&["is not finite in epoch"]);
    train(&shop, &shop.gears(), "").succeeds();
}

/// All that is inspected looks alike.
#[test]
fn images_that_a_mask_makes_alike_are_refused_before_the_training() {
    let shop = Shop::new();
    let mut mask = RgbImage::new(48, 48);
    mask.put_pixel(0, 0, Rgb([255; 3]));
    DynamicImage::from(mask).save(shop.path("dot.png")).unwrap();
    for index in 0..10 {
        let mut image = gear(index);
        image.put_pixel(0, 0, Rgb([9; 3]));
        save(&shop, &format!("good/{index}.png"), image);
    }
    let ran = train(&shop, "good", "--mask dot.png");
    assert_ne!(ran.code, Some(0), "{ran:?}");
    assert!(!ran.stderr.contains("flow:"), "{}", ran.stderr);
    train(&shop, "good", "").succeeds();
}

/// Several frames of a part, which differ by a little noise.
#[test]
fn frames_of_one_part_are_told_and_held_out_together() {
    let shop = Shop::new();
    for part in 0..16 {
        for frame in 0..4 {
            let mut image = gear(part);
            for (index, value) in image.iter_mut().enumerate() {
                *value = value.saturating_add(((index * 31 + frame * 17) / 5 % 3) as u8);
            }
            save(&shop, &format!("good/p{part}_f{frame}.png"), image);
        }
    }
    let warning = "have near doubles among those trained on";
    let ran = train(&shop, "good", "").succeeds();
    assert!(ran.stderr.contains(warning), "{}", ran.stderr);
    let ran = train(&shop, "good", "--hold-out-by ^(p\\d+)_").succeeds();
    assert!(!ran.stderr.contains(warning), "{}", ran.stderr);
    assert!(ran.stdout.contains("trained on 52 images"), "{}", ran.stdout);
    let ran = train(&shop, "good", "--hold-out-by ^(p\\d+)_ --folds 4").succeeds();
    assert!(ran.stdout.contains("calibrated on 64 images in 4 folds"), "{}", ran.stdout);

    train(&shop, "good", "--hold-out-by folder").fails(&["3 groups of images", "hint: another"]);
    train(&shop, "good", "--hold-out-by (p").fails(&["regular expression"]);
}

#[test]
fn parts_of_their_own_raise_no_warning() {
    let shop = Shop::new();
    let ran = train(&shop, &shop.gears(), "--hold-out 0.4").succeeds();
    assert!(!ran.stderr.contains("near doubles"), "{}", ran.stderr);
}

/// What a model was trained or calibrated on counts in no figure, in whatever format.
#[test]
fn images_that_the_model_knows_are_left_out_of_figures() {
    let shop = Shop::with_model();
    for index in 0..7 {
        save(&shop, &format!("data/good/{index}.bmp"), gear(index));
    }
    shop.image("test/good/000.png", "data/good/new.png");
    let json = |shop: &Shop| {
        let ran = shop.nfbmr("evaluate model.nfbmr --good data/good --bad bad --json").succeeds();
        assert!(ran.stderr.contains("left out: "), "{}", ran.stderr);
        ran.json()
    };
    let defect = fs::read_dir(GEARS.join("test")).unwrap().map(|entry| entry.unwrap().path());
    let defect = defect.into_iter().find(|path| !path.ends_with("good")).unwrap();
    let first = fs::read_dir(defect).unwrap().map(|entry| entry.unwrap().path()).min().unwrap();
    fs::create_dir_all(shop.path("bad")).unwrap();
    fs::copy(first, shop.path("bad/0.png")).unwrap();
    let found = json(&shop);
    assert_eq!((&found["known"], &found["good_images"]), (&7.into(), &1.into()), "{found}");

    fs::remove_file(shop.path("data/good/new.png")).unwrap();
    fs::remove_file(shop.path("bad/0.png")).unwrap();
    save(&shop, "bad/0.png", gear(8));
    let line = "evaluate model.nfbmr --good data/good --bad bad";
    shop.nfbmr(line).fails(&["found 8 that it was alone", "hint: name folders of other images"]);
}
