//! Ctrl-C: the work in progress ends at its next step, and nothing half-written stays.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::SIGINT;
use signal_hook::flag;

use crate::error::{CliError, INTERRUPTED};

static REQUESTED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Takes note of Ctrl-C; a second one ends the program at once.
pub fn watch() -> Result<(), CliError> {
    let requested = &*REQUESTED;
    // In this order: the first Ctrl-C finds the flag still down.
    flag::register_conditional_shutdown(SIGINT, INTERRUPTED.into(), Arc::clone(requested))
        .and_then(|_| flag::register(SIGINT, Arc::clone(requested)))
        .map_err(CliError::CtrlC)?;
    Ok(())
}

/// Whether to go on.
pub fn go_on() -> ControlFlow<()> {
    match REQUESTED.load(Ordering::Relaxed) {
        false => ControlFlow::Continue(()),
        true => ControlFlow::Break(()),
    }
}

/// An error once Ctrl-C was pressed.
pub fn check() -> Result<(), CliError> {
    match go_on() {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(CliError::Interrupted),
    }
}
