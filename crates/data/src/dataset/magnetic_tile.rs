//! The layout of the magnetic-tile defects. Knows listings, no pixels.

use std::path::{Path, PathBuf};

use super::folder::TEST_EVERY;
use super::labelled_image::{Dataset, Label, LabelledImage, folder_name, hold_out};
use crate::error::DataError;
use crate::listing::{list_folders, list_images};

/// Reads the magnetic-tile defects (Huang et al. 2018), as published or without the folders
/// `Imgs`.
///
/// ```text
/// MT_Free/Imgs/exp1_num_1.jpg             Free/exp1_num_1.jpg             normal images
/// MT_Crack/Imgs/exp1_num_2.jpg            Crack/exp1_num_2.jpg            images with a crack
/// MT_Crack/Imgs/exp1_num_2.png            Crack/exp1_num_2.png            its pixels; optional
/// ```
///
/// Where there is a folder `MT_Free`, the other folders `MT_...` are kinds of defects; else all
/// folders beside `Free` are. The set comes without a split: of the normal images sorted by name,
/// every fifth (the 5th, the 10th and so on) is tested on, and so are all defects.
///
/// # Errors
/// [`DataError::Layout`] where there is no folder of normal images or none of defects, or fewer
/// than five normal images; [`DataError::Read`] where a folder cannot be read.
pub fn magnetic_tile(root: impl AsRef<Path>) -> Result<Dataset, DataError> {
    let root = root.as_ref();
    let prefix = if root.join("MT_Free").is_dir() { "MT_" } else { "" };
    let (mut normal, mut test) = (Vec::new(), Vec::new());
    for folder in list_folders(root)? {
        let name = folder_name(&folder);
        match name.strip_prefix(prefix) {
            Some("Free") => normal = tiles(&folder)?,
            Some(kind) => test.extend(tiles(&folder)?.into_iter().map(|path| defect(path, kind))),
            None => {}
        }
    }
    let layout = |expected, found| DataError::Layout { path: root.into(), expected, found };
    if normal.len() < TEST_EVERY {
        return Err(layout("MT_Free/Imgs or Free with at least five normal JPEG images", "fewer"));
    }
    if test.is_empty() {
        return Err(layout("folders with JPEG images of defects, such as MT_Crack/Imgs", "none"));
    }
    let (train, test_normal) = hold_out(normal, TEST_EVERY);
    let train = train.into_iter().map(LabelledImage::normal).collect();
    test.extend(test_normal.into_iter().map(LabelledImage::normal));
    Ok(Dataset::sorted(folder_name(root), train, test))
}

/// Whether folders are those of the set: the free tiles, and some of its kinds of defects.
pub(super) fn is_root(folders: &[PathBuf]) -> bool {
    const KINDS: [&str; 5] = ["Blowhole", "Break", "Crack", "Fray", "Uneven"];
    let names: Vec<String> = folders.iter().map(|folder| folder_name(folder)).collect();
    let has = |name: &str, kind: &str| name.strip_prefix("MT_").unwrap_or(name) == kind;
    names.iter().any(|name| has(name, "Free"))
        && names.iter().any(|name| KINDS.iter().any(|kind| has(name, kind)))
}

/// The images of one kind: the JPEG files, beside which the masks are PNG files.
fn tiles(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let published = folder.join("Imgs");
    let mut images = list_images(if published.is_dir() { &published } else { folder })?;
    images.retain(|image| image.extension().is_some_and(|kind| kind.eq_ignore_ascii_case("jpg")));
    Ok(images)
}

fn defect(path: PathBuf, kind: &str) -> LabelledImage {
    let mask = Some(path.with_extension("png")).filter(|mask| mask.is_file());
    let masks = mask.into_iter().collect();
    LabelledImage { path, label: Label::Defect, defect: Some(kind.to_owned()), masks }
}
