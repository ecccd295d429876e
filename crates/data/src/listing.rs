//! The images of a folder. Knows kinds of files, and decodes none.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::DataError;
use crate::kind::Kind;

/// What image files are called, those of formats that aren't decoded too: loading one says which it is.
const EXTENSIONS: [&str; 49] = [
    "png", "apng", "jpg", "jpeg", "jpe", "jfif", "jif", "jfi", "bmp", "dib", "tif", "tiff", "btf",
    "tf8", "webp", "pbm", "pgm", "ppm", "pnm", "heic", "heif", "avif", "gif", "jp2", "j2k", "jpf",
    "jpx", "j2c", "jpc", "jls", "jxl", "jxr", "raw", "dng", "nef", "cr2", "cr3", "arw", "orf",
    "rw2", "psd", "exr", "hdr", "qoi", "dds", "tga", "dcm", "pcx", "fits",
];

/// The files of a folder and of those below it, sorted by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Images, by their names or by their content, of formats that aren't decoded too.
    pub images: Vec<PathBuf>,
    /// Files that are no images.
    pub others: Vec<PathBuf>,
}

/// Whether the extension of `path` is that of an image, in upper or lower case.
///
/// This only picks the files of a folder; [`load_image`](crate::load_image) looks at the content.
pub fn is_image_path(path: impl AsRef<Path>) -> bool {
    path.as_ref()
        .extension()
        .and_then(OsStr::to_str)
        .is_some_and(|found| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(found)))
}

/// The image files in `dir` and the folders below it, sorted by path: those of [`list_files`]. Images of defects and masks
/// are among them; [`Selection::good`](crate::Selection::good) takes those of good parts.
///
/// # Errors
/// As [`list_files`].
pub fn list_images(dir: impl AsRef<Path>) -> Result<Vec<PathBuf>, DataError> {
    Ok(list_files(dir)?.images)
}

/// The files in `dir` and the folders below it, told apart by whether they are images.
///
/// Hidden files and folders (whose name starts with a dot) are skipped. Symbolic links are followed; each real
/// folder is visited once, so links that lead back do no harm. Both lists may be empty.
///
/// Whatever has an image extension and is not a folder counts as an image, without opening it: a link that
/// leads nowhere, a FIFO or a file that must not be read is an error of that file when it is loaded, so that
/// the caller decides there what becomes of it. A regular file of another name is an image if its first bytes
/// say so.
///
/// # Errors
/// [`DataError::Read`] where a folder cannot be read.
pub fn list_files(dir: impl AsRef<Path>) -> Result<Listing, DataError> {
    let mut listing = Listing::default();
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
            } else if is_image_file(&path) {
                listing.images.push(path);
            } else {
                listing.others.push(path);
            }
        }
    }
    listing.images.sort_unstable();
    listing.others.sort_unstable();
    Ok(listing)
}

/// Whether the name or else the content of a file is that of an image; one that can't be read is none.
pub(crate) fn is_image_file(path: &Path) -> bool {
    // Opening a FIFO waits for a writer.
    let by_content = || path.is_file() && Kind::of_file(path).is_ok_and(|kind| kind != Kind::Other);
    is_image_path(path) || by_content()
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
