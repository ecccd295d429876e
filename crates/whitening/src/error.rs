//! What whitening refuses, in its settings and in features.

/// Features that can't be whitened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WhiteningError {
    /// A configuration without meaning.
    #[error("whitening: {0}")]
    Config(String),
    /// Fewer images than have a variance.
    #[error("whitening: expected features of 2 images or more, found {found}")]
    TooFewImages {
        /// Images given.
        found: usize,
    },
    /// Features of a kind that there isn't.
    #[error("whitening: expected a kind below {kinds}, found {found}")]
    Kind {
        /// The kind given.
        found: usize,
        /// The number of kinds.
        kinds: usize,
    },
    /// A kind without an image.
    #[error("whitening: expected an image or more of each of {kinds} kinds, kind {kind} has none")]
    EmptyKind {
        /// The kind.
        kind: usize,
        /// The number of kinds.
        kinds: usize,
    },
    /// Features of another shape than expected.
    #[error(
        "whitening: expected features [N, {}, {}, {}], found {found:?}",
        .expected[0], .expected[1], .expected[2]
    )]
    Shape {
        /// Channels, rows and columns.
        expected: [usize; 3],
        /// Shape of the features given.
        found: [usize; 4],
    },
    /// Features that are infinite or not a number.
    #[error("whitening: expected finite features, image {image} has others")]
    NotFinite {
        /// Index of the image, over all images given.
        image: usize,
    },
    /// Features that are the same everywhere in all images.
    #[error("whitening: the {channels} channels from {first} on never vary")]
    Constant {
        /// The first channel.
        first: usize,
        /// How many there are.
        channels: usize,
    },
    /// A covariance that rounding left without an inverse.
    #[error(
        "whitening: the features in row {row}, column {column} vary too much for their covariance to be \
         inverted"
    )]
    Covariance {
        /// Row of the position.
        row: usize,
        /// Column of the position.
        column: usize,
    },
}
