//! Metrics and reports.

use std::fs;

use crate::support::Shop;

#[test]
fn metrics_come_as_lines_and_as_json() {
    let shop = Shop::with_model();
    let gears = shop.gears();
    let ran = shop.nfbmr(&format!("evaluate model.nfbmr {gears}")).succeeds();
    let names = ["image AUROC", "average precision", "best F1", "pixel AUROC", "pixel AUPRO"];
    for name in [&names[..], &["threshold", "false alarms", "defects found"]].concat() {
        assert!(ran.stdout.lines().any(|line| line.starts_with(name)), "{name}: {}", ran.stdout);
    }
    assert!(ran.stdout.starts_with("gears: 6 good images, 6 defective ones\n"), "{}", ran.stdout);

    let json = shop.nfbmr(&format!("evaluate -q model.nfbmr {gears} --json")).succeeds();
    assert!(json.stderr.starts_with("6 good (6 in ") && json.stderr.lines().count() == 1);
    let json = json.json();
    assert_eq!((&json["good_images"], &json["defect_images"]), (&6.into(), &6.into()));
    let auroc = json["image_auroc"].as_f64().unwrap();
    assert!(ran.stdout.contains(&format!("image AUROC          {auroc:.4}")), "{}", ran.stdout);
    let best = &json["image_f1_max"];
    assert!(best["threshold"].is_f64() && best["f1"].as_f64().unwrap() > 0.5, "{json}");

    // The verdicts are those of `detect`.
    let flagged = |folder: &str| {
        let ran = shop.nfbmr(&format!("detect -q model.nfbmr {gears}/test/{folder}"));
        ran.records().iter().filter(|record| record["is_anomalous"] == true).count()
    };
    assert_eq!(json["calibrated"]["false_alarms"], flagged("good"));
    assert_eq!(json["calibrated"]["defects_found"], flagged("") - flagged("good"));
}

#[test]
fn a_report_is_a_page_and_its_charts() {
    let shop = Shop::with_model();
    let gears = shop.gears();
    let ran = shop.nfbmr(&format!("evaluate model.nfbmr {gears} --report out/new")).succeeds();
    assert!(ran.stderr.contains("report: out/new/report.html"), "{}", ran.stderr);
    let page = fs::read_to_string(shop.path("out/new/report.html")).unwrap();
    assert!(page.contains("gears: model.nfbmr") && page.contains("data:image/png;base64"));
    assert!(shop.path("out/new/charts/roc-1-gears.svg").is_file());
    fs::write(shop.path("file"), "").unwrap();
    let ran = shop.nfbmr(&format!("evaluate model.nfbmr {gears} --report file"));
    ran.fails(&["cannot write file"]);
}

#[test]
fn of_good_images_alone_there_are_only_false_alarms() {
    let shop = Shop::with_model();
    shop.image("train/good/000.png", "set/train/good/0.png");
    shop.image("test/good/000.png", "set/test/good/0.png");
    let ran = shop.nfbmr("evaluate model.nfbmr set").succeeds();
    assert!(ran.stdout.starts_with("set: 1 good image, 0 defective ones\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("false alarms") && !ran.stdout.contains("AUROC"), "{}", ran.stdout);
    let json = shop.nfbmr("evaluate model.nfbmr set --json --report out").succeeds().json();
    assert!(json["image_auroc"].is_null() && json["pixel_auroc"].is_null(), "{json}");
}

#[test]
fn folders_without_labels_are_refused() {
    let shop = Shop::with_model();
    shop.image("test/good/000.png", "plain/0.png");
    shop.image("test/good/000.png", "normal/normal/0.png");
    for folder in ["plain", "normal"] {
        let expected = format!("expected labelled images to test on in {folder}, found none");
        shop.nfbmr(&format!("evaluate model.nfbmr {folder}")).fails(&[&expected, "hint"]);
    }
    shop.nfbmr("evaluate model.nfbmr plain --layout mvtec").fails(&["train/good", "hint"]);
    shop.nfbmr("evaluate model.nfbmr plain --layout mvtek").fails(&["--layout", "mvtec, dagm"]);
    shop.nfbmr("evaluate model.nfbmr absent").fails(&["cannot read absent"]);
}
