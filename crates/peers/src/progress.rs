//! How a fit says how far it is, and how its caller stops it.

use std::ops::ControlFlow;

use crate::PeerError;

/// Called with the steps done and the steps of a whole fit; [`ControlFlow::Break`] stops it.
pub type ProgressFn<'a> = dyn FnMut(usize, usize) -> ControlFlow<()> + 'a;

pub(crate) fn report(
    progress: &mut ProgressFn<'_>,
    done: usize,
    total: usize,
) -> Result<(), PeerError> {
    match progress(done, total) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(PeerError::Interrupted),
    }
}
