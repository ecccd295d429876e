//! Why a training doesn't begin or end.

use super::Phase;

/// Why a set of images or a setting doesn't train.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrainingError {
    /// Fewer than two images.
    #[error("training needs 2 images of good parts or more, found {found}{}", match .skipped {
        0 => String::new(),
        1 => " besides 1 file that can't be read".to_owned(),
        skipped => format!(" besides {skipped} files that can't be read"),
    })]
    TooFewImages {
        /// Images that could be read.
        found: usize,
        /// Bad files left out.
        skipped: usize,
    },
    /// Features that don't fit the memory allowed for them, and no cache to read them from.
    #[error(
        "the features of {images} images take {needed} MB of memory in training, more than the {allowed} \
         MB that `TrainingStorage::memory` allows: give it a cache, from which they are read as needed"
    )]
    FeatureMemory {
        /// The number of images.
        images: usize,
        /// What their features take, in MB.
        needed: u64,
        /// What is allowed, in MB.
        allowed: u64,
    },
    /// Networks, statistics and features that don't fit the memory there is.
    #[error(
        "training takes {needed} MB of memory at least, and {available} MB are available: a smaller \
         input_size, smaller networks or, for features, a lower `TrainingStorage::memory` with a cache take \
         less"
    )]
    Memory {
        /// An estimate from below, in MB.
        needed: u64,
        /// What is available, in MB.
        available: u64,
    },
    /// Features that training reads from a cache are gone from it.
    #[error(
        "the features of training image {index} are no longer in the feature cache, where they were \
         found damaged; train again to compute them anew"
    )]
    LostFeatures {
        /// The image among those trained on.
        index: usize,
    },
    /// Images that can't be grouped into so many kinds.
    #[error(
        "kinds: expected images that are {kinds} kinds of {fewest} images or more, found {images} images that are not: a \
         smaller number, or `auto`, may suit them"
    )]
    Kinds {
        /// The number that is given.
        kinds: usize,
        /// The images.
        images: usize,
        /// The fewest images of a kind.
        fewest: usize,
    },
    /// All images are the same.
    #[error("training needs images that differ, found {0} times the same")]
    Identical(usize),
    /// All images are of one colour each.
    #[error("training needs images that show something, found {0} of one colour each")]
    Blank(usize),
    /// The loss is infinite or not a number.
    #[error(
        "the loss of the phase {phase} is not finite in epoch {epoch}: a lower learning rate or a \
         smaller max_grad_norm may help"
    )]
    NotFinite {
        /// The phase.
        phase: Phase,
        /// The epoch, from 1.
        epoch: usize,
    },
}
