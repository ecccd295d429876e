//! What can't be a template.

/// Images that give no template, or parts of one that don't fit each other.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoseError {
    /// No images to learn from.
    #[error("alignment: expected images to learn a template from, found none")]
    NoImages,
    /// Values of another number than the template has, or that aren't finite.
    #[error("alignment: expected a template of {expected} finite values, found {found}")]
    Values {
        /// Values of the template's size.
        expected: usize,
        /// Finite values given.
        found: usize,
    },
    /// Facts without meaning.
    #[error("alignment: {0}")]
    Facts(&'static str),
}
