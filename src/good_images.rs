//! What a training takes: a folder, files or images in memory.

use std::path::{Path, PathBuf};

use image::DynamicImage;
use nfbmr_data::Selection;

/// Images of good parts to train on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum GoodImages<'a> {
    /// A folder, of which the images of good parts are selected: see [`Selection::good`].
    Folder(PathBuf),
    /// Image files, all of good parts.
    Files(Vec<PathBuf>),
    /// Images in memory.
    Decoded(Vec<&'a DynamicImage>),
}

impl From<&str> for GoodImages<'_> {
    fn from(folder: &str) -> Self {
        Self::Folder(folder.into())
    }
}

impl From<&Path> for GoodImages<'_> {
    fn from(folder: &Path) -> Self {
        Self::Folder(folder.to_owned())
    }
}

impl From<PathBuf> for GoodImages<'_> {
    fn from(folder: PathBuf) -> Self {
        Self::Folder(folder)
    }
}

impl From<Vec<PathBuf>> for GoodImages<'_> {
    fn from(files: Vec<PathBuf>) -> Self {
        Self::Files(files)
    }
}

impl From<Selection> for GoodImages<'_> {
    fn from(selection: Selection) -> Self {
        Self::Files(selection.images)
    }
}

impl<'a> From<&'a [DynamicImage]> for GoodImages<'a> {
    fn from(images: &'a [DynamicImage]) -> Self {
        Self::Decoded(images.iter().collect())
    }
}

impl<'a> From<&'a Vec<DynamicImage>> for GoodImages<'a> {
    fn from(images: &'a Vec<DynamicImage>) -> Self {
        images.as_slice().into()
    }
}
