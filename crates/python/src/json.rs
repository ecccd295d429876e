//! What the library says as JSON, as objects of Python.

use pyo3::prelude::*;
use serde::Serialize;

use crate::failure::Failure;

/// As text.
pub(crate) fn text(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value)
        .map_err(|error| Failure::Config(format!("expected what JSON can say, found {error}")))
}

/// As dictionaries, lists and numbers.
pub(crate) fn object<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("json")?.call_method1("loads", (text,))
}
