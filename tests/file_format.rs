//! `docs/file-format.md` is enough to read a model file: a program that knows the document alone does.

use std::path::Path;

use nfbmr_test_support::read_model::read_model;

#[test]
fn a_program_that_knows_the_document_alone_reads_every_version() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for version in 1..=5 {
        let file = fixtures.join(format!("model-v{version}.nfbmr"));
        let Some(said) = read_model(&file) else { return };
        let said = said.unwrap();
        assert!(said.starts_with(&format!("ok: version {version}, ")), "{said}");
    }
    // And sees what is wrong with one.
    let mut bytes = std::fs::read(fixtures.join("model-v5.nfbmr")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("damaged");
    std::fs::write(&damaged, bytes).unwrap();
    let error = read_model(&damaged).unwrap().unwrap_err();
    assert!(error.contains("the checksum doesn't fit"), "{error}");
}
