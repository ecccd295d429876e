//! Reading a file without waiting for ever and without filling the memory. Knows no format.

use std::fs::{self, File, FileType};
use std::io::{self, Read};
use std::path::Path;

use crate::error::DataError;
use crate::limits::{Limits, check_bytes};

/// The content of a regular file of at most `limits.max_alloc` bytes.
///
/// # Errors
/// [`DataError::NotAFile`] for anything but a file and links to one, [`DataError::Read`] where the
/// system refuses, [`DataError::Decode`] where the file is too large.
pub(crate) fn read_file(path: &Path, limits: &Limits) -> Result<Vec<u8>, DataError> {
    let read_error = |source| DataError::Read { path: path.into(), source };
    // Opening a FIFO waits for a writer and a device may never end, so neither is opened.
    let metadata = fs::metadata(path).map_err(read_error)?;
    if !metadata.is_file() {
        let found = describe(metadata.file_type());
        return Err(DataError::NotAFile { path: path.into(), found });
    }
    let check = |bytes| {
        check_bytes(bytes, limits).map_err(|source| DataError::Decode { path: path.into(), source })
    };
    check(metadata.len())?;
    let content = read_at_most(path, metadata.len(), limits.max_alloc.saturating_add(1));
    let content = content.map_err(read_error)?;
    // Files grow, and some, such as those of /proc, claim to be empty.
    check(content.len() as u64)?;
    Ok(content)
}

fn read_at_most(path: &Path, expected: u64, limit: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    content.try_reserve_exact(usize::try_from(expected).unwrap_or(usize::MAX))?;
    File::open(path)?.take(limit).read_to_end(&mut content)?;
    Ok(content)
}

fn describe(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "a FIFO";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
    }
    if kind.is_dir() { "a folder" } else { "something else" }
}
