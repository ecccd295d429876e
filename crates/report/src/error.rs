//! What a report refuses, and files that can't be written.

use std::io;
use std::path::PathBuf;

/// What can go wrong with a report.
///
/// A metric that is undefined is no error: it is shown as "-".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A run is there more than once, which would count it twice in the means.
    #[error(
        "expected one run of each category, seed and system, found two of category {category:?}, seed \
         {seed}, system {system:?}"
    )]
    DuplicateRun {
        /// The category.
        category: String,
        /// The seed.
        seed: u64,
        /// The system.
        system: String,
    },
    /// An image of an example is in another format.
    #[error("expected a PNG file as {image} of the example {title:?}, found other bytes")]
    NotPng {
        /// The title of the example.
        title: String,
        /// Which of its images: `image`, `mask`, `heatmap` or `overlay`.
        image: &'static str,
    },
    /// The file can't be written.
    #[error("cannot write report {}: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}
