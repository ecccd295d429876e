//! Work on the threads of this process, that may tell of it while it goes on.

use std::sync::mpsc::sync_channel;

use pyo3::PyResult;
use rayon::ThreadPool;

use crate::failure::Failure;
use crate::listener::{Listener, Teller};

/// Does work on the threads of a pool while this thread, without the interpreter's lock, listens to what it tells:
/// signals are handled and callbacks called where the caller is, as Python has it. What they raise stops the work and
/// is raised in its place.
pub(crate) fn aloud<T: Send>(
    pool: &ThreadPool,
    mut listener: Listener,
    work: impl FnOnce(Teller) -> Result<T, Failure> + Send,
) -> PyResult<T> {
    // Nobody goes on before what is told is heard.
    let (teller, told) = sync_channel(0);
    let mut result = Err(Failure::Config("expected a result, found none".to_owned()));
    let raised = pool.in_place_scope(|scope| {
        let result = &mut result;
        scope.spawn(move |_| *result = work(Teller::new(teller)));
        listener.listen(&told)
    });
    match raised {
        Some(raised) => Err(raised),
        None => Ok(result?),
    }
}
