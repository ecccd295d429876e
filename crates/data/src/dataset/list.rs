//! Text files that name images. Knows no layout.

use std::path::{Component, Path, PathBuf};

use crate::error::DataError;
use crate::limits::Limits;
use crate::read::read_file;

/// Reads the paths of a UTF-8 text file, one a line, in the order of the file.
///
/// A relative path starts at the folder of the list. Blank lines and lines that start with `#`
/// are skipped, spaces around a path are cut off. The list is the caller's own: a path may be
/// absolute and lead anywhere.
///
/// # Errors
/// [`DataError::Read`] where the list cannot be read or is not UTF-8, [`DataError::NotAFile`]
/// where it is no file, [`DataError::ListEntry`] where a line names no file,
/// [`DataError::Layout`] where there is no path in it.
pub fn path_list(list: impl AsRef<Path>) -> Result<Vec<PathBuf>, DataError> {
    let list = list.as_ref();
    let root = list.parent().unwrap_or(Path::new(""));
    let mut paths = Vec::new();
    for (line, text) in lines(list, &read_text(list)?) {
        if !text.starts_with('#') {
            paths.push(line.existing(root.join(text))?);
        }
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

/// The content of a UTF-8 text file, without the byte order mark that editors on Windows put at
/// its start.
pub(super) fn read_text(list: &Path) -> Result<String, DataError> {
    nfbmr_files::text(read_file(list, &Limits::default())?)
        .map_err(|source| DataError::Read { path: list.into(), source })
}

/// The lines of a list that are not blank, without the spaces around them.
pub(super) fn lines<'a>(
    list: &'a Path,
    text: &'a str,
) -> impl Iterator<Item = (Line<'a>, &'a str)> + use<'a> {
    (1..)
        .zip(text.lines().map(str::trim))
        .filter(|(_, text)| !text.is_empty())
        .map(|(number, text)| (Line { list, number }, text))
}

/// Where in a list something is written.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) list: &'a Path,
    /// Counted from 1.
    pub(super) number: usize,
}

impl Line<'_> {
    pub(super) fn malformed(self, expected: &'static str, found: impl Into<String>) -> DataError {
        let (list, line) = (self.list.into(), self.number);
        DataError::ListLine { list, line, expected, found: found.into() }
    }

    /// The file of this name below `root`, which a list that comes with the data must not leave.
    pub(super) fn file_below(self, root: &Path, name: &str) -> Result<PathBuf, DataError> {
        let path = Path::new(name);
        let stays = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if !path.components().all(stays) {
            let (list, line) = (self.list.into(), self.number);
            return Err(DataError::OutsideRoot {
                list,
                line,
                root: root.into(),
                path: path.into(),
            });
        }
        self.existing(root.join(path))
    }

    fn existing(self, path: PathBuf) -> Result<PathBuf, DataError> {
        if !path.is_file() {
            let (list, line) = (self.list.into(), self.number);
            return Err(DataError::ListEntry { list, line, path });
        }
        Ok(path)
    }
}
