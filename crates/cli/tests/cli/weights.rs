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

/// Systems that map two CNNs: the second one's weights are in the model, with the first one's.
#[test]
fn two_cnns_are_mapped_with_weights_of_a_second_one() {
    let shop = Shop::new();
    fs::copy(&*WEIGHTS, shop.path("second.safetensors")).unwrap();
    let gears = shop.gears();
    fs::write(
        shop.path("two.toml"),
        "input_size = 48\nearlier_blocks = [0]\nbackbone.block = 4\nbpfm_training.epochs = 1\n",
    )
    .unwrap();
    for system in ["pfm", "bpfm", "mb-pfm"] {
        let line = format!("train {gears} -o two.nfbmr --config two.toml --system {system}");
        shop.nfbmr(&line).fails(&["expected target_cnn, found none"]);
        shop.nfbmr(&format!("{line} --target-weights second.safetensors")).succeeds();
        let info = shop.nfbmr("inspect two.nfbmr --json").succeeds().json();
        assert_eq!(info["backbone_included"], true);
        let blocks = &info["config"]["system"][system]["target_cnn"]["earlier_blocks"];
        assert_eq!(blocks, &serde_json::json!([0]), "{info}");
        shop.image("test/good/000.png", "part.png");
        assert_ne!(shop.nfbmr("detect two.nfbmr part.png").code, Some(2));
        fs::remove_file(shop.path("two.nfbmr")).unwrap();
    }
    let line = format!("train {gears} -o two.nfbmr --target-weights second.safetensors");
    shop.nfbmr(&line).fails(&["a target CNN: `nf-bmr` maps none"]);
}
