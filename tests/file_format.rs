//! `docs/file-format.md` is enough to read a model file: a program that knows the document alone does.

use std::path::Path;
use std::process::Command;

/// What `read_model.py` says of a file.
fn read(file: &Path) -> Option<Result<String, String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut python = Command::new("python3");
    let output = python.arg(root.join("tests/reference/read_model.py")).arg(file).output().ok()?;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Some(match output.status.success() {
        true => Ok(text(output.stdout)),
        false => Err(text(output.stderr)),
    })
}

#[test]
fn a_program_that_knows_the_document_alone_reads_every_version() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for version in 1..=4 {
        let file = fixtures.join(format!("model-v{version}.nfbmr"));
        let Some(said) = read(&file) else {
            println!("skipped: no python3");
            return;
        };
        let said = said.unwrap();
        assert!(said.starts_with(&format!("ok: version {version}, ")), "{said}");
    }
    // And sees what is wrong with one.
    let mut bytes = std::fs::read(fixtures.join("model-v4.nfbmr")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("damaged");
    std::fs::write(&damaged, bytes).unwrap();
    let error = read(&damaged).unwrap().unwrap_err();
    assert!(error.contains("the checksum doesn't fit"), "{error}");
}
