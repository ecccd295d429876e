//! The threads that work is done on, which are those of this process.
//!
//! Threads don't survive `os.fork`, and rayon's own pool would wait for them for ever. So there is a pool here, which
//! a process makes anew where it has that of its parent.

use std::mem;
use std::process;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::failure::Failure;

struct Threads {
    /// How many are asked for; 0 leaves it to `RAYON_NUM_THREADS` and the number of cores.
    wanted: usize,
    /// The pool, and the process that it is of.
    pool: Option<(u32, Arc<ThreadPool>)>,
}

static THREADS: Mutex<Threads> = Mutex::new(Threads { wanted: 0, pool: None });

/// The pool of this process. With the interpreter's lock, so that nobody has this one at the moment of a fork.
pub(crate) fn pool(_: Python<'_>) -> Result<Arc<ThreadPool>, Failure> {
    let mut threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
    match threads.pool.take() {
        Some((of, pool)) if of == process::id() => {
            Ok(Arc::clone(&threads.pool.insert((of, pool)).1))
        }
        gone => {
            // To drop it would be to tell threads that aren't there.
            mem::forget(gone);
            let builder = ThreadPoolBuilder::new().num_threads(threads.wanted);
            let pool = builder.thread_name(|index| format!("nfbmr {index}")).build();
            let pool = pool.map_err(|error| {
                Failure::Config(format!("expected threads to compute on, found none: {error}"))
            })?;
            Ok(Arc::clone(&threads.pool.insert((process::id(), Arc::new(pool))).1))
        }
    }
}

/// Sets how many threads compute.
///
/// Without a number it is `RAYON_NUM_THREADS`, or all cores. A training gives the same model, to the bit, with the
/// same number of threads.
///
/// Raises `ConfigError` for 0.
#[pyfunction]
#[pyo3(signature = (number=None))]
pub(crate) fn set_threads(_py: Python<'_>, number: Option<usize>) -> Result<(), Failure> {
    if number == Some(0) {
        return Err(Failure::Config("expected 1 thread or more, found 0".to_owned()));
    }
    let mut threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
    threads.wanted = number.unwrap_or(0);
    match threads.pool.take() {
        Some((of, pool)) if of == process::id() => drop(pool),
        gone => mem::forget(gone),
    }
    Ok(())
}
