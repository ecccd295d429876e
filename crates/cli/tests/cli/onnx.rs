//! Models exported as ONNX graphs.

use std::fs;

use crate::support::{Shop, WEIGHTS};

#[test]
fn a_model_becomes_a_graph() {
    let shop = Shop::with_model();
    let said = shop.nfbmr("export model.nfbmr -o part.onnx").succeeds().stdout;
    assert!(said.starts_with("part.onnx: for images of 48 x 48 pixels, "), "{said}");
    let own = fs::read(shop.path("part.onnx")).unwrap();
    assert!(own.starts_with(b"\x08\x08\x12\x05nfbmr"));
    // An older graph is replaced.
    shop.nfbmr("export model.nfbmr -o part.onnx --size 64x40").succeeds();
    let resized = fs::read(shop.path("part.onnx")).unwrap();
    let has = |bytes: &[u8], text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    assert!(has(&own, b"48x48") && has(&resized, b"64x40"));
    for name in ["is_anomalous", "p_value", "nfbmr.model_sha256", "nfbmr.pixel_threshold"] {
        assert!(has(&resized, name.as_bytes()), "{name}");
    }
}

#[test]
fn what_is_no_graph_stays_as_it_is() {
    let shop = Shop::with_model();
    shop.nfbmr("export model.nfbmr -o model.nfbmr").fails(&["expected another file than"]);
    fs::copy(&*WEIGHTS, shop.path("weights")).unwrap();
    for file in ["weights", "small.toml"] {
        let expected = format!("expected no file or an ONNX graph that nfbmr wrote at {file}");
        shop.nfbmr(&format!("export model.nfbmr -o {file}")).fails(&[&expected]);
    }
}

#[test]
fn sizes_are_two_numbers() {
    let shop = Shop::with_model();
    for size in ["640", "640x", "ax5", "-3x5"] {
        let line = format!("export model.nfbmr -o part.onnx --size={size}");
        shop.nfbmr(&line).fails(&["expected a width and a height in pixels, such as 640x480"]);
    }
    let line = "export model.nfbmr -o part.onnx --size 99999x5";
    shop.nfbmr(line).fails(&["expected images of 1 to 16384 pixels a side, found 99999 x 5"]);
    assert!(!shop.path("part.onnx").exists());
}

#[test]
fn a_system_without_a_graph_is_refused_by_name() {
    let shop = Shop::new();
    let train = format!("train {} -o spade.nfbmr --system spade", shop.gears());
    shop.nfbmr(&format!("{train} --set input_size=48 --set alignment=off")).succeeds();
    shop.nfbmr("export spade.nfbmr -o part.onnx").fails(&["found `spade`"]);
}
