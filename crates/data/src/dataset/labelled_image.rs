//! Labelled images and the data sets that they make, in memory: paths and labels, no pixels. Knows no
//! layout.

use std::path::{Path, PathBuf};

/// Whether an image shows a good part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Label {
    /// A good part.
    Normal,
    /// A part with a defect.
    Defect,
}

/// One image file and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledImage {
    /// The image file.
    pub path: PathBuf,
    /// Good or not.
    pub label: Label,
    /// The kind of defect, where the layout names it.
    pub defect: Option<String>,
    /// The image files that mark the defect's pixels together; none where the data set has none.
    pub masks: Vec<PathBuf>,
}

impl LabelledImage {
    /// An image of a good part.
    pub fn normal(path: PathBuf) -> Self {
        Self { path, label: Label::Normal, defect: None, masks: Vec::new() }
    }

    /// Whether the image shows a defect: the label that the metrics take.
    pub fn is_defect(&self) -> bool {
        self.label == Label::Defect
    }

    /// What the image is called in tables: its kind of defect, `defect` where the data set names none;
    /// `None` of a normal image.
    pub fn defect_name(&self) -> Option<&str> {
        self.is_defect().then(|| self.defect.as_deref().unwrap_or("defect"))
    }
}

/// Images to train on, all of them normal, and images to test on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// The category: the name of its folder, or the one that its layout has for it.
    pub name: String,
    /// Normal images, sorted by path.
    pub train: Vec<LabelledImage>,
    /// Normal and defect images, sorted by path; empty where the layout has none.
    pub test: Vec<LabelledImage>,
}

impl Dataset {
    pub(super) fn sorted(
        name: String,
        mut train: Vec<LabelledImage>,
        mut test: Vec<LabelledImage>,
    ) -> Self {
        for images in [&mut train, &mut test] {
            images.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        }
        Self { name, train, test }
    }
}

/// Takes every `every`-th of `items` (the 5th, the 10th and so on) out: the rest, then those.
pub(super) fn hold_out<T>(items: Vec<T>, every: usize) -> (Vec<T>, Vec<T>) {
    let (mut kept, mut held_out) = (Vec::new(), Vec::new());
    for (index, item) in items.into_iter().enumerate() {
        let part = if (index + 1) % every == 0 { &mut held_out } else { &mut kept };
        part.push(item);
    }
    (kept, held_out)
}

/// The name of a folder, or its whole path where it has none (`.` or a root).
pub(crate) fn folder_name(dir: &Path) -> String {
    dir.file_name().unwrap_or(dir.as_os_str()).to_string_lossy().into_owned()
}
