//! What tests of several crates share. It knows none of the crates that use it but `nfbmr-backend`, so
//! that their unit tests can use it too.

#[cfg(feature = "fixture")]
pub mod fixture;
pub mod read_model;
pub mod rewrite;
pub mod statistics;

use std::path::PathBuf;

/// A file of `tests/reference` at the root of the workspace.
fn reference(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference").join(name)
}
