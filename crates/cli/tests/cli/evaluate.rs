//! Metrics and reports.

use std::fs;

use crate::support::Shop;

#[test]
fn metrics_come_as_lines_and_as_json() {
    let shop = Shop::with_model();
    let gears = shop.gears();
    let ran = shop.nfbmr(&format!("evaluate model.nfbmr {gears}")).succeeds();
    let names = ["image AUROC", "average precision", "best F1", "pixel AUROC", "pixel AUPRO"];
    assert!(!ran.stdout.contains("mask"), "all have one: {}", ran.stdout);
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

/// The value of a mask in a column.
type Column = fn(u32) -> u8;

/// A data set in the layout of MVTec AD: a good image, and defects each with a mask, or without.
fn set(shop: &Shop, name: &str, masks: &[Option<Column>]) {
    shop.image("train/good/000.png", format!("{name}/train/good/0.png"));
    shop.image("test/good/000.png", format!("{name}/test/good/0.png"));
    for (index, mask) in masks.iter().enumerate() {
        shop.image("test/good/001.png", format!("{name}/test/bad/{index}.png"));
        let Some(mask) = mask else { continue };
        let path = shop.path(format!("{name}/ground_truth/bad/{index}_mask.png"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::GrayImage::from_fn(48, 48, |x, _| image::Luma([mask(x)])).save(path).unwrap();
    }
}

fn line_of<'a>(stdout: &'a str, name: &str) -> Option<&'a str> {
    stdout.lines().find_map(|line| line.strip_prefix(&format!("{name:<21}")))
}

#[test]
fn defects_that_pixel_metrics_leave_out_are_named() {
    let shop = Shop::with_model();
    let bar: Option<Column> = Some(|x| u8::from(x < 5));
    set(&shop, "one", &[bar, None, bar]);
    let ran = shop.nfbmr("evaluate -q model.nfbmr one").succeeds().stdout;
    let expected = "3 defects, 2 masks: pixel metrics leave 1 out (one/test/bad/1.png)";
    assert_eq!(line_of(&ran, "masks"), Some(expected), "{ran}");
    assert!(line_of(&ran, "pixel AUROC").is_some() && line_of(&ran, "warning").is_none(), "{ran}");
    let json = shop.nfbmr("evaluate -q model.nfbmr one --json").succeeds().json();
    assert!(json["pixel_auroc"].is_f64(), "{json}");
    let masks = serde_json::json!({
        "defects": 3, "used": 2, "missing": ["one/test/bad/1.png"], "empty": [], "mostly_marked": [],
        "not_inspected": 0,
    });
    assert_eq!(json["masks"], masks);

    set(&shop, "odd", &[Some(|_| 0), Some(|x| u8::from(x > 5)), None]);
    let ran = shop.nfbmr("evaluate -q model.nfbmr odd --report out").succeeds().stdout;
    let expected = "3 defects, 1 mask: pixel metrics leave 2 out (odd/test/bad/2.png; \
                    odd/test/bad/0.png, whose mask marks nothing)";
    assert_eq!(line_of(&ran, "masks"), Some(expected), "{ran}");
    let expected = "1 mask marks more than half of its image, perhaps inverted \
                    (odd/ground_truth/bad/1_mask.png)";
    assert_eq!(line_of(&ran, "warning"), Some(expected), "{ran}");

    set(&shop, "black", &[Some(|_| 0), None]);
    let ran = shop.nfbmr("evaluate -q model.nfbmr black").succeeds().stdout;
    let masks = line_of(&ran, "masks").unwrap();
    assert!(
        masks.starts_with("no masks that mark anything: pixel metrics aren't computed ("),
        "{ran}"
    );

    set(&shop, "none", &[None; 5]);
    let ran = shop.nfbmr("evaluate -q model.nfbmr none").succeeds().stdout;
    assert_eq!(line_of(&ran, "masks"), Some("no masks: pixel metrics aren't computed"), "{ran}");
    assert!(
        line_of(&ran, "pixel AUROC").is_none() && line_of(&ran, "image AUROC").is_some(),
        "{ran}"
    );
}

#[test]
fn defects_outside_of_the_inspected_part_are_counted() {
    let shop = Shop::new();
    let left = image::GrayImage::from_fn(2, 1, |x, _| image::Luma([u8::from(x == 0)]));
    left.save(shop.path("left.png")).unwrap();
    let train =
        format!("train {} -q -o part.nfbmr --config small.toml --mask left.png", shop.gears());
    shop.nfbmr(&train).succeeds();
    set(&shop, "set", &[Some(|x| u8::from((20..30).contains(&x)))]);
    let ran = shop.nfbmr("evaluate -q part.nfbmr set").succeeds().stdout;
    assert_eq!(
        line_of(&ran, "not inspected"),
        Some("288 marked pixels, left out of pixel metrics")
    );
    assert!(line_of(&ran, "pixel AUROC").is_some(), "{ran}");
}

#[test]
fn bad_images_and_masks_stop_it_or_are_skipped() {
    let shop = Shop::with_model();
    let bar: Option<Column> = Some(|x| u8::from(x < 5));
    set(&shop, "set", &[bar, bar, bar]);
    fs::write(shop.path("set/test/bad/0.png"), "no image").unwrap();
    fs::write(shop.path("set/ground_truth/bad/1_mask.png"), "").unwrap();
    let line = "evaluate -q model.nfbmr set";
    let expected = ["cannot decode set/test/bad/0.png", "hint: `--skip-bad` goes on without"];
    shop.nfbmr(line).fails(&expected);
    let ran = shop.nfbmr(&format!("{line} --skip-bad --report out")).succeeds();
    for file in ["set/test/bad/0.png", "set/ground_truth/bad/1_mask.png"] {
        let said = format!("\nskipped: cannot decode {file}");
        assert!(ran.stderr.contains(&said), "{}", ran.stderr);
    }
    let ran = ran.stdout;
    assert!(ran.starts_with("set: 1 good image, 1 defective one\n"), "{ran}");
    assert_eq!(line_of(&ran, "skipped"), Some("2 images that can't be read"), "{ran}");
    let json = shop.nfbmr(&format!("{line} --skip-bad --json")).succeeds().json();
    let numbers = ["good_images", "defect_images", "skipped"].map(|key| json[key].as_u64());
    assert_eq!(numbers, [Some(1), Some(1), Some(2)], "{json}");
    assert_eq!(json["masks"]["used"], 1, "{json}");
    for image in ["good/0", "bad/1", "bad/2"] {
        fs::write(shop.path(format!("set/test/{image}.png")), "").unwrap();
    }
    let expected = "expected images that can be read, found none among 4";
    shop.nfbmr(&format!("{line} --skip-bad")).fails(&[expected]);
}
