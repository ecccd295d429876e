//! What a cache refuses and what goes wrong with its file.

use std::io;
use std::path::PathBuf;

use crate::record::MAX_AXES;

/// What can go wrong with a feature cache.
///
/// Damaged records are no errors: they count as absent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The file can't be opened, created or locked.
    #[error("cannot open feature cache {}: {source}", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The path names a folder, a device or the like.
    #[error("expected a file as feature cache at {}, found something else", .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Another opener has the file.
    #[error(
        "feature cache {} is in use: expected no other opener, in this process or another; wait for it \
         or choose another file", .path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file doesn't start as a feature cache does.
    #[error("expected a feature cache at {}, found a file of another kind", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file is of another format version.
    #[error(
        "expected a feature cache of format version {expected} at {}, found version {found}",
        .path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version that the file states.
        found: u32,
        /// The version that this program reads.
        expected: u32,
    },
    /// The file can't be read.
    #[error("cannot read feature cache {} at byte {offset}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Where the record or the header starts, in bytes.
        offset: u64,
        /// The system's answer.
        source: io::Error,
    },
    /// The file can't be written, for example because the disk is full.
    #[error("cannot write feature cache {} at byte {offset}: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Where the record or the header should start, in bytes.
        offset: u64,
        /// The system's answer.
        source: io::Error,
    },
    /// The shape given has more or longer axes than a record holds.
    #[error("expected at most {MAX_AXES} axes of less than 2^32 each, found the shape {shape:?}")]
    Axes {
        /// The shape given.
        shape: Vec<usize>,
    },
    /// The shape given doesn't hold the values given.
    #[error("expected as many values as the shape {shape:?} holds, found {values}")]
    Shape {
        /// The shape given.
        shape: Vec<usize>,
        /// The number of values given.
        values: usize,
    },
    /// The buffer given isn't as long as the values of its key.
    #[error("expected a buffer for the {expected} values of the shape {shape:?}, found {found}")]
    Buffer {
        /// The shape of the values.
        shape: Vec<usize>,
        /// The number of values.
        expected: usize,
        /// The length of the buffer.
        found: usize,
    },
}
