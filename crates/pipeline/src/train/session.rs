//! A training under way.

use crate::file::Checkpoint;
use crate::progress::ProgressFn;

/// A training under way: who is told of it, and where it is kept.
pub(crate) struct Session<'a, 'b> {
    pub(crate) progress: &'a mut ProgressFn<'b>,
    pub(crate) checkpoint: Option<Checkpoint>,
    /// Which level is trained, from 0, and of how many.
    pub(crate) level: (usize, usize),
}
