//! `docs/file-format.md` is enough to read a model file: a program that knows the document alone does.
#![cfg(feature = "flex")]

#[allow(dead_code)] // Shared with the behavioural suite, which uses all of it.
mod suite;

use std::fs;
use std::ops::ControlFlow;

use nfbmr::StoredBackbone;
use nfbmr::config::{NfBmrConfig, Scales};
use nfbmr_backend::Cpu;
use nfbmr_test_support::read_model::read_model;

#[test]
fn a_program_that_knows_the_document_alone_reads_a_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.nfbmr");
    // Several levels, one, and features as they are.
    let systems = [
        suite::small_nf_bmr(),
        NfBmrConfig { scales: Scales::Joint, ..suite::small_nf_bmr() },
        NfBmrConfig { scales: Scales::Joint, whitening: None, ..suite::small_nf_bmr() },
    ];
    let backbones = [StoredBackbone::Referred, StoredBackbone::Included, StoredBackbone::Referred];
    for (own, backbone) in systems.into_iter().zip(backbones) {
        let mut config = suite::small();
        config.system = own.into();
        let mut pipeline = suite::train::<Cpu>(&config, &suite::gears(3, 0, 1)).unwrap();
        let go_on = &mut |_: &_| ControlFlow::Continue(());
        pipeline.calibrate(&suite::gears(6, 0, 2), None, go_on).unwrap();
        pipeline.save(&path, backbone).unwrap();
        let Some(said) = read_model(&path) else { return };
        let said = said.unwrap();
        assert!(said.starts_with("ok: version 0, "), "{said}");
    }
    // And sees what is wrong with one.
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let damaged = folder.path().join("damaged");
    fs::write(&damaged, bytes).unwrap();
    let error = read_model(&damaged).unwrap().unwrap_err();
    assert!(error.contains("the checksum doesn't fit"), "{error}");
}
