//! The ways out of the interpreter's lock and back, which close once the interpreter shuts down.
//!
//! A daemon thread may be at work then. CPython before 3.14 ends a thread that comes back too late by unwinding it,
//! which frames of Rust don't survive. So it waits for the end of the process instead.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use std::time::Duration;

use pyo3::prelude::*;

/// The thread that shuts the interpreter down, which alone may come back from then on.
static ENDING: OnceLock<ThreadId> = OnceLock::new();

/// How many threads are on their way back.
static COMING: AtomicUsize = AtomicUsize::new(0);

/// So many milliseconds the end waits for those; after a fork some may be counted that aren't there.
const PATIENCE: u32 = 100;

/// Works without the interpreter's lock.
pub(crate) fn detach<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> T {
    let done = py.detach(|| {
        let done = work();
        come();
        done
    });
    COMING.fetch_sub(1, Ordering::SeqCst);
    done
}

/// Calls Python from a thread that is without its lock.
pub(crate) fn attach<T>(call: impl FnOnce(Python<'_>) -> T) -> T {
    come();
    let called = Python::try_attach(|py| {
        COMING.fetch_sub(1, Ordering::SeqCst);
        call(py)
    });
    called.unwrap_or_else(|| wait())
}

/// Sets out to come back.
fn come() {
    COMING.fetch_add(1, Ordering::SeqCst);
    if ENDING.get().is_some_and(|ending| *ending != thread::current().id()) {
        COMING.fetch_sub(1, Ordering::SeqCst);
        wait();
    }
}

/// For the end of the process.
fn wait() -> ! {
    loop {
        thread::park();
    }
}

/// Closes the ways back, before the interpreter shuts down.
#[pyfunction]
pub(crate) fn end(py: Python<'_>) {
    ENDING.get_or_init(|| thread::current().id());
    for _ in 0..PATIENCE {
        if COMING.load(Ordering::SeqCst) == 0 {
            return;
        }
        py.detach(|| thread::sleep(Duration::from_millis(1)));
    }
}
