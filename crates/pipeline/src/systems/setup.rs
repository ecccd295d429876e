//! What applies to the training and the loading of any system.

use nfbmr_backend::Backend;

/// What applies to training and loading alike.
#[derive(Debug)]
pub(crate) struct Setup<'a, B: Backend> {
    pub(crate) seed: u64,
    /// Whether weights are kept as they are, in a quarter of the memory.
    pub(crate) low_memory: bool,
    /// How many kinds of images there are.
    pub(crate) kinds: usize,
    pub(crate) device: &'a B::Device,
}
