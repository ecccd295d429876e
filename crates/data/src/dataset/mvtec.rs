//! The layout of MVTec AD and the sets that follow it.

use std::path::{Path, PathBuf};

use super::sample::{Dataset, Label, Sample, folder_name};
use crate::error::DataError;
use crate::listing::{list_folders, list_images};

/// Reads one category in the layout of MVTec AD, which MPDD shares.
///
/// ```text
/// bottle/train/good/000.png                       normal images to train on
/// bottle/test/good/000.png                        normal images to test on
/// bottle/test/crack/000.png                       images with the defect `crack`
/// bottle/ground_truth/crack/000_mask.png          its pixels; optional
/// ```
///
/// # Errors
/// [`DataError::Layout`] where `train/good` or `test` is missing or has no images,
/// [`DataError::Read`] where a folder cannot be read.
pub fn mvtec(category: impl AsRef<Path>) -> Result<Dataset, DataError> {
    let category = category.as_ref();
    let train = images_of(category, "train/good", "train/good with normal images")?;
    let test = test_of(category, "good", |masks, image| {
        let mut name = image.file_stem()?.to_os_string();
        name.push("_mask.png");
        Some(masks.join(name)).filter(|mask| mask.is_file())
    })?;
    let train = train.into_iter().map(Sample::normal).collect();
    Ok(Dataset { name: folder_name(category), train, test })
}

/// The categories below `root`, sorted by path: the folders that have a `train/good`.
///
/// A `root` that is itself a category is the only one.
///
/// # Errors
/// [`DataError::Layout`] where there is none, [`DataError::Read`] where `root` cannot be read.
pub fn mvtec_categories(root: impl AsRef<Path>) -> Result<Vec<PathBuf>, DataError> {
    categories(root.as_ref(), "train/good", "train/good, or folders that have one")
}

/// The folders below `root` that have a folder `marker`, or `root` itself if it has one.
pub(super) fn categories(
    root: &Path,
    marker: &str,
    expected: &'static str,
) -> Result<Vec<PathBuf>, DataError> {
    let is_category = |dir: &Path| dir.join(marker).is_dir();
    if is_category(root) {
        return Ok(vec![root.into()]);
    }
    let categories: Vec<_> =
        list_folders(root)?.into_iter().filter(|dir| is_category(dir)).collect();
    if categories.is_empty() {
        return Err(missing(root, expected));
    }
    Ok(categories)
}

/// The images of `test`, where each folder but `good` is a kind of defect whose masks lie in the
/// folder of that name in `ground_truth`.
pub(super) fn test_of(
    category: &Path,
    good: &str,
    mask_of: impl Fn(&Path, &Path) -> Option<PathBuf>,
) -> Result<Vec<Sample>, DataError> {
    let test_dir = category.join("test");
    if !test_dir.is_dir() {
        return Err(missing(category, "test with one folder per defect"));
    }
    let mut test = Vec::new();
    for folder in list_folders(&test_dir)? {
        let defect = folder_name(&folder);
        let masks = category.join("ground_truth").join(&defect);
        for path in list_images(&folder)? {
            test.push(if defect == good {
                Sample::normal(path)
            } else {
                let masks = mask_of(&masks, &path).into_iter().collect();
                Sample { path, label: Label::Defect, defect: Some(defect.clone()), masks }
            });
        }
    }
    if test.is_empty() {
        return Err(DataError::Layout {
            path: test_dir,
            expected: "images in one folder per defect",
            found: "none",
        });
    }
    Ok(test)
}

/// The images of a folder that must be there and not be empty.
pub(super) fn images_of(
    root: &Path,
    folder: &str,
    expected: &'static str,
) -> Result<Vec<PathBuf>, DataError> {
    let path = root.join(folder);
    if !path.is_dir() {
        return Err(missing(root, expected));
    }
    let images = list_images(&path)?;
    if images.is_empty() {
        return Err(DataError::Layout { path, expected: "image files", found: "none" });
    }
    Ok(images)
}

pub(super) fn missing(root: &Path, expected: &'static str) -> DataError {
    DataError::Layout { path: root.into(), expected, found: "no such folder" }
}
