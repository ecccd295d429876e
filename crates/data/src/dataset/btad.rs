//! The layout of BTAD.

use std::path::{Path, PathBuf};

use super::mvtec::{categories, images_of, test_of};
use super::sample::{Dataset, Sample, folder_name};
use crate::error::DataError;

/// Reads one category in the layout of BTAD (Mishra et al. 2021).
///
/// ```text
/// 01/train/ok/0000.bmp            normal images to train on
/// 01/test/ok/0000.bmp             normal images to test on
/// 01/test/ko/0000.bmp             images with the defect `ko`
/// 01/ground_truth/ko/0000.png     its pixels, as PNG or BMP; optional
/// ```
///
/// # Errors
/// [`DataError::Layout`] where `train/ok` or `test` is missing or has no images,
/// [`DataError::Read`] where a folder cannot be read.
pub fn btad(category: impl AsRef<Path>) -> Result<Dataset, DataError> {
    let category = category.as_ref();
    let train = images_of(category, "train/ok", "train/ok with normal images")?;
    let test = test_of(category, "ok", |masks, image| {
        let mask = masks.join(image.file_name()?);
        ["png", "bmp"].map(|kind| mask.with_extension(kind)).into_iter().find(|mask| mask.is_file())
    })?;
    let train = train.into_iter().map(Sample::normal).collect();
    Ok(Dataset { name: folder_name(category), train, test })
}

pub(super) fn btad_categories(root: &Path) -> Result<Vec<PathBuf>, DataError> {
    categories(root, "train/ok", "train/ok, or folders that have one")
}
