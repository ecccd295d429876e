//! Image files below a folder.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::DataError;

const EXTENSIONS: [&str; 7] = ["png", "jpg", "jpeg", "bmp", "tif", "tiff", "webp"];

/// Whether the extension of `path` is that of an image, in upper or lower case.
///
/// This only picks the files of a folder; [`load_image`](crate::load_image) looks at the content.
pub fn is_image_path(path: impl AsRef<Path>) -> bool {
    path.as_ref()
        .extension()
        .and_then(OsStr::to_str)
        .is_some_and(|found| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(found)))
}

/// The image files in `dir` and the folders below it, sorted by path.
///
/// Hidden files and folders (whose name starts with a dot) and files without an image extension
/// are skipped. Symbolic links are followed; each real folder is visited once, so links that lead
/// back do no harm. The list may be empty.
///
/// Whatever has an image extension and is not a folder is listed, without opening it: a link that
/// leads nowhere, a FIFO or a file that must not be read is an error of that file when it is
/// loaded, so that the caller decides there what becomes of it.
///
/// # Errors
/// [`DataError::Read`] where a folder cannot be read.
pub fn list_images(dir: impl AsRef<Path>) -> Result<Vec<PathBuf>, DataError> {
    let mut images = Vec::new();
    let mut visited = HashSet::new();
    let mut folders = vec![dir.as_ref().to_path_buf()];
    while let Some(folder) = folders.pop() {
        let read_error = |source| DataError::Read { path: folder.clone(), source };
        if !visited.insert(folder.canonicalize().map_err(read_error)?) {
            continue;
        }
        for path in entries(&folder)? {
            if path.is_dir() {
                folders.push(path);
            } else if is_image_path(&path) {
                images.push(path);
            }
        }
    }
    images.sort_unstable();
    Ok(images)
}

/// The folders directly in `dir`, sorted by path; hidden ones are skipped.
pub(crate) fn list_folders(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    Ok(entries(dir)?.into_iter().filter(|path| path.is_dir()).collect())
}

/// What lies directly in `dir`, sorted by path; hidden names are skipped.
fn entries(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    let read_error = |source| DataError::Read { path: dir.into(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(read_error)? {
        let entry = entry.map_err(read_error)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort_unstable();
    Ok(paths)
}
