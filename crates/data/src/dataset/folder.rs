//! Plain folders of normal and abnormal images.

use std::path::Path;

use super::mvtec::images_of;
use super::sample::{Dataset, Label, Sample, folder_name, hold_out};
use crate::error::DataError;

/// Every how many-th normal image is kept for the test.
pub(super) const TEST_EVERY: usize = 5;

/// Reads `dir/normal` and, where there is one, `dir/abnormal`, each with the folders below it.
///
/// Without `abnormal`, all normal images are for training and the test is empty. With it, every
/// fifth of the sorted normal images (the 5th, the 10th and so on) is a test image instead, so
/// that defects are told from normal images the model has not seen; fewer than five normal
/// images thus leave no normal test image. A folder directly in `abnormal` names the kind of
/// defect of the images below it.
///
/// # Errors
/// [`DataError::Layout`] where `normal` is missing, or either folder has no images;
/// [`DataError::Read`] where a folder cannot be read.
pub fn folder(dir: impl AsRef<Path>) -> Result<Dataset, DataError> {
    let dir = dir.as_ref();
    let name = folder_name(dir);
    let normal = images_of(dir, "normal", "normal with images of good parts")?;
    if !dir.join("abnormal").is_dir() {
        let train = normal.into_iter().map(Sample::normal).collect();
        return Ok(Dataset { name, train, test: Vec::new() });
    }

    let mut test = Vec::new();
    let root = dir.join("abnormal");
    for path in images_of(dir, "abnormal", "abnormal with images of defects")? {
        let defect = path
            .strip_prefix(&root)
            .ok()
            .and_then(Path::parent)
            .and_then(|folders| folders.iter().next())
            .map(|folder| folder.to_string_lossy().into_owned());
        test.push(Sample { path, label: Label::Defect, defect, masks: Vec::new() });
    }
    let (train, test_normal) = hold_out(normal, TEST_EVERY);
    let train = train.into_iter().map(Sample::normal).collect();
    test.extend(test_normal.into_iter().map(Sample::normal));
    Ok(Dataset { name, train, test })
}
