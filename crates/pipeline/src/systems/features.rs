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
    /// How many samples each of so many kinds has.
    pub(crate) fn of_kinds(&self, kinds: usize) -> Vec<usize> {
        let mut counts = vec![0; kinds];
        for &kind in &self.kinds {
            if let Some(count) = counts.get_mut(kind) {
                *count += 1;
            }
        }
        counts
    }
}
