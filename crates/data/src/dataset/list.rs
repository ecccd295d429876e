//! Text files that name images.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::DataError;

/// Reads the paths of a UTF-8 text file, one a line, in the order of the file.
///
/// A relative path starts at the folder of the list. Blank lines and lines that start with `#`
/// are skipped, spaces around a path are cut off.
///
/// # Errors
/// [`DataError::Read`] where the list cannot be read or is not UTF-8, [`DataError::ListEntry`]
/// where a line names no file, [`DataError::Layout`] where there is no path in it.
pub fn path_list(list: impl AsRef<Path>) -> Result<Vec<PathBuf>, DataError> {
    let list = list.as_ref();
    let text =
        fs::read_to_string(list).map_err(|source| DataError::Read { path: list.into(), source })?;
    let root = list.parent().unwrap_or(Path::new(""));
    let mut paths = Vec::new();
    // Editors on Windows start UTF-8 files with a byte order mark.
    for (index, line) in text.trim_start_matches('\u{feff}').lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let path = root.join(line);
        if !path.is_file() {
            return Err(DataError::ListEntry { list: list.into(), line: index + 1, path });
        }
        paths.push(path);
    }
    if paths.is_empty() {
        return Err(DataError::Layout {
            path: list.into(),
            expected: "at least one path",
            found: "none",
        });
    }
    Ok(paths)
}
