//! Files of data sets, and what the tests look at.

#![allow(dead_code, reason = "no test file looks at everything")]

use std::fs;
use std::path::{Path, PathBuf};

use nfbmr_data::{DataError, Dataset, DatasetOptions, LabelledImage, Layout, datasets};

/// Writes empty files; the readers of layouts do not decode.
pub fn touch<P: AsRef<Path>>(root: &Path, files: &[P]) {
    for file in files {
        write(root, file, b"");
    }
}

pub fn write(root: &Path, file: impl AsRef<Path>, content: impl AsRef<[u8]>) {
    let path = root.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Paths relative to `root`, with slashes.
pub fn relative<P: AsRef<Path>>(root: &Path, paths: impl IntoIterator<Item = P>) -> Vec<String> {
    let shorten = |p: &Path| p.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
    paths.into_iter().map(|path| shorten(path.as_ref())).collect()
}

pub fn layout_error(error: DataError) -> (PathBuf, &'static str) {
    match error {
        DataError::Layout { path, found, .. } => (path, found),
        other => panic!("expected a layout error, found {other:?}"),
    }
}

/// The images to train on and to test on, relative to `root`.
pub fn images(root: &Path, set: &Dataset) -> [Vec<String>; 2] {
    [&set.train, &set.test].map(|part| relative(root, part.iter().map(|image| &image.path)))
}

/// What is known of an image, its mask relative to `root`.
pub fn known<'a>(root: &Path, image: &'a LabelledImage) -> (bool, Option<&'a str>, Option<String>) {
    let mask = image.masks.first().map(|mask| relative(root, [mask]).remove(0));
    (image.is_defect(), image.defect.as_deref(), mask)
}

/// The names of the categories below a root.
pub fn names(root: &Path, layout: Layout) -> Vec<String> {
    let sets = datasets(root, layout, &DatasetOptions::default()).unwrap();
    sets.into_iter().map(|set| set.name).collect()
}
