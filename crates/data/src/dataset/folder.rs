//! Folders of good parts and of defects. Knows names and listings, no pixels.

use std::path::{Path, PathBuf};

use super::labelled_image::{Dataset, Label, LabelledImage, folder_name, hold_out};
use super::masks::Masks;
use super::mvtec::missing;
use crate::error::DataError;
use crate::listing::{list_folders, list_images};
use crate::names::{Role, is_mask};

/// Every how many-th normal image is kept for the test.
pub(super) const TEST_EVERY: usize = 5;

/// Reads the folders directly in `dir` whose names stand for good parts, such as `normal` or `OK`, and
/// those that stand for defects, such as `abnormal` or `NG`, each with the folders below it.
///
/// Without a folder of defects, all normal images are for training and the test is empty. With one, every
/// fifth of the sorted normal images (the 5th, the 10th and so on) is a test image instead, so
/// that defects are told from normal images the model has not seen; fewer than five normal
/// images thus leave no normal test image. A folder directly in one of defects names the kind of
/// defect of the images below it. Masks lie in a folder named `masks`, or another such word, or beside the images
/// as `000_mask.png`. `docs/data-sets.md` has the names.
///
/// # Errors
/// [`DataError::Layout`] where there is no folder of good parts, or a folder has no images;
/// [`DataError::Read`] where a folder cannot be read.
pub fn folder(dir: impl AsRef<Path>) -> Result<Dataset, DataError> {
    let dir = dir.as_ref();
    let name = folder_name(dir);
    let good = with_role(dir, Role::Good)?;
    if good.is_empty() {
        return Err(missing(dir, "a folder of good parts, such as normal or good"));
    }
    let normal = images_in(&good)?;
    let bad = with_role(dir, Role::Bad)?;
    if bad.is_empty() {
        let train = normal.into_iter().map(LabelledImage::normal).collect();
        return Ok(Dataset { name, train, test: Vec::new() });
    }
    let mut test = defects(&bad, &with_role(dir, Role::Mask)?)?;
    let (train, test_normal) = hold_out(normal, TEST_EVERY);
    let train = train.into_iter().map(LabelledImage::normal).collect();
    test.extend(test_normal.into_iter().map(LabelledImage::normal));
    Ok(Dataset { name, train, test })
}

/// Labelled images to test on: all of folders of good parts, and all of folders of defects, whose masks lie in
/// `masks` or beside them.
///
/// # Errors
/// [`DataError::Layout`] where a folder has no images, [`DataError::Read`] where it cannot be read.
pub(crate) fn labelled(
    name: String,
    good: &[PathBuf],
    bad: &[PathBuf],
    masks: &[PathBuf],
) -> Result<Dataset, DataError> {
    let mut test = defects(bad, masks)?;
    test.extend(images_in(good)?.into_iter().map(LabelledImage::normal));
    Ok(Dataset { name, train: Vec::new(), test })
}

/// The images of folders of defects, with their masks.
fn defects(folders: &[PathBuf], masks: &[PathBuf]) -> Result<Vec<LabelledImage>, DataError> {
    let mut indices =
        masks.iter().map(|folder| Masks::below(folder)).collect::<Result<Vec<_>, _>>()?;
    let several = folders.len() > 1;
    let mut images = Vec::new();
    for folder in folders {
        // Those beside the images come last.
        indices.push(Masks::below(folder)?.named());
        for path in images_in(std::slice::from_ref(folder))? {
            let below = path.strip_prefix(folder).ok().and_then(Path::parent);
            let below = below.unwrap_or(Path::new(""));
            let kind = below.iter().next().map(|kind| kind.to_string_lossy().into_owned());
            let defect = kind.or_else(|| several.then(|| folder_name(folder)));
            let with_folder = Path::new(&folder_name(folder)).join(below);
            let found = |masks: &Masks| match masks.of_exact(&with_folder, &path) {
                found if found.is_empty() => masks.of(below, &path),
                found => found,
            };
            let masks = indices.iter().map(found).find(|masks| !masks.is_empty());
            let masks = masks.unwrap_or_default();
            images.push(LabelledImage { path, label: Label::Defect, defect, masks });
        }
        indices.pop();
    }
    Ok(images)
}

/// The images of folders, none of which is empty, but for files named as masks.
fn images_in(folders: &[PathBuf]) -> Result<Vec<PathBuf>, DataError> {
    let mut images = Vec::new();
    for folder in folders {
        let mut found = list_images(folder)?;
        found.retain(|path| !is_mask(path));
        if found.is_empty() {
            let (expected, found) = ("image files", "none");
            return Err(DataError::Layout { path: folder.clone(), expected, found });
        }
        images.append(&mut found);
    }
    images.sort_unstable();
    Ok(images)
}

/// The folders directly in another whose names have a role.
pub(super) fn with_role(dir: &Path, role: Role) -> Result<Vec<PathBuf>, DataError> {
    Ok(list_folders(dir)?.into_iter().filter(|folder| Role::of(folder) == role).collect())
}
