//! Outputs that would replace what is read, or files of another kind.

use std::fs;

use crate::support::{GEARS, MODEL, Shop, WEIGHTS};

/// A model, and a few good images.
fn shop() -> Shop {
    let shop = Shop::with_model();
    for i in 0..4 {
        shop.image(&format!("train/good/{i:03}.png"), format!("good/{i:03}.png"));
        shop.image(&format!("test/good/{i:03}.png"), format!("imgs/{i}.png"));
    }
    shop
}

/// Runs a command, which is to be refused before any work, and leave a file as it is.
#[track_caller]
fn spares(shop: &Shop, file: &str, line: &str, expected: &[&str]) {
    let before = fs::read(shop.path(file)).unwrap();
    let ran = shop.nfbmr(line).fails(expected);
    for work in ["features", "calibration", "detection", "evaluation"] {
        assert!(!ran.stderr.contains(work), "{}", ran.stderr);
    }
    assert!(fs::read(shop.path(file)).unwrap() == before, "{file} is another");
}

#[test]
fn what_is_read_is_not_written_over() {
    let shop = shop();
    let weights = "w.safetensors";
    fs::copy(&*WEIGHTS, shop.path(weights)).unwrap();
    fs::write(shop.path("list.txt"), "good/000.png\ngood/001.png\ngood/002.png\n").unwrap();
    fs::copy(shop.path("good/000.png"), shop.path("mask.png")).unwrap();
    let cases = [
        ("model.nfbmr", "detect model.nfbmr imgs --jsonl model.nfbmr"),
        ("model.nfbmr", "detect model.nfbmr imgs --jsonl imgs/../model.nfbmr --append"),
        (weights, "detect model.nfbmr imgs --weights w.safetensors --jsonl w.safetensors"),
        ("imgs/1.png", "detect model.nfbmr imgs --jsonl imgs/1.png"),
        ("good/000.png", "train good -o good/000.png --config small.toml"),
        ("small.toml", "train good -o small.toml --config small.toml"),
        ("mask.png", "train good -o mask.png --config small.toml --mask mask.png"),
        ("list.txt", "train --list list.txt -o list.txt --config small.toml"),
        (weights, "train good -o w.safetensors --config small.toml --weights w.safetensors"),
        ("imgs/1.png", "calibrate model.nfbmr imgs -o imgs/1.png"),
        ("list.txt", "calibrate model.nfbmr --list list.txt -o list.txt"),
        (weights, "weights import w.safetensors -o w.safetensors"),
    ];
    for (file, line) in cases {
        spares(&shop, file, line, &["expected another file than ", "hint: name another one with"]);
    }
}

#[cfg(unix)]
#[test]
fn what_is_read_is_known_by_any_name() {
    use std::os::unix::fs::symlink;

    let shop = shop();
    symlink("model.nfbmr", shop.path("soft")).unwrap();
    fs::hard_link(shop.path("model.nfbmr"), shop.path("hard")).unwrap();
    for name in ["soft", "hard"] {
        let line = format!("detect model.nfbmr imgs --jsonl {name}");
        let expected =
            format!("another file than {name} to write to, which is read as model.nfbmr");
        spares(
            &shop,
            "model.nfbmr",
            &line,
            &[&expected, "hint: name another one with `--jsonl FILE`"],
        );
    }
    symlink(shop.path("good"), shop.path("same")).unwrap();
    let line = "train good -o same/001.png --config small.toml";
    spares(&shop, "good/001.png", line, &["which is read as good/001.png"]);
}

#[test]
fn files_of_another_kind_are_not_replaced() {
    let shop = shop();
    shop.image("test/good/000.png", "x.png");
    fs::write(shop.path("diary.txt"), "Dear diary").unwrap();
    fs::write(shop.path("log.jsonl"), "{\"path\":\"a.png\"}\n").unwrap();
    fs::copy(&*WEIGHTS, shop.path("w.safetensors")).unwrap();
    let weights = WEIGHTS.to_str().unwrap();
    let model = "expected no file or an nfbmr model at ";
    let cases = [
        ("x.png", "detect model.nfbmr imgs --jsonl x.png".to_owned(), "found a picture"),
        ("x.png", "detect model.nfbmr imgs --append --jsonl x.png".to_owned(), "found a picture"),
        ("diary.txt", "train good -o diary.txt --config small.toml".to_owned(), model),
        ("log.jsonl", "train good -o log.jsonl --config small.toml".to_owned(), model),
        ("w.safetensors", "calibrate model.nfbmr imgs -o w.safetensors".to_owned(), model),
        ("model.nfbmr", format!("weights import {weights} -o model.nfbmr"), "found an nfbmr model"),
        ("x.png", format!("weights import {weights} -o x.png"), "found a picture"),
    ];
    for (file, line, expected) in &cases {
        let hint = "hint: name another one with `-";
        spares(&shop, file, line, &[expected, hint, "or remove this one if it isn't needed"]);
    }
    // An empty file, as of `mktemp`, an older and a damaged model are replaced.
    fs::write(shop.path("empty"), "").unwrap();
    shop.nfbmr("calibrate model.nfbmr --threshold 1 -o empty").succeeds();
    let model = fs::read(&*MODEL).unwrap();
    fs::write(shop.path("cut"), &model[..model.len() / 2]).unwrap();
    shop.nfbmr("calibrate model.nfbmr --threshold 1 -o cut").succeeds();
    shop.nfbmr(&format!("weights import {weights} -o w.safetensors --blocks 5")).succeeds();
}

#[test]
fn a_report_replaces_reports_alone() {
    let shop = shop();
    let gears = GEARS.to_str().unwrap();
    fs::create_dir_all(shop.path("out")).unwrap();
    fs::write(shop.path("out/report.html"), "Dear diary").unwrap();
    let line = format!("evaluate -q model.nfbmr {gears} --report out");
    let expected = [
        "no file or an HTML page at out/report.html",
        "hint: name another one with `--report DIR`",
    ];
    spares(&shop, "out/report.html", &line, &expected);
    fs::write(shop.path("out/report.html"), "").unwrap();
    shop.nfbmr(&line).succeeds();
    shop.nfbmr(&line).succeeds();

    shop.image("test/good/000.png", "own/gallery/0.png");
    let line = "evaluate model.nfbmr --good own/gallery --bad good --report own";
    let expected = "expected another file than own to write to, which is read as own/gallery/0.png";
    spares(&shop, "own/gallery/0.png", line, &[expected]);
}

#[test]
fn lines_are_added_to_those_of_before_where_that_is_asked_for() {
    let shop = shop();
    shop.nfbmr("calibrate model.nfbmr --threshold=1e9").succeeds();
    let line = "detect -q model.nfbmr imgs/0.png --jsonl log.jsonl";
    shop.nfbmr(line).succeeds();
    let first = fs::read_to_string(shop.path("log.jsonl")).unwrap();
    let expected =
        ["no file or an empty one at log.jsonl, found lines of JSON", "hint: `--append`"];
    spares(&shop, "log.jsonl", line, &expected);
    shop.nfbmr(&format!("{line} --append")).succeeds();
    let both = fs::read_to_string(shop.path("log.jsonl")).unwrap();
    assert_eq!(both, first.repeat(2));
    // A line that was cut off stays a line of its own.
    fs::write(shop.path("log.jsonl"), "{\"pa").unwrap();
    shop.nfbmr(&format!("{line} --append")).succeeds();
    assert_eq!(fs::read_to_string(shop.path("log.jsonl")).unwrap(), format!("{{\"pa\n{first}"));
    fs::write(shop.path("diary.txt"), "Dear diary").unwrap();
    let line = "detect model.nfbmr imgs/0.png --append --jsonl diary.txt";
    spares(&shop, "diary.txt", line, &["expected no file or lines of JSON at diary.txt"]);
    shop.nfbmr("detect -q model.nfbmr imgs/0.png --append --jsonl new.jsonl").succeeds();
    assert_eq!(fs::read_to_string(shop.path("new.jsonl")).unwrap(), first);
    shop.nfbmr("detect model.nfbmr imgs/0.png --append").fails(&["--jsonl <FILE>"]);
}

#[test]
fn a_heatmap_that_cannot_be_written_takes_no_line_away() {
    let shop = shop();
    shop.nfbmr("calibrate model.nfbmr --threshold=1e9").succeeds();
    let long = format!("many/{}.png", "a".repeat(245));
    shop.image("test/good/000.png", &long);
    shop.image("test/good/001.png", "many/b.png");
    shop.image("test/good/002.png", "many/c.png");
    fs::create_dir_all(shop.path("maps/b_heatmap.png")).unwrap();
    let ran = shop.nfbmr("detect model.nfbmr many --heatmaps maps");
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let records = ran.records();
    assert_eq!(records.len(), 3);
    for record in &records[..2] {
        assert!(record["score"].is_f64() && record.get("heatmap").is_none(), "{record}");
        let error = record["heatmap_error"].as_str().unwrap();
        assert!(error.starts_with("cannot write maps/"), "{record}");
    }
    assert_eq!(records[2]["heatmap"], "maps/c_heatmap.png");
    assert!(records[2].get("heatmap_error").is_none());
    let said = "3 images: 0 with defects, 2 heatmaps that can't be written";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
}

#[test]
fn a_heatmap_replaces_no_image() {
    let shop = shop();
    shop.nfbmr("calibrate model.nfbmr --threshold=1e9").succeeds();
    shop.image("test/good/000.png", "in/a.png");
    shop.image("test/good/001.png", "in/a_heatmap.png");
    let before = fs::read(shop.path("in/a_heatmap.png")).unwrap();
    let ran =
        shop.nfbmr("detect -q model.nfbmr in/a.png in/a_heatmap.png --heatmaps in").succeeds();
    assert_eq!(ran.records()[0]["heatmap"], "in/a_heatmap-2.png");
    assert!(fs::read(shop.path("in/a_heatmap.png")).unwrap() == before);
}

#[cfg(unix)]
#[test]
fn a_model_behind_a_link_is_replaced_where_it_is() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let shop = shop();
    fs::create_dir(shop.path("store")).unwrap();
    fs::rename(shop.path("model.nfbmr"), shop.path("store/7.nfbmr")).unwrap();
    fs::set_permissions(shop.path("store/7.nfbmr"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("store/7.nfbmr", shop.path("model.nfbmr")).unwrap();
    shop.nfbmr("calibrate model.nfbmr --threshold=7").succeeds();
    assert!(fs::symlink_metadata(shop.path("model.nfbmr")).unwrap().is_symlink());
    let info = shop.nfbmr("inspect store/7.nfbmr --json").succeeds().json();
    assert_eq!(info["calibration"]["split"]["threshold"]["value"], 7.0);
    let mode = fs::metadata(shop.path("store/7.nfbmr")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    symlink("store/8.nfbmr", shop.path("next.nfbmr")).unwrap();
    shop.nfbmr("calibrate model.nfbmr --threshold=8 -o next.nfbmr").succeeds();
    assert!(shop.path("store/8.nfbmr").is_file());
    shop.nfbmr("calibrate model.nfbmr --threshold=8 -o /dev/null")
        .fails(&["cannot write /dev/null: it is a device or a pipe, not a file"]);
}
