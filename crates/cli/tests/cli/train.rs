//! Training.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use image::{GrayImage, ImageBuffer, Luma, Rgb};

use crate::support::{GEARS, MODEL, Ran, Shop};

#[test]
fn a_summary_says_what_was_made() {
    let shop = Shop::new();
    let ran = shop.nfbmr(&format!("train {} -o part.nfbmr --config small.toml", shop.gears()));
    let ran = ran.succeeds();
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("part.nfbmr: trained on 13 images in "), "{}", ran.stdout);
    assert_eq!(
        lines[1],
        "calibrated on 3 other images to 25 % false alarms (the smallest rate that 3 images \
         support; 5 % takes 19)"
    );
    assert!(lines[2].starts_with("threshold "), "{}", ran.stdout);
    assert_eq!(shop.files(), ["part.nfbmr", "small.toml"]);
}

#[test]
fn progress_is_plain_lines_where_there_is_no_terminal() {
    let shop = Shop::new();
    let line = format!("train {} -o part.nfbmr --config small.toml", shop.gears());
    let ran = shop.nfbmr(&line).succeeds();
    for stage in ["features: ", "whitening: ", "flow: epoch 1 of 2", "bmr: ", "calibration: 3 of 3"]
    {
        assert!(ran.stderr.contains(stage), "{stage}: {}", ran.stderr);
    }
    assert!(!ran.stderr.contains(['\x1b', '\r']) && !ran.stdout.contains('\x1b'), "{ran:?}");
    let quiet = shop.nfbmr(&format!("-q {line}")).succeeds();
    assert!(quiet.stderr.starts_with("16 images: 16 in "), "{}", quiet.stderr);
    assert_eq!(quiet.stderr.lines().count(), 1);
    let verbose = shop.nfbmr(&format!("{line} -v")).succeeds();
    assert!(verbose.stderr.contains("INFO") && !verbose.stderr.contains('\x1b'), "{verbose:?}");
}

#[test]
fn the_same_seed_trains_the_same_model() {
    let shop = Shop::new();
    let model = |seed: &str, name: &str| {
        let gears = shop.gears();
        let line = format!("train {gears} -q -o {name} --config small.toml --seed {seed}");
        shop.nfbmr(&line).succeeds();
        fs::read(shop.path(name)).unwrap()
    };
    let first = model("1", "a.nfbmr");
    assert!(first == model("1", "b.nfbmr") && first != model("2", "c.nfbmr"));
}

#[test]
fn folders_that_cannot_train_are_refused() {
    let shop = Shop::new();
    fs::create_dir(shop.path("empty")).unwrap();
    shop.image("test/good/000.png", "one/0.png");
    for part in ["a", "b"] {
        shop.image("test/good/000.png", format!("two/{part}/train/good/0.png"));
        shop.image("test/good/001.png", format!("two/{part}/test/good/0.png"));
    }
    let cases: [(&str, &[&str]); 5] = [
        ("absent", &["cannot read absent: No such file"]),
        (
            "small.toml",
            &[
                "in small.toml, found none; left out: small.toml (no image)",
                "hint: name the folder",
            ],
        ),
        ("empty", &["expected images of good parts in empty, found none", "hint"]),
        ("one", &["expected 2 images or more to train on", "hint: name a folder of more images"]),
        (
            "two",
            &["expected images of one part, found those of a, b in two", "hint: name the folder"],
        ),
    ];
    for (folder, parts) in cases {
        shop.nfbmr(&format!("train {folder} -o part.nfbmr --config small.toml")).fails(parts);
    }
    assert!(!shop.path("part.nfbmr").exists());
}

#[test]
fn an_output_that_cannot_be_written_is_refused_before_training() {
    let shop = Shop::new();
    fs::create_dir(shop.path("folder")).unwrap();
    for output in ["absent/part.nfbmr", "folder"] {
        let ran = shop.nfbmr(&format!("train {} -o {output} --config small.toml", shop.gears()));
        let ran = ran.fails(&[&format!("cannot write {output}"), "hint: check that the folder"]);
        assert!(!ran.stderr.contains("features"), "{}", ran.stderr);
    }
}

#[test]
fn a_rate_that_the_images_do_not_support_is_refused_before_training() {
    let shop = Shop::new();
    let train = |rate: &str| {
        let gears = shop.gears();
        let line =
            format!("train {gears} -o p.nfbmr --config small.toml --max-false-alarms {rate}");
        shop.nfbmr(&line)
    };
    let ran = train("0.01").fails(&[
        "expected at least 99 normal images for a false-alarm rate of 0.01, found 3",
        "hint: calibrate on 96 more images of good parts, or ask for `--max-false-alarms 0.25` (25 %) or more",
    ]);
    assert!(!ran.stderr.contains("features"), "{}", ran.stderr);
    for rate in ["0", "1", "-0.1", "NaN"] {
        let line = format!("train {} -o p.nfbmr --max-false-alarms={rate}", shop.gears());
        shop.nfbmr(&line)
            .fails(&["false-alarm rate above 0 and below 1", "hint: a rate is a fraction"]);
    }
    train("many").fails(&["--max-false-alarms"]);
    let ran = train("0.5").succeeds();
    assert!(ran.stdout.contains("calibrated on 3 other images to 50 % false alarms (as asked)"));
}

#[test]
fn hold_out_is_a_share() {
    let shop = Shop::new();
    let train = |share: &str| {
        let gears = shop.gears();
        shop.nfbmr(&format!("train {gears} -o p.nfbmr --config small.toml --hold-out={share}"))
    };
    for share in ["1", "-0.2", "NaN"] {
        train(share).fails(&["expected a share above 0 and below 1", "hint: `--hold-out 0.2`"]);
    }
    train("0 --max-false-alarms 0.1").fails(&["found 0", "hint: `--hold-out 0.2`"]);
    let ran = train("0").succeeds();
    assert!(ran.stdout.contains("trained on 16 images"), "{}", ran.stdout);
    assert!(ran.stdout.contains("not calibrated: `nfbmr calibrate` sets"), "{}", ran.stdout);
    assert!(train("0.5").succeeds().stdout.contains("trained on 8 images"));
}

#[test]
fn bad_images_stop_training_or_are_skipped_and_listed() {
    let shop = Shop::new();
    for i in 0..8 {
        shop.image(&format!("train/good/{i:03}.png"), format!("parts/day {}/{i}.png", i % 2));
    }
    fs::write(shop.path("parts/broken.png"), "not an image").unwrap();
    let line = "train parts -o part.nfbmr --config small.toml";
    shop.nfbmr(line).fails(&["cannot decode parts/broken.png", "hint: `--skip-bad`"]);
    assert!(!shop.path("part.nfbmr").exists());
    let ran = shop.nfbmr(&format!("{line} -q --skip-bad")).succeeds();
    assert!(ran.stderr.contains("\nskipped: cannot decode parts/broken.png"), "{}", ran.stderr);
    let starts: Vec<&str> = ran.stderr.lines().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(starts, ["9 images", "skipped", "not looked for"], "{}", ran.stderr);
}

/// Ctrl-C, once training is on its way.
#[cfg(unix)]
#[test]
fn an_interrupted_training_leaves_nothing_half_written() {
    let shop = Shop::new();
    fs::copy(&*MODEL, shop.path("part.nfbmr")).unwrap();
    let line = format!(
        "train {} -o part.nfbmr --config small.toml --set flow_training.epochs=1000000",
        shop.gears()
    );
    let mut child = shop
        .command(line.split_whitespace())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut lines = String::new();
    while !lines.contains("flow: epoch") {
        assert_ne!(stderr.read_line(&mut lines).unwrap(), 0, "{lines}");
    }
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupted.unwrap().success());
    stderr.read_to_string(&mut lines).unwrap();
    let ran = Ran::of(&child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(130), ""));
    assert!(lines.contains("interrupted") && !lines.contains("panicked"), "{lines}");
    assert!(fs::read(shop.path("part.nfbmr")).unwrap() == fs::read(&*MODEL).unwrap());
    let files = shop.files();
    let known = ["part.nfbmr", "part.nfbmr.unfinished", "small.toml"];
    assert!(files.iter().all(|file| known.contains(&file.as_str())), "{files:?}");
}

#[test]
fn what_a_mask_leaves_out_changes_no_score() {
    let shop = Shop::new();
    let gear = GEARS.join("test/good/000.png");
    let mut image = image::open(&gear).unwrap().into_rgb8();
    image.save(shop.path("good.png")).unwrap();
    let (width, height) = image.dimensions();
    let mask =
        GrayImage::from_fn(width, height, |x, _| Luma([if x < width / 2 { 255 } else { 0 }]));
    mask.save(shop.path("mask.png")).unwrap();
    for (x, _, pixel) in image.enumerate_pixels_mut() {
        if x > width / 2 {
            *pixel = Rgb([255, 0, 200]);
        }
    }
    image.save(shop.path("right.png")).unwrap();
    let train = format!("train {} -q -o part.nfbmr --config small.toml --mask", shop.gears());
    let summary = shop.nfbmr(&format!("{train} mask.png")).succeeds().stdout;
    assert_eq!(summary.lines().nth(1), Some("inspected: 50 % of the image"), "{summary}");
    let lines = shop.nfbmr("inspect part.nfbmr").succeeds().stdout;
    assert!(lines.contains("\ninspected: 50 % of the image\n"), "{lines}");
    let ran = shop.nfbmr("detect -q part.nfbmr good.png right.png");
    let scores: Vec<f64> =
        ran.records().iter().map(|record| record["score"].as_f64().unwrap()).collect();
    assert_eq!(scores[0], scores[1]);

    GrayImage::new(4, 4).save(shop.path("dark.png")).unwrap();
    shop.nfbmr(&format!("{train} dark.png"))
        .fails(&["mask: expected bright pixels", "found none in dark.png"]);
    shop.nfbmr(&format!("{train} absent.png")).fails(&["cannot read absent.png"]);
}

#[test]
fn the_white_level_of_16_bit_images_is_guessed_and_said() {
    let shop = Shop::new();
    let deep = |from: &str, to: &str, brightest: u16| {
        let image = image::open(GEARS.join(from)).unwrap().into_rgb8();
        let deep = |value: u8| ((u32::from(value) * 4095 + 127) / 255) as u16;
        let (width, height) = image.dimensions();
        let mut image: ImageBuffer<Rgb<u16>, _> =
            ImageBuffer::from_fn(width, height, |x, y| Rgb(image[(x, y)].0.map(deep)));
        image[(0, 0)] = Rgb([brightest; 3]);
        fs::create_dir_all(shop.path(to).parent().unwrap()).unwrap();
        image.save(shop.path(to)).unwrap();
    };
    for index in 0..8 {
        deep(&format!("train/good/{index:03}.png"), &format!("deep/{index}.png"), 4095);
    }
    shop.image("train/good/008.png", "deep/8.png");
    let line = "train deep -o part.nfbmr --config small.toml";
    let ran = shop.nfbmr(line).succeeds();
    // Images held out count too, and those of 8 bits don't.
    let said = "white level: 4095, guessed from 8 images of 16 bits, whose largest value is 4095; \
                `--set white_level=` sets another\n";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    let inspected = shop.nfbmr("inspect part.nfbmr").succeeds().stdout;
    assert!(
        inspected.contains("48 x 48 pixels, white level 4095 of 16-bit images\n"),
        "{inspected}"
    );

    deep("test/good/000.png", "new/0.png", 4095);
    deep("test/good/000.png", "new/1.png", 9000);
    let ran = shop.nfbmr("detect -q part.nfbmr new --heatmaps maps");
    let records = ran.records();
    assert_eq!(ran.code, Some(2));
    assert!(records[0]["score"].is_number(), "{}", ran.stdout);
    let error = records[1]["error"].as_str().unwrap();
    assert!(error.contains("up to 4095 (the model's white level), found 9000"), "{error}");
    let heatmap = image::open(shop.path("maps/0_heatmap.png")).unwrap().into_rgb8();
    let brightest = heatmap.iter().copied().max().unwrap();
    assert!(brightest > 100, "{brightest}");

    let set = shop.nfbmr(&format!("{line} --set white_level=65535")).succeeds();
    assert!(!set.stderr.contains("white level"), "{}", set.stderr);
    shop.nfbmr(&format!("{line} --set white_level=1023")).fails(&[
        "cannot use deep/",
        "expected 16-bit values up to 1023 (the model's white level), found 4",
    ]);
    shop.nfbmr(&format!("{line} --set white_level=100"))
        .fails(&["white_level must be 255 to 65535, found 100"]);
}

/// Regions, heatmaps and the scale of their colours end where the inspected part does.
#[test]
fn what_a_mask_leaves_out_has_no_region_and_no_colour() {
    let shop = Shop::new();
    shop.image("test/good/000.png", "good.png");
    // One pixel is bright, and 0/1 masks are masks.
    let mask = GrayImage::from_fn(480, 480, |x, y| Luma([u8::from(x >= 470 && y < 10)]));
    mask.save(shop.path("mask.png")).unwrap();
    let train = format!("train {} -q -o part.nfbmr --config small.toml --mask", shop.gears());
    let summary = shop.nfbmr(&format!("{train} mask.png")).succeeds().stdout;
    assert!(summary.contains("inspected: less than 0.1 % of the image\n"), "{summary}");
    shop.nfbmr("calibrate -q part.nfbmr --pixel-threshold=-1000").succeeds();
    let ran = shop.nfbmr("detect -q part.nfbmr good.png --heatmaps maps");
    let record = &ran.records()[0];
    let region = &record["regions"][0];
    assert_eq!(record["regions"].as_array().unwrap().len(), 1, "{record}");
    for (key, value) in [("x", 47), ("y", 0), ("width", 1), ("height", 1), ("area", 1)] {
        assert_eq!(region[key], value, "{record}");
    }
    assert!(region["peak"].is_f64() && record["score"].is_f64(), "{record}");
    let open = |path: &str| image::open(shop.path(path)).unwrap().into_rgb8();
    let (image, heatmap) = (open("good.png"), open("maps/good_heatmap.png"));
    let coloured =
        image.enumerate_pixels().filter(|(x, y, pixel)| heatmap.get_pixel(*x, *y) != *pixel);
    let coloured: Vec<_> = coloured.map(|(x, y, _)| (x, y)).collect();
    assert_eq!(coloured, [(47, 0)]);
}
