//! Models for few images.

use std::fs;

use crate::support::Shop;

/// With a model of the gears in four folds of four as `folds.nfbmr`.
fn shop() -> Shop {
    let shop = Shop::new();
    let gears = shop.gears();
    let args = ["train", &gears, "--folds", "4", "--config", "small.toml", "-o", "folds.nfbmr"];
    let ran = shop.run(args).succeeds();
    for part in [
        "folds.nfbmr: trained on 16 images in ",
        "calibrated on 16 images in 4 folds, each by the model trained without it, to 5.9 % false alarms",
        // k = 1, m = 4: (2 (k - 1) + m) / (n + m).
        "proven: false-alarm rate of at most 0.2000: twice the asked 0.058",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    assert!(ran.stderr.contains("fold 4 of 4, level 2 of 2, bmr: "), "{}", ran.stderr);
    assert_eq!(shop.files(), ["folds.nfbmr", "small.toml"], "nothing unfinished stays");
    shop
}

#[test]
fn a_model_of_folds_is_trained_shown_used_and_measured() {
    let shop = shop();
    let lines = shop.nfbmr("inspect folds.nfbmr").succeeds().stdout;
    assert!(lines.contains("trained on 16 images\ncalibrated on 16 images in 4 folds"), "{lines}");
    assert!(
        lines.contains("proven: false-alarm rate of at most 0.2000: twice the asked"),
        "{lines}"
    );
    let json = shop.nfbmr("inspect folds.nfbmr --json").succeeds().json();
    assert_eq!(json["calibration"]["cross"]["bound"]["proven"], 0.2);
    assert!(json["calibration"]["split"].is_null(), "{json}");

    shop.image("test/good/000.png", "new/good.png");
    let defect = fs::read_dir(crate::support::GEARS.join("test")).unwrap();
    let defect =
        defect.map(|entry| entry.unwrap().file_name()).find(|name| name != "good").unwrap();
    let defect = defect.to_str().unwrap();
    let names = fs::read_dir(crate::support::GEARS.join("test").join(defect)).unwrap();
    let name = names.map(|entry| entry.unwrap().file_name()).min().unwrap();
    shop.image(&format!("test/{defect}/{}", name.to_str().unwrap()), "new/defect.png");
    let ran = shop.nfbmr("detect folds.nfbmr new --heatmaps maps");
    assert_ne!(ran.code, Some(2), "{ran:?}");
    let records = ran.records();
    assert_eq!(records.len(), 2);
    for record in records {
        let p_value = record["p_value"].as_f64().unwrap();
        assert_eq!(record["is_anomalous"], p_value <= 1.0 / 17.0, "{record}");
        assert!(record["threshold"].is_null() && record["regions"].is_array(), "{record}");
        assert!(shop.path(record["heatmap"].as_str().unwrap()).exists());
    }

    let gears = shop.gears();
    let ran = shop.run(["evaluate", "folds.nfbmr", &gears, "--json"]).succeeds().json();
    assert!(ran["image_auroc"].is_f64() && ran["calibrated"]["threshold"].is_null(), "{ran}");
    assert!(ran["calibrated"]["false_alarms"].is_u64(), "{ran}");
    let text = shop.run(["evaluate", "folds.nfbmr", &gears]).succeeds().stdout;
    assert!(text.contains("p-values of folds    for 5.9 % false alarms\n"), "{text}");

    let ran = shop.nfbmr("calibrate folds.nfbmr --max-false-alarms 0.5").succeeds();
    assert!(ran.stdout.contains("to 50 % false alarms (as asked)\nproven: "), "{}", ran.stdout);
    assert_eq!(shop.nfbmr("detect -q folds.nfbmr new").code, Some(1));
    shop.nfbmr("calibrate folds.nfbmr new").fails(&[
        "expected an ordinary model to calibrate on other images, found one cross-fitted on 4 folds",
        "hint: `nfbmr calibrate MODEL --max-false-alarms RATE` sets the rate",
    ]);
    shop.nfbmr("calibrate folds.nfbmr --threshold 1").fails(&["to set a threshold, found one"]);
    shop.nfbmr("calibrate folds.nfbmr --max-false-alarms 0.01")
        .fails(&["expected at least 99 normal images for a false-alarm rate of 0.01, found 16"]);
}

#[test]
fn folds_that_the_images_do_not_support_are_refused_before_training() {
    let shop = Shop::new();
    let train = |args: &str| {
        let line = format!("train {} -o m.nfbmr --config small.toml {args}", shop.gears());
        shop.nfbmr(&line)
    };
    train("--folds 17").fails(&[
        "expected at least 17 images that differ for 17 folds, found 16",
        "hint: name fewer folds",
    ]);
    train("--folds 1").fails(&["expected at least 2 folds, found 1"]);
    train("--folds 5 --max-false-alarms 0.06")
        .fails(&["expected at least 16 normal images", "found 15"]);
    train("--folds 4 --hold-out 0.2").fails(&["cannot be used with"]);
    assert_eq!(shop.files(), ["small.toml"]);
}

#[test]
fn an_unfinished_training_of_folds_is_not_replaced_unasked() {
    let shop = Shop::new();
    fs::create_dir(shop.path("m.nfbmr.unfinished")).unwrap();
    fs::write(shop.path("m.nfbmr.unfinished/checkpoint.2"), "").unwrap();
    let line = format!("train {} -o m.nfbmr --config small.toml --folds 4", shop.gears());
    shop.nfbmr(&line).fails(&["m.nfbmr.unfinished", "--resume"]);
}

#[test]
fn an_ordinary_model_takes_another_rate_from_the_same_images() {
    let shop = Shop::with_model();
    let ran = shop.nfbmr("calibrate model.nfbmr --max-false-alarms 0.5").succeeds();
    assert!(
        ran.stdout.contains("calibrated on 3 other images to 50 % false alarms (as asked)\n"),
        "{}",
        ran.stdout
    );
    shop.nfbmr("calibrate model.nfbmr --max-false-alarms 0.1")
        .fails(&["expected at least 9 normal images for a false-alarm rate of 0.1, found 3"]);
}

#[test]
fn one_fold_is_none() {
    let shop = Shop::new();
    for folds in ["0", "1"] {
        let line = format!("train {} -o p.nfbmr --config small.toml --folds {folds}", shop.gears());
        let expected = format!("expected at least 2 folds, found {folds}");
        shop.nfbmr(&line).fails(&[&expected, "hint: `--folds 10` trains 10 models"]);
    }
    let help = shop.nfbmr("train --help").succeeds().stdout;
    assert!(!help.contains("about twice"), "{help}");
}
