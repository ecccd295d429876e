//! The program `nfbmr`, for the command of the wheel.

use std::ffi::OsString;

use pyo3::prelude::*;

/// Runs the program with arguments, the first of which is its name, and returns its exit code.
#[pyfunction]
pub(crate) fn program(py: Python<'_>, args: Vec<OsString>) -> u8 {
    py.detach(|| nfbmr_cli::main(args))
}
