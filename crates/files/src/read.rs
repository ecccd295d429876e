//! A file read whole. Knows the system alone.

use std::path::Path;
use std::{fs, io};

/// The content of a regular file. Anything else is refused without opening it: a device or a pipe may never
/// end.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] for what is no regular file, otherwise what reading it fails with.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    match fs::metadata(path)?.is_file() {
        true => fs::read(path),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
    }
}
