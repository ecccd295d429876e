//! The layout of KolektorSDD. Knows listings, and masks, which alone tell its labels.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::labelled_image::{Dataset, Label, LabelledImage, folder_name, hold_out};
use crate::error::DataError;
use crate::limits::Limits;
use crate::listing::{list_folders, list_images};
use crate::mask::Marked;

/// What the names of the items' folders start with, before a number.
const ITEM: &str = "kos";

/// Every how many-th item is kept for the test, after the three folds of the authors.
const TEST_EVERY: usize = 3;

/// Reads KolektorSDD (Tabernik et al. 2019).
///
/// ```text
/// kos01/Part0.jpg                 one of eight surfaces of the first commutator
/// kos01/Part0_label.bmp           its mask, black where there is no defect
/// ```
///
/// The set comes without a split into normal training images and a test. Here, of the commutators
/// sorted by name, every third (the 3rd, the 6th and so on) is held out: its surfaces without a
/// defect are the test's normal images, and those of the others are to train on. All surfaces with
/// a defect are tested on. Training is thus on normal images alone and all defects are in the
/// test, as is usual in anomaly detection; but where anomalib draws 80 % of the normal images,
/// whole commutators are held out here, as in the authors' three folds, so that no normal test
/// image shows an item that was trained on.
///
/// Whether a surface has a defect is only to be seen in its mask, so all masks are decoded.
///
/// # Errors
/// [`DataError::Layout`] where there are fewer than three folders `kos...` or nothing to train on,
/// [`DataError::Read`] where a folder cannot be read or a mask is missing, and those of
/// [`Marked::load`] for masks.
pub fn kolektor(root: impl AsRef<Path>, limits: &Limits) -> Result<Dataset, DataError> {
    let root = root.as_ref();
    let items: Vec<_> = list_folders(root)?.into_iter().filter(|item| is_numbered(item)).collect();
    if items.len() < TEST_EVERY {
        let (expected, found) = ("at least three folders kos01, kos02 and so on", "fewer");
        return Err(DataError::Layout { path: root.into(), expected, found });
    }

    let (kept, held_out) = hold_out(items, TEST_EVERY);
    let mut train = surfaces(&kept, limits)?;
    let mut test: Vec<_> = train.extract_if(.., |surface| surface.is_defect()).collect();
    test.extend(surfaces(&held_out, limits)?);
    if train.is_empty() || test.is_empty() {
        let (expected, found) = ("surfaces without a defect, Part0.jpg and so on", "none");
        return Err(DataError::Layout { path: root.into(), expected, found });
    }
    Ok(Dataset::sorted(folder_name(root), train, test))
}

/// Whether a folder is that of an item: a numbered one with a mask.
pub(super) fn is_item(folder: &Path) -> bool {
    is_numbered(folder) && folder.join("Part0_label.bmp").exists()
}

fn is_numbered(folder: &Path) -> bool {
    let name = folder_name(folder);
    let number = name.strip_prefix(ITEM).unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn surfaces(items: &[PathBuf], limits: &Limits) -> Result<Vec<LabelledImage>, DataError> {
    let mut images = Vec::new();
    for item in items {
        images.extend(list_images(item)?);
    }
    images.retain(|image| !folder_name(&image.with_extension("")).ends_with("_label"));
    images.into_par_iter().map(|image| surface(image, limits)).collect()
}

fn surface(path: PathBuf, limits: &Limits) -> Result<LabelledImage, DataError> {
    let mut mask = path.with_extension("").into_os_string();
    mask.push("_label.bmp");
    let mask = PathBuf::from(mask);
    if !Marked::load(&mask, limits)?.pixels.contains(&true) {
        return Ok(LabelledImage::normal(path));
    }
    Ok(LabelledImage { path, label: Label::Defect, defect: None, masks: vec![mask] })
}
