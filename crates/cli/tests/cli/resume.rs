//! Trainings that are killed go on where they stood.

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support::Shop;

/// Enough epochs for a training to be killed in any of them.
const EPOCHS: &str = "--set flow_training.epochs=60 --set bmr_training.epochs=60";

fn line(shop: &Shop, output: &str) -> String {
    format!("train {} -q -o {output} --config small.toml {EPOCHS}", shop.gears())
}

#[test]
fn a_killed_training_resumes_to_the_same_model_to_the_bit() {
    let shop = Shop::new();
    let start = Instant::now();
    shop.nfbmr(&line(&shop, "whole.nfbmr")).succeeds();
    let whole = start.elapsed();
    let expected = fs::read(shop.path("whole.nfbmr")).unwrap();

    let spawn = || -> Child {
        let line = line(&shop, "part.nfbmr --resume");
        let mut command = shop.command(line.split_whitespace());
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    // At moments spread over a training, the same in each run of the test but for the machine's speed.
    let mut kills = 0;
    for share in [0.1, 0.35, 0.2, 0.55, 0.05, 0.45, 0.3, 0.15] {
        let mut child = spawn();
        let end = Instant::now() + whole.mul_f64(share);
        while Instant::now() < end && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        if child.try_wait().unwrap().is_some() {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        assert!(!shop.path("part.nfbmr").exists(), "a model that isn't whole");
    }
    assert!(kills > 0);
    if !shop.path("part.nfbmr").exists() {
        shop.nfbmr(&line(&shop, "part.nfbmr --resume")).succeeds();
    }
    assert!(fs::read(shop.path("part.nfbmr")).unwrap() == expected, "after {kills} kills");
    assert_eq!(shop.files(), ["part.nfbmr", "small.toml", "whole.nfbmr"]);
}

#[test]
fn an_unfinished_training_is_not_replaced_unasked() {
    let shop = Shop::new();
    let line = line(&shop, "part.nfbmr");
    let mut child = shop.command(line.split_whitespace()).spawn().unwrap();
    let checkpoint = shop.path("part.nfbmr.unfinished/checkpoint");
    while !checkpoint.exists() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = fs::read(&checkpoint).unwrap();
    shop.nfbmr(&line).fails(&["part.nfbmr.unfinished, which another training", "--resume"]);
    let other = format!("{line} --resume --set seed=7");
    shop.nfbmr(&other).fails(&["belongs to another training: config.seed: expected 7, found 0"]);
    assert_eq!(fs::read(&checkpoint).unwrap(), kept);
    shop.nfbmr(&format!("{line} --resume")).succeeds();
    assert_eq!(shop.files(), ["part.nfbmr", "small.toml"]);
}

#[test]
fn copies_of_an_image_count_once() {
    let shop = Shop::new();
    for index in 0..6 {
        shop.image(&format!("train/good/{index:03}.png"), format!("parts/{index}.png"));
    }
    shop.image("train/good/002.png", "parts/again.png");
    let line = "train parts -o part.nfbmr --config small.toml --hold-out 0.34";
    let ran = shop.nfbmr(line).succeeds();
    let left_out = "left out: parts/again.png, a copy of";
    assert!(
        ran.stderr.contains(left_out) || ran.stderr.contains("a copy of parts/again.png"),
        "{ran:?}"
    );
    assert!(ran.stdout.contains("trained on 4 images"), "{ran:?}");
}

#[test]
fn a_training_works_in_the_folder_named() {
    let shop = Shop::new();
    fs::create_dir(shop.path("share")).unwrap();
    let line = format!("{} --work-dir local/kept", line(&shop, "share/part.nfbmr"));
    let mut child = shop.command(line.split_whitespace()).spawn().unwrap();
    let checkpoint = shop.path("local/kept/part.nfbmr.unfinished/checkpoint");
    while !checkpoint.exists() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(fs::read_dir(shop.path("share")).unwrap().count(), 0);
    shop.nfbmr(&line).fails(&["local/kept/part.nfbmr.unfinished, which another", "--resume"]);
    shop.nfbmr(&format!("{line} --resume")).succeeds();
    assert!(shop.path("share/part.nfbmr").is_file());
    assert_eq!(fs::read_dir(shop.path("share")).unwrap().count(), 1);
    assert_eq!(fs::read_dir(shop.path("local/kept")).unwrap().count(), 0);

    fs::write(shop.path("file"), "").unwrap();
    let gears = shop.gears();
    let line = format!("train {gears} -o part.nfbmr --config small.toml --work-dir file");
    shop.nfbmr(&line).fails(&["cannot write file"]);
}
