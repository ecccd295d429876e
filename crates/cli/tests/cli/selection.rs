//! Which images the commands take, and what they say of the others.

use std::fs;

use crate::support::Shop;

const TRAIN: &str = "-o part.nfbmr --config small.toml --hold-out 0";

/// Folders of good parts and of defects by other names than a data set's.
fn shop(good: &str, bad: &str) -> Shop {
    let shop = Shop::new();
    for index in 0..10 {
        shop.image(&format!("train/good/{index:03}.png"), format!("d/{good}/{index}.png"));
    }
    for index in 0..2 {
        shop.image(&format!("test/stain/{index:03}.png"), format!("d/{bad}/{index}.png"));
    }
    shop
}

#[test]
fn a_dry_run_says_what_is_taken_and_trains_nothing() {
    let shop = shop("OK", "NG");
    let ran = shop.nfbmr("train d --dry-run").succeeds();
    assert_eq!(
        ran.stdout,
        "8 images: 8 in d/OK; left out: 2 in d/NG, 2 in d/OK (kept to test with)\n"
    );
    assert_eq!(ran.stderr, "");
    assert_eq!(shop.files(), ["d", "small.toml"]);
}

#[test]
fn defects_and_masks_are_not_trained_on() {
    let shop = shop("train/Good", "defects");
    shop.image("test/good/000.png", "d/train/Good/0_mask.png");
    shop.image("test/good/001.png", "d/masks/0.png");
    let ran = shop.nfbmr(&format!("train d {TRAIN}")).succeeds();
    let line = "10 images: 10 in d/train/Good; left out: 2 in d/defects (named as defects), 1 in d/masks, 1 in \
                d/train/Good (masks, by name or values)\n";
    assert!(ran.stderr.starts_with(line), "{}", ran.stderr);
    assert!(ran.stdout.starts_with("part.nfbmr: trained on 10 images"), "{}", ran.stdout);
    assert!(
        ran.stderr.lines().filter(|line| line.starts_with("look at ")).count() < 3,
        "{}",
        ran.stderr
    );
    shop.nfbmr(&format!("train d/defects {TRAIN}")).fails(&[
        "expected images of good parts in d/defects, found none; left out: 2 in d/defects (named as defects)",
        "hint: name the folder of the images of good parts itself",
    ]);
}

#[test]
fn several_folders_files_and_lists_are_trained_on() {
    let shop = shop("monday", "tuesday");
    shop.image("train/good/010.png", "one.png");
    shop.image("train/good/011.png", "two.png");
    fs::write(shop.path("list.txt"), "# more\ntwo.png\n").unwrap();
    let ran = shop.nfbmr("train d/monday d/tuesday one.png --list list.txt --dry-run").succeeds();
    assert_eq!(ran.stdout, "14 images: 2 in ., 10 in d/monday, 2 in d/tuesday\n");
    shop.nfbmr(&format!("train {TRAIN}")).fails(&["expected folders of images or `--list FILE`"]);
    fs::write(shop.path("list.txt"), "absent.png\n").unwrap();
    shop.nfbmr("train --list list.txt --dry-run").fails(&["line 1 of list.txt"]);
}

#[test]
fn calibration_takes_good_parts_alone() {
    let shop = Shop::with_model();
    for index in 0..6 {
        shop.image(&format!("test/good/{index:03}.png"), format!("d/good/{index}.png"));
    }
    shop.image("test/stain/000.png", "d/scratched_bad/0.png");
    let ran = shop.nfbmr("calibrate model.nfbmr d").succeeds();
    let line =
        "5 images: 5 in d/good; left out: 1 in d/good, 1 in d/scratched_bad (kept to test with)\n";
    assert!(ran.stderr.starts_with(line), "{}", ran.stderr);
    assert!(ran.stdout.contains("calibrated on 5 other images"), "{}", ran.stdout);
}

#[test]
fn images_are_evaluated_by_folders_of_any_name() {
    let shop = Shop::with_model();
    for index in 0..6 {
        shop.image(&format!("test/good/{index:03}.png"), format!("a/{index}.png"));
    }
    for index in 0..2 {
        shop.image(&format!("test/stain/{index:03}.png"), format!("b/{index}.png"));
        shop.image(&format!("ground_truth/stain/{index:03}_mask.png"), format!("m/{index}.bmp"));
    }
    let ran = shop.nfbmr("evaluate model.nfbmr --good a --bad b --masks m").succeeds();
    assert!(ran.stderr.contains("6 good (6 in a), 2 defective (2 in b)\n"), "{}", ran.stderr);
    assert!(ran.stdout.contains("pixel AUROC"), "{}", ran.stdout);
    shop.nfbmr("evaluate model.nfbmr --good a").fails(&["--bad"]);
    shop.nfbmr("evaluate model.nfbmr a --bad b --good a").fails(&["cannot be used with"]);
    // The test of a category alone, in another letters' case.
    shop.image("test/good/000.png", "set/test/Good/0.png");
    shop.image("test/stain/000.png", "set/test/stain/0.png");
    let ran = shop.nfbmr("evaluate model.nfbmr set").succeeds();
    assert!(ran.stdout.starts_with("set: 1 good image, 1 defective one\n"), "{}", ran.stdout);
}

#[test]
fn files_of_other_names_are_scored_or_named() {
    let shop = Shop::with_model();
    let image = image::open(crate::support::GEARS.join("test/good/000.png")).unwrap().into_rgb8();
    fs::create_dir(shop.path("in")).unwrap();
    image.save_with_format(shop.path("in/a.jfif"), image::ImageFormat::Jpeg).unwrap();
    image.save_with_format(shop.path("in/frame_0005"), image::ImageFormat::Png).unwrap();
    fs::write(shop.path("in/b.pgm"), [b"P6 48 48 255\n", image.as_raw().as_slice()].concat())
        .unwrap();
    fs::write(shop.path("in/v.mp4"), b"\0\0\0\x18ftypisom\0\0\0\0").unwrap();
    let ran = shop.nfbmr("detect model.nfbmr in");
    assert_eq!(ran.records().len(), 3);
    assert!(ran.records().iter().all(|record| record["score"].is_number()), "{}", ran.stdout);
    assert!(ran.stderr.contains("; left out: in/v.mp4 (no image)\n"), "{}", ran.stderr);
    // An image of a format that isn't decoded is one that wasn't scored.
    fs::write(shop.path("in/c"), b"\0\0\0\x18ftypheic\0\0\0\0").unwrap();
    let ran = shop.nfbmr("detect -q model.nfbmr in");
    assert_eq!(ran.code, Some(2));
    assert!(ran.stdout.contains("found HEIC"), "{}", ran.stdout);
    assert_eq!(ran.stderr, "4 images; left out: in/v.mp4 (no image)\n");
}

#[test]
fn own_heatmaps_are_not_scored_again() {
    let shop = Shop::with_model();
    shop.image("test/good/000.png", "in/0.png");
    shop.image("test/good/001.png", "in/1.png");
    for _ in 0..2 {
        let ran = shop.nfbmr("detect model.nfbmr in --heatmaps in/maps");
        assert_eq!(ran.records().len(), 2, "{}", ran.stdout);
    }
    let ran = shop.nfbmr("detect model.nfbmr in");
    assert!(ran.stderr.contains("; left out: 2 in in/maps (named as heatmaps)"), "{}", ran.stderr);
}

#[test]
fn a_defect_among_the_good_is_listed() {
    let shop = shop("a", "b");
    let mut spoilt = image::open(shop.path("d/a/3.png")).unwrap().into_rgb8();
    (14..34).for_each(|y| (14..34).for_each(|x| spoilt.put_pixel(x, y, image::Rgb([255, 0, 0]))));
    spoilt.save(shop.path("d/a/3.png")).unwrap();
    let ran = shop.nfbmr(&format!("train -q d/a {TRAIN}")).succeeds();
    assert!(
        ran.stderr.contains("look at d/a/3.png: scored by the others it is far out"),
        "{}",
        ran.stderr
    );
    let ran = shop.nfbmr(&format!("train -q d/b {TRAIN}")).succeeds();
    assert!(ran.stderr.contains("not looked for: images unlike the others"), "{}", ran.stderr);
}
