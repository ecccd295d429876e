//! The extension module `nfbmr._nfbmr`: what the package `nfbmr` of Python is made of. `docs/python.md` says how it is
//! used and why it is as it is.
//!
//! Objects of Python come in by `image` and `images`, go out by `detection`, `evaluation` and `json`, and what fails
//! by `failure`. Between the two no lock of the interpreter is held (`exit`), and work is done by the threads of `pool`.

#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod compute;
mod detection;
mod each;
mod evaluation;
mod exit;
mod failure;
mod image;
mod images;
mod json;
mod listener;
mod log;
mod model;
mod pool;
mod program;
mod progress;
mod shared;
mod train;
mod work;

use pyo3::prelude::*;

/// What the package `nfbmr` is made of.
#[pymodule]
mod _nfbmr {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::detection::{Detection, Region};
    #[pymodule_export]
    use crate::each::Detections;
    #[pymodule_export]
    use crate::evaluation::Evaluation;
    #[pymodule_export]
    use crate::model::{Model, load};
    #[pymodule_export]
    use crate::pool::set_threads;
    #[pymodule_export]
    use crate::program::program;
    #[pymodule_export]
    use crate::progress::Progress;
    #[pymodule_export]
    use crate::train::train;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let end = wrap_pyfunction!(crate::exit::end, module)?;
        module.py().import("atexit")?.call_method1("register", (end,)).map(drop)
    }

    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "as Python has it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
