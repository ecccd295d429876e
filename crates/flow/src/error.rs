//! What a flow can't do. Nothing else of the crate is known here.

/// What a flow can't do.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FlowError {
    /// A configuration without meaning.
    #[error("flow configuration: {0}")]
    Config(String),
    /// A list of permutations that isn't one of the channels per coupling block.
    #[error("permutations: expected {couplings}, each of the channels 0..{channels}")]
    Permutations {
        /// Coupling blocks configured.
        couplings: usize,
        /// Channels of the features.
        channels: usize,
    },
    /// Features of another channel count than the flow's.
    #[error("flow: expected features of {expected} channels, found {found}")]
    Channels {
        /// Channels of the flow.
        expected: usize,
        /// Channels of the features given.
        found: usize,
    },
    /// Features of other shapes than those of a flow over several scales.
    #[error("flow: expected features of shapes {expected:?}, found {found:?}")]
    Shapes {
        /// Batch, channels, rows and columns of each scale of the flow.
        expected: Vec<[usize; 4]>,
        /// Those of the features given.
        found: Vec<[usize; 4]>,
    },
}
