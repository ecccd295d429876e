//! Thresholds after training.

use std::fs;

use crate::support::{Shop, UNCALIBRATED};

/// Good images that the model hasn't seen.
fn shop() -> Shop {
    let shop = Shop::with_model();
    for i in 0..6 {
        shop.image(&format!("test/good/{i:03}.png"), format!("more/{i}.png"));
    }
    shop
}

fn threshold(shop: &Shop, model: &str) -> f64 {
    let info = shop.nfbmr(&format!("inspect {model} --json")).succeeds().json();
    info["calibration"]["split"]["threshold"]["value"].as_f64().unwrap()
}

#[test]
fn other_images_set_another_threshold() {
    let shop = shop();
    let before = threshold(&shop, "model.nfbmr");
    let ran =
        shop.nfbmr("calibrate model.nfbmr more --max-false-alarms 0.3 -o new.nfbmr").succeeds();
    let said =
        "new.nfbmr: calibrated on 6 other images to 30 % false alarms (as asked)\nthreshold ";
    assert!(ran.stdout.starts_with(said), "{}", ran.stdout);
    assert!(ran.stderr.contains("calibration: 6 of 6 images"), "{}", ran.stderr);
    assert_eq!(threshold(&shop, "model.nfbmr"), before, "MODEL is left alone");

    let ran = shop.nfbmr("calibrate model.nfbmr more").succeeds();
    assert!(ran.stdout.contains("14.3 % false alarms (the smallest rate that 6 images support"));
    assert_ne!(threshold(&shop, "model.nfbmr"), before);

    fs::copy(&*UNCALIBRATED, shop.path("raw.nfbmr")).unwrap();
    shop.nfbmr("calibrate raw.nfbmr more").succeeds();
    assert_ne!(shop.nfbmr("detect raw.nfbmr more").code, Some(2));
}

#[test]
fn images_that_were_trained_on_are_refused() {
    let shop = shop();
    let before = fs::read(shop.path("model.nfbmr")).unwrap();
    shop.nfbmr(&format!("calibrate model.nfbmr {}", shop.gears())).fails(&[
        "expected images that the model was not trained on, found 13 that it was",
        "hint: name a folder of other images",
    ]);
    assert_eq!(fs::read(shop.path("model.nfbmr")).unwrap(), before);
}

#[test]
fn rates_that_the_images_do_not_support_are_refused() {
    let shop = shop();
    shop.nfbmr("calibrate model.nfbmr more --max-false-alarms 0.01").fails(&[
        "expected at least 99 normal images for a false-alarm rate of 0.01, found 6",
        "hint: calibrate on 93 more images of good parts, or ask for `--max-false-alarms 0.143` (14.3 %) or more",
    ]);
    // What the hint says is granted.
    shop.nfbmr("calibrate model.nfbmr more --max-false-alarms 0.143").succeeds();
    shop.nfbmr("calibrate model.nfbmr absent").fails(&["cannot read absent"]);
    shop.nfbmr("calibrate model.nfbmr").fails(&["expected folders of images or `--list FILE`"]);
}

#[test]
fn thresholds_are_set_by_hand() {
    let shop = shop();
    let ran = shop.nfbmr("calibrate model.nfbmr --threshold 2.5 --pixel-threshold=-3").succeeds();
    let said = "model.nfbmr: calibrated on 3 other images\n\
                threshold 2.5 for images, set by hand: up to 100 % false alarms by these images\n\
                threshold -3 for pixels, set by hand: up to 100 % false alarms by these images\n";
    assert_eq!(ran.stdout, said);
    let info = shop.nfbmr("inspect model.nfbmr --json").succeeds().json();
    assert_eq!(info["calibration"]["split"]["threshold"]["value"], 2.5);
    assert_eq!(info["calibration"]["split"]["threshold"]["set_by_hand"], true);
    assert_eq!(info["calibration"]["split"]["pixel_threshold"]["value"], -3.0);
    shop.nfbmr("calibrate model.nfbmr --threshold inf").fails(&["finite threshold"]);
    fs::copy(&*UNCALIBRATED, shop.path("raw.nfbmr")).unwrap();
    shop.nfbmr("calibrate raw.nfbmr --threshold 1").fails(&["expected a calibrated model"]);
}

#[test]
fn bad_images_stop_it_or_are_skipped() {
    let shop = shop();
    fs::write(shop.path("more/broken.png"), "").unwrap();
    shop.nfbmr("calibrate model.nfbmr more")
        .fails(&["cannot decode more/broken.png", "hint: `--skip-bad`"]);
    let ran = shop.nfbmr("calibrate -q model.nfbmr more --skip-bad").succeeds();
    assert!(ran.stderr.contains("\nskipped: cannot decode more/broken.png"), "{}", ran.stderr);
    assert!(ran.stdout.contains("calibrated on 6 other images"), "{}", ran.stdout);
}

/// (1 + scores above) / (n + 1) of 3 scores.
#[test]
fn a_threshold_set_by_hand_has_its_own_rate() {
    let shop = shop();
    let gears = shop.gears();
    for (threshold, rate, percent) in [("-5", 1.0, "100 %"), ("1e9", 0.25, "25 %")] {
        shop.nfbmr("calibrate model.nfbmr --max-false-alarms 0.5").succeeds();
        let set = shop.nfbmr(&format!("calibrate model.nfbmr --threshold={threshold}")).succeeds();
        let shown = shop.nfbmr("inspect model.nfbmr").succeeds().stdout;
        let by_hand =
            format!("for images, set by hand: up to {percent} false alarms by these images\n");
        for text in [&set.stdout, &shown] {
            assert!(text.contains(&by_hand), "{text}");
            assert!(text.contains(" for pixels: 50 % false alarms (as asked)\n"), "{text}");
            assert!(!text.contains("calibrated on 3 other images to"), "{text}");
        }
        let lines = shop.nfbmr(&format!("evaluate -q model.nfbmr {gears}")).succeeds().stdout;
        let by_hand =
            format!("(set by hand: up to {percent} false alarms by the images of the calibration)");
        assert!(lines.contains(&by_hand), "{lines}");
        let json = shop.nfbmr(&format!("evaluate -q model.nfbmr {gears} --json")).succeeds().json();
        assert_eq!(json["calibrated"]["rate"], rate, "{json}");
        assert_eq!(json["calibrated"]["set_by_hand"], true, "{json}");
    }
}

#[test]
fn hints_are_about_what_is_wrong() {
    let shop = shop();
    let threshold = "hint: a threshold is a number like the scores of `nfbmr detect`";
    for option in ["--threshold nan", "--threshold inf", "--pixel-threshold nan"] {
        let ran = shop.nfbmr(&format!("calibrate model.nfbmr {option}"));
        ran.fails(&["expected a finite threshold, found ", threshold]);
    }
    let number = "expected a number, such as 0.05";
    shop.nfbmr("calibrate model.nfbmr --threshold high").fails(&["--threshold <SCORE>", number]);
    let rate = "hint: a rate is a fraction";
    shop.nfbmr("calibrate model.nfbmr --max-false-alarms -0.1").fails(&[rate]);
    shop.nfbmr("detect model.nfbmr more --threshold -3").fails(&[
        "expected no `--threshold`: the model has one",
        "hint: `nfbmr calibrate MODEL --threshold SCORE` sets it",
    ]);
    assert!(!shop.nfbmr("detect --help").succeeds().stdout.contains("--threshold"));
}

#[test]
fn one_image_is_no_plural() {
    let shop = shop();
    shop.image("test/good/000.png", "one/0.png");
    let ran = shop.nfbmr("calibrate model.nfbmr one -o one.nfbmr").succeeds();
    let said = "calibrated on 1 other image to 50 % false alarms (the smallest rate that 1 image \
                supports; 5 % takes 19)";
    assert!(ran.stdout.contains(said), "{}", ran.stdout);
    assert!(ran.stderr.contains("calibration: 1 of 1 image,"), "{}", ran.stderr);
    shop.nfbmr("calibrate model.nfbmr one --max-false-alarms 0.34").fails(&[
        "at least 2 normal images for",
        "hint: calibrate on 1 more image of good parts, or",
    ]);
}
