//! From presets, files and `--set` to one configuration.

use std::fs;

use crate::support::Shop;

#[test]
fn the_model_records_the_configuration() {
    let shop = Shop::new();
    let settings = "--config small.toml --set bmr.blocks=1 --set fusion=plain --set whitening=none \
                    --set pooling.top_fraction=0.5 --seed 9";
    let gears = shop.gears();
    shop.nfbmr(&format!("train {gears} -q -o part.nfbmr {settings}")).succeeds();
    let config = shop.nfbmr("inspect part.nfbmr --json").succeeds().json()["config"].take();
    let system = &config["system"]["nf-bmr"];
    assert_eq!(config["input_size"], 48);
    assert_eq!(config["backbone"]["block"], 4);
    assert_eq!(config["backbone"]["variant"], "lite0", "left as the preset has it");
    assert_eq!((&system["bmr"]["blocks"], &config["seed"]), (&1.into(), &9.into()));
    assert_eq!(system["fusion"], "plain");
    assert!(system["whitening"].is_null());
    assert_eq!(system["pooling"]["top_fraction"], 0.5);

    let printed = shop.nfbmr(&format!("train --print-config {settings}")).succeeds().stdout;
    assert_eq!(printed, shop.nfbmr("inspect part.nfbmr --config").succeeds().stdout);
    fs::write(shop.path("printed.toml"), &printed).unwrap();
    let again = shop.nfbmr("train --print-config --config printed.toml").succeeds().stdout;
    assert_eq!(printed, again);
}

#[test]
fn presets_print_and_read_back() {
    let shop = Shop::new();
    for preset in ["default", "paper"] {
        let line = format!("train --print-config --preset {preset}");
        let printed = shop.nfbmr(&line).succeeds().stdout;
        fs::write(shop.path("printed.toml"), &printed).unwrap();
        let again = shop.nfbmr("train --print-config --config printed.toml").succeeds().stdout;
        assert_eq!(printed, again, "{preset}");
        assert!(printed.contains("epsilon = 0.0001\n"), "{printed}");
    }
}

#[test]
fn later_settings_win() {
    let shop = Shop::new();
    let seed = |line: &str| {
        let printed = shop.nfbmr(&format!("train --print-config {line}")).succeeds().stdout;
        printed.lines().find(|line| line.starts_with("seed")).unwrap().to_owned()
    };
    fs::write(shop.path("seed.toml"), "seed = 1").unwrap();
    assert_eq!(seed(""), "seed = 0");
    assert_eq!(seed("--config seed.toml"), "seed = 1");
    assert_eq!(seed("--set seed=2 --config seed.toml"), "seed = 2");
    assert_eq!(seed("--set seed=2 --set seed=3"), "seed = 3");
    assert_eq!(seed("--seed 4 --set seed=2"), "seed = 4");
}

#[test]
fn files_that_say_something_else_are_refused_by_name() {
    let shop = Shop::new();
    let hint = "hint: `nfbmr train --print-config` shows every setting";
    let cases: [(&str, &[&str]); 5] = [
        ("epochs = 3", &["bad.toml: epochs: unknown field `epochs`, expected one of `system`"]),
        (
            "[flow_training]\nepoch = 3",
            &[
                "bad.toml: system.nf-bmr.flow_training.epoch: unknown field `epoch`, expected one of `epochs`",
            ],
        ),
        (
            "input_size = \"large\"",
            &["bad.toml: input_size: ", "expected a whole number from 0 to 4294967295"],
        ),
        ("pooling = \"median\"", &["pooling: unknown variant `median`, expected one of"]),
        ("input_size = ", &["expected TOML in bad.toml", "line 1"]),
    ];
    for (text, parts) in cases {
        fs::write(shop.path("bad.toml"), text).unwrap();
        let ran = shop.nfbmr(&format!("train {} -o p.nfbmr --config bad.toml", shop.gears()));
        ran.fails(parts).fails(&[hint]);
    }
    shop.nfbmr("train x -o p.nfbmr --config absent.toml").fails(&["cannot read absent.toml"]);
}

#[test]
fn settings_that_say_something_else_are_refused_by_name() {
    let shop = Shop::new();
    let cases: [(&str, &[&str]); 9] = [
        ("input_size", &["expected `--set key=value`, found \"input_size\"", "hint: an example"]),
        ("=3", &["expected `--set key=value`"]),
        ("flow..hidden=3", &["expected `--set key=value`"]),
        ("flow.width=3", &["--set flow.width=3: system.nf-bmr.flow.width: unknown field `width`"]),
        ("size=3", &["--set size=3: size: unknown field `size`, expected one of `system`"]),
        ("input_size=abc", &["--set input_size=abc: input_size: invalid type: string \"abc\""]),
        ("input_size=0", &["input_size must be 1 to 4096 pixels, found 0"]),
        ("backbone.block=99", &["99"]),
        ("system=nf+bmr", &["system must be one of `nf`"]),
    ];
    for (setting, parts) in cases {
        shop.run(["train", &shop.gears(), "-o", "p.nfbmr", "--set", setting]).fails(parts);
    }
    assert_eq!(shop.files(), ["small.toml"]);
}

/// One setting is wrong, and it is the one that is named.
#[test]
fn settings_are_read_together() {
    let shop = Shop::new();
    let print = |settings: &str| shop.nfbmr(&format!("train --print-config {settings}"));
    let norms = "--set fit.letterbox.fill=[1,2,3] --set backbone.normalization.mean=[0,0,0]";
    let printed = print(&format!("--set seed=5 {norms} --set pooling=max")).succeeds().stdout;
    for line in ["fill = [1, 2, 3]", "mean = [0.0, 0.0, 0.0]", "pooling = \"max\"", "seed = 5"] {
        assert!(printed.lines().any(|found| found == line), "{line}: {printed}");
    }
    let wrong = "error: --set backbone.block=two: backbone.block: invalid type: string \"two\"";
    print(&format!("{norms} --set backbone.block=two --set backbone.batch_norm_eps=0.1"))
        .fails(&[wrong]);
    print("--config small.toml --set flow.couplings=-1")
        .fails(&["error: --set flow.couplings=-1: "]);
}

#[test]
fn a_backbone_without_weights_says_what_to_do() {
    let shop = Shop::new();
    shop.nfbmr(&format!("train {} -o p.nfbmr --preset paper", shop.gears())).fails(&[
        "expected weights of b5, found those of lite0",
        "hint: name the file of the backbone's weights with `--weights FILE`",
    ]);
}

/// By `--system` or as a setting; what another system has is refused, not left aside.
#[test]
fn a_system_has_its_own_settings() {
    let shop = Shop::new();
    let print = |line: &str| shop.nfbmr(&format!("train --print-config {line}"));
    let named = print("--system patchcore --set neighbors=4").succeeds().stdout;
    assert!(named.contains("[system.patchcore]") && named.contains("neighbors = 4"), "{named}");
    assert!(!named.contains("flow"), "{named}");
    assert_eq!(print("--set system=patchcore --set neighbors=4").succeeds().stdout, named);
    fs::write(shop.path("named.toml"), &named).unwrap();
    assert_eq!(print("--config named.toml").succeeds().stdout, named);
    let in_full = print("--set system.patchcore.neighbors=4").succeeds().stdout;
    assert_eq!(in_full, named);

    // Those of the same name are kept.
    let nf = print("--preset paper --system nf").succeeds().stdout;
    assert!(nf.contains("hidden = 1024") && nf.contains("epochs = 300"), "{nf}");

    print("--system patchcore --set flow.hidden=8").fails(&["flow: unknown field `flow`"]);
    print("--system nf --config named.toml").fails(&["named.toml: system"]);
    print("--system pfm").fails(&["target_cnn"]);
}

/// Numbers that are none, and names that need more.
#[test]
fn what_a_setting_takes_is_said_in_words() {
    let shop = Shop::new();
    let whole = "expected a whole number of 0 or more";
    let nan = "flow_training.learning_rate: expected a finite number, found ";
    let cases: [(&str, &str); 12] = [
        ("--set fit=letterbox", "hint: `--set fit.letterbox.fill=[0,0,0]` is the colour"),
        (
            "--set fit=letterbox",
            "fit.letterbox: expected what it takes besides its name, found nothing",
        ),
        ("--set pooling=top_fraction", "hint: `--set pooling.top_fraction=0.02`"),
        (
            "--set backbone.padding=same_static",
            "hint: `--set backbone.padding.same_static.native=224`",
        ),
        ("--set fit.letterbox.fill=[0,0,300]", "expected a whole number from 0 to 255"),
        ("--set flow_training.learning_rate=nan", nan),
        ("--set system.nf-bmr.flow_training.learning_rate=inf", nan),
        ("--set flow_training.learning_rate=fast", "expected a number\n"),
        ("--set seed=-1", whole),
        ("--seed -1", whole),
        ("--seed one", whole),
        ("--folds -1", whole),
    ];
    for (settings, expected) in cases {
        shop.nfbmr(&format!("train --print-config {settings}")).fails(&[expected]);
    }
    for example in [
        "fit.letterbox.fill=[0,0,0]",
        "pooling.top_fraction=0.02",
        "backbone.padding.same_static.native=224",
    ] {
        shop.nfbmr(&format!("train --print-config --set {example}")).succeeds();
    }
}

#[test]
fn settings_of_another_encoding_say_so() {
    let shop = Shop::new();
    let utf16 =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let print = || shop.nfbmr("train --print-config --config other.toml");
    for (bytes, found) in [
        (utf16("\u{feff}input_size = 64"), "found UTF-16"),
        (utf16("input_size = 64"), "found zeros, as in UTF-16"),
        (b"# caf\xe9".to_vec(), "found another encoding"),
    ] {
        fs::write(shop.path("other.toml"), bytes).unwrap();
        let expected = "cannot read other.toml: expected text in UTF-8, ";
        print().fails(&[expected, found, "hint: save it as UTF-8; in PowerShell"]);
    }
    fs::write(shop.path("list.txt"), utf16("\u{feff}a.png")).unwrap();
    let expected = ["cannot read list.txt: expected text in UTF-8, found UTF-16", "hint: save it"];
    shop.nfbmr("train --list list.txt -o p.nfbmr").fails(&expected);
    fs::write(shop.path("other.toml"), "\u{feff}input_size = 64\n").unwrap();
    assert!(print().succeeds().stdout.contains("input_size = 64\n"));
}

#[test]
fn an_alignment_is_set_by_its_name_and_its_tolerance_beside_it() {
    let shop = Shop::new();
    let config =
        |settings: &str| shop.nfbmr(&format!("train --print-config {settings}")).succeeds().stdout;
    let both = "--set alignment.tolerance.angle=5 --set alignment=rigid";
    for settings in [both, "--set alignment=rigid --set alignment.tolerance.angle=5"] {
        let printed = config(settings);
        assert!(printed.contains("[alignment]\nmotion = \"rigid\"\n"), "{printed}");
        assert!(printed.contains("[alignment.tolerance]\nangle = 5.0\n"), "{printed}");
    }
    assert!(config("--set alignment=off").contains("motion = \"off\""));
    shop.nfbmr("train --print-config --set alignment=upright").fails(&["alignment", "upright"]);
}
