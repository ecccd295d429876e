//! Files that are read and written whole, or not at all.
//!
//! ```
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("report.txt");
//! nfbmr_files::write(&path, b"whole")?;
//! assert_eq!(nfbmr_files::read(&path)?, b"whole");
//! assert!(nfbmr_files::read(folder.path()).is_err());
//! # Ok::<(), std::io::Error>(())
//! ```

#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod read;
mod text;
mod write;

pub use read::read;
pub use text::text;
pub use write::{target, write};
