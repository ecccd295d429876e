//! Which files are the masks of an image. Knows names and listings, no layout.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::error::DataError;
use crate::listing::{list_folders, list_images};
use crate::names::mask_of;

/// The masks below a folder, by the stems of the images that they mark.
///
/// The masks of `crack/000.jpg` lie in `crack`, in any letters' case, or right in the folder where it has no
/// folder `crack`. They are `000_mask.png` or with another such word, else `000.png`, in any image format and
/// case, or all images in a folder `000`.
#[derive(Debug, Default)]
pub(super) struct Masks {
    /// By folder, relative to the root, and stem, both lowercase: those named as masks, and others.
    files: HashMap<(PathBuf, String), [Vec<PathBuf>; 2]>,
    /// Those folders that hold masks, or a folder that does.
    folders: Vec<PathBuf>,
}

impl Masks {
    /// Of a folder, if it is there.
    pub(super) fn below(root: &Path) -> Result<Self, DataError> {
        let mut masks = Self::default();
        if !root.is_dir() {
            return Ok(masks);
        }
        for path in list_images(root)? {
            let folder = lowercase(path.parent().and_then(|folder| folder.strip_prefix(root).ok()));
            masks.folders.extend(folder.ancestors().map(Path::to_owned));
            let named = mask_of(&path);
            let is_named = named.is_some();
            let stem = named.unwrap_or_else(|| stem(&path));
            let [named, others] = masks.files.entry((folder, stem)).or_default();
            if is_named { named.push(path) } else { others.push(path) }
        }
        masks.folders.sort_unstable();
        masks.folders.dedup();
        Ok(masks)
    }

    /// Only the files that are named as masks, as those beside images are.
    pub(super) fn named(mut self) -> Self {
        self.files.values_mut().for_each(|[_, others]| others.clear());
        self.files.retain(|_, [named, _]| !named.is_empty());
        self
    }

    /// Of an image that lies in `folder` relative to where the images are, or right in the root where that
    /// has no such folder.
    pub(super) fn of(&self, folder: &Path, image: &Path) -> Vec<PathBuf> {
        let known = self.folders.binary_search(&lowercase(Some(folder))).is_ok();
        self.of_exact(if known { folder } else { Path::new("") }, image)
    }

    /// Of an image that lies in `folder` relative to where the images are.
    pub(super) fn of_exact(&self, folder: &Path, image: &Path) -> Vec<PathBuf> {
        let folder = lowercase(Some(folder));
        let stem = stem(image);
        let files = |folder: &Path| self.files.get(&(folder.to_owned(), stem.clone()));
        if let Some([named, others]) = files(&folder) {
            return if named.is_empty() { others.clone() } else { named.clone() };
        }
        let own = folder.join(&stem);
        let mut all: Vec<PathBuf> = self
            .files
            .iter()
            .filter(|((folder, _), _)| *folder == own)
            .flat_map(|(_, files)| files.iter().flatten().cloned())
            .collect();
        all.sort_unstable();
        all
    }
}

/// The folder of a name in any letters' case that lies directly in another.
pub(super) fn folder_named(root: &Path, name: &str) -> Result<Option<PathBuf>, DataError> {
    let named =
        |folder: &PathBuf| folder.file_name().is_some_and(|found| found.eq_ignore_ascii_case(name));
    Ok(list_folders(root)?.into_iter().find(named))
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase()
}

fn lowercase(folder: Option<&Path>) -> PathBuf {
    let folder = folder.map(Path::as_os_str).unwrap_or(OsStr::new(""));
    folder.to_string_lossy().to_lowercase().into()
}
