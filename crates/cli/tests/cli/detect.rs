//! Detection: lines, exit codes, heatmaps.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use nfbmr_synthetic::{Counts, Kind, PartClass, write_mvtec};
use serde_json::Value;

use crate::support::{Ran, Shop, UNCALIBRATED};

/// With the model's threshold above or below every score.
fn shop(threshold: &str) -> Shop {
    let shop = Shop::with_model();
    shop.nfbmr(&format!("calibrate model.nfbmr --threshold={threshold}")).succeeds();
    shop.image("test/good/000.png", "a.png");
    shop.image("test/good/001.png", "b.png");
    shop
}

fn paths(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["path"].as_str().unwrap()).collect()
}

#[test]
fn exit_codes_tell_good_parts_from_defects_and_errors() {
    let line = "detect model.nfbmr a.png b.png";
    let good = shop("1e9").nfbmr(line);
    assert_eq!(good.code, Some(0), "{good:?}");
    assert!(good.records().iter().all(|record| record["is_anomalous"] == false));
    assert!(good.stderr.contains("2 images: 0 with defects"), "{}", good.stderr);

    let shop = shop("-1e9");
    let bad = shop.nfbmr(line);
    assert_eq!(bad.code, Some(1), "{bad:?}");
    assert!(bad.records().iter().all(|record| record["is_anomalous"] == true));

    let error = shop.nfbmr("detect model.nfbmr a.png absent.png b.png");
    assert_eq!(error.code, Some(2), "an error wins over a defect: {error:?}");
    assert_eq!(shop.nfbmr("detect absent.nfbmr a.png").code, Some(2));
    assert_eq!(shop.nfbmr("detect model.nfbmr").code, Some(2));
    assert_eq!(shop.nfbmr("frobnicate").code, Some(2));
}

#[test]
fn lines_are_in_the_order_of_the_images_and_errors_in_their_places() {
    let shop = shop("1e9");
    fs::create_dir(shop.path("empty")).unwrap();
    fs::write(shop.path("broken.png"), [b"\x89PNG\r\n\x1a\n".as_slice(), &[0; 40]].concat())
        .unwrap();
    for i in 0..6 {
        shop.image(&format!("test/good/{i:03}.png"), format!("new/{}/{i}.png", i % 2));
    }
    let ran = shop.nfbmr("detect model.nfbmr b.png absent.png new empty broken.png a.png");
    assert_eq!(ran.code, Some(2));
    let records = ran.records();
    let new = ["new/0/0.png", "new/0/2.png", "new/0/4.png", "new/1/1.png", "new/1/3.png"];
    let (before, after) =
        (["b.png", "absent.png"], ["new/1/5.png", "empty", "broken.png", "a.png"]);
    assert_eq!(paths(&records), [&before[..], &new, &after].concat());
    for record in &records {
        let error = match record["path"].as_str().unwrap() {
            "absent.png" => "cannot read absent.png: No such file or directory",
            "empty" => "expected image files in empty or the folders below it, found none",
            "broken.png" => "cannot decode broken.png",
            _ => {
                assert!(record["score"].is_f64() && record.get("error").is_none(), "{record}");
                continue;
            }
        };
        assert!(record["error"].as_str().unwrap().starts_with(error), "{record}");
        assert!(record.get("score").is_none() && record.get("is_anomalous").is_none(), "{record}");
    }
    let summary = "11 images: 0 with defects, 3 files that can't be scored";
    assert!(ran.stderr.contains(summary), "{}", ran.stderr);
    // The same image, the same score.
    let score =
        |path: &str| records.iter().find(|record| record["path"] == path).unwrap()["score"].clone();
    assert_eq!(score("a.png"), score("new/0/0.png"));
}

#[test]
fn a_line_says_all_there_is_to_say() {
    let shop = Shop::with_model();
    shop.nfbmr("calibrate model.nfbmr --threshold=-1e9 --pixel-threshold=-1e9").succeeds();
    shop.image("test/good/000.png", "a.png");
    let record = shop.nfbmr("detect model.nfbmr a.png").records().remove(0);
    assert!(record["score"].is_f64());
    let p_value = record["p_value"].as_f64().unwrap();
    assert!([0.25, 0.5, 0.75, 1.0].contains(&p_value), "a rank among 3 images: {p_value}");
    assert_eq!(record["is_anomalous"], true);
    assert_eq!(record["threshold"], -1e9);
    assert_eq!((&record["width"], &record["height"]), (&48.into(), &48.into()));
    // The whole image is one region.
    let regions = record["regions"].as_array().unwrap();
    assert_eq!(regions.len(), 1);
    let number = |key: &str| regions[0][key].as_u64().unwrap();
    assert_eq!(["x", "y", "width", "height", "area"].map(number), [0, 0, 48, 48, 48 * 48]);
    assert!(regions[0]["peak"].is_f64() && number("peak_x") < 48 && number("peak_y") < 48);
    assert!(record.get("heatmap").is_none());
}

#[test]
fn hostile_names_stay_one_line_each() {
    let shop = shop("1e9");
    let names = [
        "--help.png",
        "new\nline.png",
        "quote\".png",
        "back\\slash.png",
        "$(touch pwned).png",
        "\u{1b}[31mred.png",
        "\u{202e}gnp.png",
        "snow ☃.png",
    ];
    for name in names {
        shop.image("test/good/000.png", Path::new("hostile").join(name));
    }
    let ran = shop.nfbmr("detect model.nfbmr hostile --heatmaps maps");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let records = ran.records();
    let found: HashSet<&str> = paths(&records).into_iter().collect();
    let expected: Vec<String> = names.iter().map(|name| format!("hostile/{name}")).collect();
    assert_eq!(found, expected.iter().map(String::as_str).collect());
    assert!(!ran.stdout.contains('\x1b'));
    for record in &records {
        assert!(shop.path(record["heatmap"].as_str().unwrap()).is_file(), "{record}");
    }
    fs::write(shop.path("hostile/\u{1b}[31mred.png"), "").unwrap();
    let refused =
        shop.nfbmr("calibrate model.nfbmr hostile").fails(&["hostile/\u{fffd}[31mred.png"]);
    assert!(!refused.stderr.contains('\x1b'));
    let named = shop.run(["detect", "model.nfbmr", "--", "hostile/new\nline.png"]);
    assert_eq!((named.code, named.records().len()), (Some(0), 1));
}

/// Linux has names that aren't text.
#[cfg(target_os = "linux")]
#[test]
fn names_that_are_not_text_are_scored() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let shop = shop("1e9");
    let name = OsStr::from_bytes(b"caf\xe9.png");
    shop.image("test/good/000.png", name);
    let args = [OsStr::new("detect"), OsStr::new("model.nfbmr"), name, OsStr::new("a.png")];
    let ran = shop.run(args);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(paths(&ran.records()), ["caf\u{fffd}.png", "a.png"]);
}

#[test]
fn heatmaps_have_the_size_of_their_images_and_names_of_their_own() {
    let shop = shop("1e9");
    shop.image("test/good/000.png", "one/0.png");
    shop.image("test/good/001.png", "two/0.png");
    shop.image("test/good/002.png", "two/below/0.png");
    let ran = shop.nfbmr("detect model.nfbmr one/0.png two one --heatmaps out/maps");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let records = ran.records();
    let maps: Vec<&str> =
        records.iter().map(|record| record["heatmap"].as_str().unwrap()).collect();
    let expected = ["0_heatmap.png", "0_heatmap-2.png", "below/0_heatmap.png", "0_heatmap-3.png"];
    assert_eq!(maps, expected.map(|name| format!("out/maps/{name}")));
    for map in maps {
        let image = image::open(shop.path(map)).unwrap();
        assert_eq!((image.width(), image.height()), (48, 48));
    }
    let same =
        |a: &str, b: &str| fs::read(shop.path(a)).unwrap() == fs::read(shop.path(b)).unwrap();
    assert!(same("out/maps/0_heatmap.png", "out/maps/0_heatmap-3.png"));
    assert!(!same("out/maps/0_heatmap.png", "out/maps/0_heatmap-2.png"));
    let ran = shop.nfbmr("detect model.nfbmr a.png --heatmaps a.png");
    ran.fails(&["cannot write a.png", "hint"]);
}

#[test]
fn results_go_to_a_file_where_one_is_named() {
    let shop = shop("1e9");
    let line = "detect -q model.nfbmr a.png b.png";
    let shown = shop.nfbmr(line).succeeds();
    assert_eq!(shown.stderr, "");
    let ran = shop.nfbmr(&format!("{line} --jsonl results.jsonl")).succeeds();
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    assert_eq!(fs::read_to_string(shop.path("results.jsonl")).unwrap(), shown.stdout);
    assert_eq!(shop.nfbmr(&format!("{line} --jsonl -")).succeeds().stdout, shown.stdout);
    shop.nfbmr(&format!("{line} --jsonl absent/r.jsonl")).fails(&["cannot write absent/r.jsonl"]);
}

#[test]
fn a_model_without_a_threshold_gives_no_verdict_unasked() {
    let shop = shop("1e9");
    fs::copy(&*UNCALIBRATED, shop.path("raw.nfbmr")).unwrap();
    shop.nfbmr("detect raw.nfbmr a.png").fails(&[
        "expected a calibrated model, found raw.nfbmr, which isn't",
        "hint: calibrate it with `nfbmr calibrate MODEL DIR`",
    ]);
    let ran = shop.nfbmr("detect raw.nfbmr a.png --uncalibrated --heatmaps maps").succeeds();
    let record = ran.records().remove(0);
    assert!(record["score"].is_f64());
    for key in ["p_value", "is_anomalous", "threshold", "regions", "drift"] {
        assert!(record[key].is_null(), "{record}");
    }
    assert!(shop.path("maps/a_heatmap.png").is_file());
}

#[test]
fn scores_that_leave_the_calibration_are_told_once() {
    let shop = Shop::with_model();
    let parts = |name: &str, kind: PartClass, images: u64, seed: u64| {
        let counts = Counts { train: images, test_good: 1, test_defect: 1 };
        write_mvtec(shop.path(name), Kind::Part(kind), &counts, 48, seed).unwrap();
    };
    parts("calibration", PartClass::Gear, 60, 7);
    parts("same", PartClass::Gear, 60, 8);
    parts("other", PartClass::Bracket, 60, 8);
    shop.nfbmr("calibrate -q model.nfbmr calibration/train/good").succeeds();
    shop.nfbmr("calibrate -q model.nfbmr --threshold=1e9").succeeds();
    let same = shop.nfbmr("detect -q model.nfbmr same/train/good").succeeds();
    assert!(same.records().iter().all(|record| record["drift"].is_null()));
    assert_eq!(same.stderr, "");

    let other = shop.nfbmr("detect -q model.nfbmr other/train/good").succeeds();
    let records = other.records();
    let first = records.iter().position(|record| !record["drift"].is_null()).unwrap();
    assert!((2..40).contains(&first), "{first}");
    assert!(records[first..].iter().all(|record| record["drift"] == "higher"));
    let warning = format!("warning: after {} images scores no longer look like", first + 1);
    assert_eq!(other.stderr.matches("warning").count(), 1);
    assert!(other.stderr.contains(&warning), "{}", other.stderr);
    // The same images, the same lines.
    assert_eq!(shop.nfbmr("detect -q model.nfbmr other/train/good").stdout, other.stdout);
}

/// As of `nfbmr detect … | head -1` after its line.
#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let shop = shop("1e9");
    let mut child = shop
        .command(["detect", "-q", "model.nfbmr", "a.png", "b.png"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ran = Ran::of(&child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(2), ""));
}

#[test]
fn damaged_models_are_refused() {
    let shop = shop("1e9");
    let mut bytes = fs::read(shop.path("model.nfbmr")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(shop.path("damaged.nfbmr"), bytes).unwrap();
    shop.nfbmr("detect damaged.nfbmr a.png").fails(&["damaged.nfbmr", "checksum"]);
    shop.nfbmr("detect small.toml a.png").fails(&["small.toml", "expected an nfbmr model"]);
    shop.nfbmr("detect absent a.png")
        .fails(&["absent", "hint: `nfbmr train DIR -o MODEL` makes one"]);
}

/// A run that reads paths from standard input.
#[cfg(unix)]
mod resident {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Child, ChildStdin, ChildStdout, Command};

    use super::*;

    struct Resident {
        child: Child,
        stdin: ChildStdin,
        stdout: BufReader<ChildStdout>,
    }

    impl Resident {
        fn start(shop: &Shop, more: &[&str]) -> Self {
            let args = [&["detect", "model.nfbmr", "-"], more].concat();
            let mut command = shop.command(args);
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
            Self { child, stdin, stdout: BufReader::new(stdout) }
        }

        /// The answer to a path, which is there before the next is asked for.
        fn ask(&mut self, path: &str) -> Value {
            self.stdin.write_all(format!("{path}\n").as_bytes()).unwrap();
            let mut line = String::new();
            self.stdout.read_line(&mut line).unwrap();
            serde_json::from_str(&line).unwrap()
        }

        fn end(self) -> Ran {
            drop((self.stdin, self.stdout));
            Ran::of(&self.child.wait_with_output().unwrap())
        }
    }

    #[test]
    fn paths_of_standard_input_are_answered_one_by_one() {
        let shop = shop("1e9");
        shop.image("test/good/002.png", "folder/a.png");
        let lines = shop.nfbmr("detect model.nfbmr a.png b.png").succeeds().records();
        let mut resident = Resident::start(&shop, &["--heatmaps", "maps"]);
        let answer = resident.ask("a.png");
        assert_eq!((&answer["score"], &answer["path"]), (&lines[0]["score"], &"a.png".into()));
        assert_eq!(answer["heatmap"], "maps/a_heatmap.png");
        assert_eq!(resident.ask("\n\r\nb.png\r")["score"], lines[1]["score"]);
        assert_eq!(resident.ask("folder/a.png")["heatmap"], "maps/a_heatmap-2.png");
        // The next image of a camera that writes one file.
        fs::copy(shop.path("b.png"), shop.path("a.png")).unwrap();
        let answer = resident.ask("a.png");
        assert_eq!(answer["score"], lines[1]["score"]);
        assert_eq!(answer["heatmap"], "maps/a_heatmap.png");
        let ran = resident.end().succeeds();
        assert!(ran.stderr.ends_with("4 images: 0 with defects\n"), "{}", ran.stderr);
    }

    #[test]
    fn what_cannot_be_scored_is_answered_too() {
        let shop = shop("-1e9");
        let mut resident = Resident::start(&shop, &["-q"]);
        assert_eq!(resident.ask("a.png")["is_anomalous"], true);
        fs::create_dir(shop.path("folder")).unwrap();
        let folder = resident.ask("folder");
        assert_eq!(folder["error"], "expected an image file at folder, found a folder");
        let absent = resident.ask("absent.png");
        assert!(absent["error"].as_str().unwrap().starts_with("cannot read absent.png"));
        assert_eq!(resident.ask("b.png")["is_anomalous"], true);
        let ran = resident.end();
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(2), ""));

        let mut defects = Resident::start(&shop, &["-q"]);
        defects.ask("a.png");
        assert_eq!(defects.end().code, Some(1));
        assert_eq!(Resident::start(&shop, &["-q"]).end().code, Some(0), "no image, no defect");
        let refused = shop.nfbmr("detect model.nfbmr a.png -");
        refused.fails(&["expected `-` alone", "hint: a file of that name is `./-`"]);
    }

    #[test]
    fn it_ends_quietly_by_ctrl_c_and_without_a_reader() {
        let shop = shop("1e9");
        let mut resident = Resident::start(&shop, &["-q"]);
        resident.ask("a.png");
        let id = resident.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        // Standard input stays open.
        let Resident { child, stdin, stdout } = resident;
        let ran = Ran::of(&child.wait_with_output().unwrap());
        drop((stdin, stdout));
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(130), "interrupted\n"));

        let mut resident = Resident::start(&shop, &["-q"]);
        resident.ask("a.png");
        let Resident { child, mut stdin, stdout } = resident;
        drop(stdout);
        stdin.write_all(b"b.png\n").unwrap();
        let ran = Ran::of(&child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(2), ""));
    }
}
