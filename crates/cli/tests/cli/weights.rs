//! Weights of backbones.

use std::fs;

use crate::support::{Shop, WEIGHTS};

#[test]
fn imported_weights_train_a_model_that_includes_them() {
    let shop = Shop::new();
    let import = |args: &[&str]| {
        let weights = WEIGHTS.to_str().unwrap();
        shop.run([&["weights", "import", weights], args].concat())
    };
    let ran = import(&["-o", "cut.safetensors", "--blocks", "5", "--note", "licence=Apache-2.0"]);
    let said = "cut.safetensors: lite0 of efficientnet-lite-pytorch, 5 blocks, ";
    assert!(ran.succeeds().stdout.starts_with(said));
    let size = |name: &str| fs::metadata(shop.path(name)).unwrap().len();
    import(&["-o", "half.safetensors", "--blocks", "5", "--f16"]).succeeds();
    assert!(size("half.safetensors") < size("cut.safetensors") * 6 / 10);

    let gears = shop.gears();
    let train = "--config small.toml -o part.nfbmr --weights cut.safetensors";
    shop.nfbmr(&format!("train {gears} {train}")).succeeds();
    fs::remove_file(shop.path("cut.safetensors")).unwrap();
    let included = || {
        let info = shop.nfbmr("inspect part.nfbmr --json").succeeds().json();
        info["backbone_included"].as_bool().unwrap()
    };
    assert!(included());
    shop.nfbmr("calibrate part.nfbmr --threshold 1e9").succeeds();
    assert!(included(), "a new threshold leaves the weights where they are");
    shop.image("test/good/000.png", "a.png");
    shop.nfbmr("detect part.nfbmr a.png").succeeds();
}

#[test]
fn the_file_that_is_read_is_not_written_over() {
    let shop = Shop::new();
    fs::copy(&*WEIGHTS, shop.path("lite0.safetensors")).unwrap();
    let before = fs::read(shop.path("lite0.safetensors")).unwrap();
    for line in ["lite0.safetensors", "./lite0.safetensors -o lite0.safetensors"] {
        let expected = ["expected another file than lite0.safetensors", "hint: name another one"];
        shop.nfbmr(&format!("weights import {line}")).fails(&expected);
    }
    assert_eq!(fs::read(shop.path("lite0.safetensors")).unwrap(), before);
}

#[test]
fn other_files_are_refused() {
    let shop = Shop::new();
    let import = |line: &str| shop.nfbmr(&format!("weights import {line}"));
    import("absent.pth").fails(&["cannot read absent.pth"]);
    import("small.toml").fails(&["small.toml: expected weights as a safetensors or PyTorch file"]);
    import("small.toml --source gpt").fails(&["--source", "timm-tf"]);
    import("small.toml --note nothing").fails(&["expected KEY=VALUE"]);
    let weights = WEIGHTS.to_str().unwrap();
    let line = format!("{weights} -o out.safetensors --blocks");
    for blocks in ["0", "99"] {
        let expected = format!("expected `--blocks` from 1 to 15, found {blocks}");
        import(&format!("{line} {blocks}")).fails(&[&expected]);
    }
    assert_eq!(shop.files(), ["small.toml"]);
}
