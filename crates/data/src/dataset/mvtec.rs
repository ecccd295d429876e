//! The layout of MVTec AD and the sets that follow it. Knows names, masks and listings, no pixels.

use std::path::{Path, PathBuf};

use super::labelled_image::{Dataset, Label, LabelledImage, folder_name};
use super::masks::{Masks, folder_named};
use crate::error::DataError;
use crate::listing::{list_folders, list_images};
use crate::names::{Role, is_mask, verdict};

/// The folders that labelled images to test on lie in.
const TESTS: [&str; 2] = ["test", "test_public"];

/// Reads one category in the layout of MVTec AD, which MVTec LOCO, MVTec AD 2, MPDD and BTAD share.
///
/// ```text
/// bottle/train/good/000.png                       normal images to train on
/// bottle/test/good/000.png                        normal images to test on
/// bottle/test/crack/000.png                       images with the defect `crack`
/// bottle/ground_truth/crack/000_mask.png          its pixels; optional
/// ```
///
/// Either of `train` and `test` may be missing, and the data set has no such images then. The test of MVTec
/// AD 2 is `test_public`, with `ground_truth` in it; the masks of MVTec LOCO are all images in
/// `ground_truth/logical_anomalies/000`. Letters are of either case. Folders of good parts are those named
/// as such, `good` and `ok` among others, and a `train` without one is all of good parts. Of `validation`
/// and other folders nothing is taken.
///
/// # Errors
/// [`DataError::Layout`] where both `train` and `test` are missing, or either has no images,
/// [`DataError::Read`] where a folder cannot be read.
pub fn mvtec(category: impl AsRef<Path>) -> Result<Dataset, DataError> {
    let category = category.as_ref();
    let name = folder_name(category);
    let train = folder_named(category, "train")?;
    let test = test_folder(category)?;
    if train.is_none() && test.is_none() {
        return Err(missing(category, "train/good with normal images, or test with labelled ones"));
    }
    let train = train.map(|train| training(&train)).transpose()?.unwrap_or_default();
    let test = test.map(|test| tested(category, &test)).transpose()?.unwrap_or_default();
    Ok(Dataset { name, train, test })
}

/// The categories below `root`, sorted by path: the folders that have folders of good parts in `train` or
/// labelled ones in `test`.
///
/// A `root` that is itself a category is the only one.
///
/// # Errors
/// [`DataError::Layout`] where there is none, [`DataError::Read`] where `root` cannot be read.
pub fn mvtec_categories(root: impl AsRef<Path>) -> Result<Vec<PathBuf>, DataError> {
    let expected = "train/good or test/good, or folders that have one";
    categories(root.as_ref(), is_category, expected)
}

fn is_category(folder: &Path) -> Result<bool, DataError> {
    let has = |parent: Option<PathBuf>, known: fn(&Path) -> bool| -> Result<bool, DataError> {
        let Some(parent) = parent else { return Ok(false) };
        Ok(list_folders(&parent)?.iter().any(|folder| known(folder)))
    };
    let train = has(folder_named(folder, "train")?, |folder| Role::of(folder) == Role::Good)?;
    Ok(train || has(test_folder(folder)?, |folder| verdict(folder).is_some())?)
}

fn test_folder(category: &Path) -> Result<Option<PathBuf>, DataError> {
    for name in TESTS {
        if let Some(test) = folder_named(category, name)? {
            return Ok(Some(test));
        }
    }
    Ok(None)
}

/// The images of the folders of good parts; of all but those of defects and masks, where there are none.
fn training(train: &Path) -> Result<Vec<LabelledImage>, DataError> {
    let folders = list_folders(train)?;
    let mut good: Vec<_> =
        folders.iter().filter(|folder| Role::of(folder) == Role::Good).cloned().collect();
    if good.is_empty() {
        good.push(train.to_owned());
    }
    let mut images = Vec::new();
    for folder in &good {
        images.extend(list_images(folder)?);
    }
    let left_out = |path: &PathBuf| {
        let below = path.strip_prefix(train).ok().and_then(Path::parent);
        let names = below.into_iter().flat_map(Path::iter).map(Path::new);
        let mut roles = names.map(Role::of);
        is_mask(path) || roles.any(|role| matches!(role, Role::Bad | Role::Mask))
    };
    images.retain(|path| !left_out(path));
    if images.is_empty() {
        let path = good.swap_remove(0);
        return Err(DataError::Layout { path, expected: "image files", found: "none" });
    }
    images.sort_unstable();
    Ok(images.into_iter().map(LabelledImage::normal).collect())
}

/// The images of a folder named as a test that has one of good parts in it, by its absolute path and as it is
/// to be called; `None` for another.
pub(crate) fn test_folder_of(absolute: &Path, test: &Path) -> Result<Option<Dataset>, DataError> {
    let good = |folder: &PathBuf| verdict(folder) == Some(Label::Normal);
    if Role::of(absolute) != Role::Test || !list_folders(test)?.iter().any(good) {
        return Ok(None);
    }
    let category = absolute.parent().unwrap_or(absolute);
    let (name, test) = (folder_name(category), tested(category, test)?);
    Ok(Some(Dataset { name, train: Vec::new(), test }))
}

/// The images of `test`, where each folder that isn't one of good parts is a kind of defect.
fn tested(category: &Path, test: &Path) -> Result<Vec<LabelledImage>, DataError> {
    let mut masks = Vec::new();
    for folder in [list_folders(category)?, list_folders(test)?].concat() {
        if Role::of(&folder) == Role::Mask {
            masks.push(Masks::below(&folder)?);
        }
    }
    // Those beside the images.
    masks.push(Masks::below(test)?.named());
    let mut images = Vec::new();
    for folder in list_folders(test)? {
        if Role::of(&folder) != Role::Mask {
            images.extend(of_kind(test, &folder, &masks)?);
        }
    }
    if images.is_empty() {
        return Err(DataError::Layout {
            path: test.to_owned(),
            expected: "images in one folder per defect",
            found: "none",
        });
    }
    Ok(images)
}

fn of_kind(test: &Path, folder: &Path, masks: &[Masks]) -> Result<Vec<LabelledImage>, DataError> {
    let kind = folder_name(folder);
    let good = verdict(folder) == Some(Label::Normal);
    let labelled = |path: PathBuf| match good {
        true => LabelledImage::normal(path),
        false => {
            let below = path.strip_prefix(test).ok().and_then(Path::parent).unwrap_or(folder);
            let masks = masks.iter().map(|masks| masks.of(below, &path));
            let masks = masks.into_iter().find(|masks| !masks.is_empty()).unwrap_or_default();
            LabelledImage { path, label: Label::Defect, defect: Some(kind.clone()), masks }
        }
    };
    Ok(list_images(folder)?.into_iter().filter(|path| !is_mask(path)).map(labelled).collect())
}

/// The folders directly in `root` that are categories, or `root` itself if it is one.
pub(super) fn categories(
    root: &Path,
    is_category: impl Fn(&Path) -> Result<bool, DataError>,
    expected: &'static str,
) -> Result<Vec<PathBuf>, DataError> {
    if is_category(root)? {
        return Ok(vec![root.into()]);
    }
    let mut categories = Vec::new();
    for folder in list_folders(root)? {
        if is_category(&folder)? {
            categories.push(folder);
        }
    }
    match categories.is_empty() {
        true => Err(missing(root, expected)),
        false => Ok(categories),
    }
}

pub(super) fn missing(root: &Path, expected: &'static str) -> DataError {
    DataError::Layout { path: root.into(), expected, found: "no such folder" }
}
