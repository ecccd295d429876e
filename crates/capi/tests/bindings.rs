//! The header and the file for C# are what the sources say. To write them after a change:
//! `UPDATE_BINDINGS=1 cargo test -p nfbmr-capi`.

use std::fs;
use std::path::{Path, PathBuf};

/// In the order of the header.
const SOURCES: [&str; 5] = ["version", "status", "frame", "model", "detection"];

fn sources() -> impl Iterator<Item = PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    SOURCES.into_iter().map(move |name| folder.join(name).with_extension("rs"))
}

/// Compares a file with what it has to be, or writes it.
fn check(file: &str, expected: &str) {
    let expected = expected.replace("\r\n", "\n").replace("# Safety", "The caller promises:");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("UPDATE_BINDINGS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
    assert!(found == expected, "{file} isn't what the sources say: UPDATE_BINDINGS=1 writes it");
}

#[test]
fn header_is_that_of_the_sources() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("cbindgen.toml");
    let mut builder =
        cbindgen::Builder::new().with_config(cbindgen::Config::from_file(config).unwrap());
    for source in sources() {
        builder = builder.with_src(source);
    }
    let mut header = Vec::new();
    builder.generate().unwrap().write(&mut header);
    check("include/nfbmr.h", &String::from_utf8(header).unwrap());
}

#[test]
fn csharp_file_is_that_of_the_sources() {
    let mut builder = csbindgen::Builder::default()
        .csharp_dll_name("nfbmr")
        .csharp_namespace("Nfbmr")
        .csharp_class_name("Native")
        .csharp_class_accessibility("public")
        .csharp_generate_const_filter(|name| name.starts_with("NFBMR_"))
        // Mono's compiler knows no `nuint`.
        .csharp_use_nint_types(false);
    for source in sources() {
        builder = builder.input_extern_file(source);
    }
    let folder = tempfile::tempdir().unwrap();
    let written = folder.path().join("Native.cs");
    builder.generate_csharp_file(&written).unwrap();
    check("csharp/Native.cs", &fs::read_to_string(written).unwrap());
}
