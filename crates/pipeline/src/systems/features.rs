//! The features that a system is trained on.

use nfbmr_backend::Backend;

use crate::features::SharedSamples;

/// What a system is trained on.
#[derive(Clone, Debug)]
pub(crate) struct Features<B: Backend> {
    /// Source features of each level.
    pub(crate) source: Vec<SharedSamples<B>>,
    /// Target features of each level, where a second CNN has them.
    pub(crate) target: Vec<SharedSamples<B>>,
    /// Whether features fit the memory.
    pub(crate) in_memory: bool,
    /// The kind of each sample.
    pub(crate) kinds: Vec<usize>,
}

impl<B: Backend> Features<B> {
    /// How many samples are of a kind.
    pub(crate) fn of_kind(&self, kind: usize) -> usize {
        self.kinds.iter().filter(|&&other| other == kind).count()
    }
}
