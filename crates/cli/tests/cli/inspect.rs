//! What a model file says of itself.

use std::fs;

use crate::support::{Shop, UNCALIBRATED};

#[test]
fn a_model_says_how_it_was_made() {
    let shop = Shop::with_model();
    let lines = shop.nfbmr("inspect model.nfbmr").succeeds().stdout;
    for part in [
        "system nf-bmr, seed 0, configuration ",
        "backbone lite0 to block 4, input 48 x 48 pixels\n",
        "weights of the backbone not in the file, SHA-256 7213f2ba5c11",
        "format version 0, ",
        "trained on 13 images\n",
        "calibrated on 3 other images to 25 % false alarms",
    ] {
        assert!(lines.contains(part), "{part}: {lines}");
    }
    let json = shop.nfbmr("inspect model.nfbmr --json").succeeds().json();
    assert_eq!((&json["format_version"], &json["training_images"]), (&0.into(), &13.into()));
    assert_eq!(json["bytes"], fs::metadata(shop.path("model.nfbmr")).unwrap().len());
    assert_eq!(json["backbone_included"], false);
    assert_eq!(json["calibration"]["split"]["basis"], "smallest_supported");
    assert_eq!(json["calibration"]["split"]["image_scores"]["scores"].as_array().unwrap().len(), 3);

    fs::copy(&*UNCALIBRATED, shop.path("raw.nfbmr")).unwrap();
    assert!(shop.nfbmr("inspect raw.nfbmr").succeeds().stdout.ends_with("not calibrated\n"));
}

#[test]
fn other_files_are_refused() {
    let shop = Shop::new();
    shop.nfbmr("inspect small.toml").fails(&["model file small.toml: expected an nfbmr model"]);
    shop.nfbmr("inspect absent").fails(&["model file absent: No such file"]);
    shop.nfbmr("inspect .").fails(&["not a regular file"]);
}
