//! What both detectors refuse, one enum for the crate.

use nfbmr_backend::StateError;

/// What the detectors can't do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// A configuration without meaning.
    #[error("configuration: {0}")]
    Config(String),
    /// Fewer images than a fit needs.
    #[error("expected features of {needed} images or more, found {found}")]
    TooFewImages {
        /// The least that can be fitted.
        needed: usize,
        /// Images given.
        found: usize,
    },
    /// Features without a value.
    #[error("expected features [N, C, H, W] of 1 or more each, found {0:?}")]
    Empty([usize; 4]),
    /// Features of another channel count than expected.
    #[error("expected features of {expected} channels, found {found:?}")]
    Channels {
        /// Channels of the features fitted to.
        expected: usize,
        /// Shape of the features given.
        found: [usize; 4],
    },
    /// Features of another shape than expected, where each position has its own statistics.
    #[error(
        "expected features [N, {}, {}, {}], found {found:?}",
        .expected[0], .expected[1], .expected[2]
    )]
    Shape {
        /// Channels, rows and columns of the features fitted to.
        expected: [usize; 3],
        /// Shape of the features given.
        found: [usize; 4],
    },
    /// Features that are infinite, not a number, or too large for `f32` once squared.
    #[error(
        "image {image}: expected finite features, found infinite ones, not-a-number or values too \
         large to square"
    )]
    NotFinite {
        /// Index of the image, over all images given.
        image: usize,
    },
    /// A covariance that rounding left without an inverse.
    #[error(
        "the features in row {row}, column {column} vary too much for their covariance to be \
         inverted"
    )]
    Covariance {
        /// Row of the position.
        row: usize,
        /// Column of the position.
        column: usize,
    },
    /// A map size without pixels, or with more than any image has.
    #[error("expected a map size of 1 to 65536, found {height} rows and {width} columns")]
    Size {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
    /// The progress callback asked to stop.
    #[error("interrupted by the caller")]
    Interrupted,
    /// A state that doesn't describe a detector.
    #[error(transparent)]
    State(#[from] StateError),
}
