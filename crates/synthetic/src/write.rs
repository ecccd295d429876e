//! Synthetic data sets on disk. The only module that writes files; knows how to ask for an image.

use std::fs;
use std::path::{Path, PathBuf};

use image::ImageFormat;
use rayon::prelude::*;

use crate::error::WriteError;
use crate::kind::{DefectKind, Kind};
use crate::scene::Scene;

/// How many images a data set has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Normal images to train on.
    pub train: u64,
    /// Normal images to test on.
    pub test_good: u64,
    /// Images with a defect, spread evenly over the kind's defects.
    pub test_defect: u64,
}

/// Writes a data set of PNG files into `dir`, in the layout of MVTec AD.
///
/// No image is drawn twice: the normal and the defect images all have an index of their own.
/// Files of the same name are replaced; other files in `dir` stay.
///
/// # Errors
/// [`WriteError::Draw`] where `size` is out of range (see [`generate`](crate::generate)), [`WriteError::Write`]
/// or [`WriteError::Encode`] where a folder or file cannot be written.
///
/// ```
/// use nfbmr_synthetic::{Counts, Kind, PartClass, write_mvtec};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let dir = folder.path().join("gear");
/// let counts = Counts { train: 2, test_good: 1, test_defect: 4 };
/// write_mvtec(&dir, Kind::Part(PartClass::Gear), &counts, 64, 42)?;
/// let set = nfbmr_data::mvtec(&dir)?;
/// assert_eq!((set.train.len(), set.test.len()), (2, 5));
/// # Ok(())
/// # }
/// ```
pub fn write_mvtec(
    dir: impl AsRef<Path>,
    kind: Kind,
    counts: &Counts,
    size: u32,
    seed: u64,
) -> Result<(), WriteError> {
    Scene::default().write_mvtec(dir, &[kind], counts, size, seed)
}

impl Scene {
    /// Writes what [`write_mvtec`] does, in this scene and of one or several kinds, of each of which
    /// it has as many images as `counts` says.
    ///
    /// They are the images that a data set of the kind alone has; the names of their files end in
    /// that of the kind where there are several.
    ///
    /// # Errors
    /// Those of [`write_mvtec`], and [`WriteError::Draw`] where the size of parts is out of range.
    pub fn write_mvtec(
        &self,
        dir: impl AsRef<Path>,
        kinds: &[Kind],
        counts: &Counts,
        size: u32,
        seed: u64,
    ) -> Result<(), WriteError> {
        let dir = dir.as_ref();
        let mut images: Vec<(Kind, u64, Entry)> = Vec::new();
        for (place, &kind) in kinds.iter().enumerate() {
            // A kind named twice would have two images of one name.
            if !kinds[..place].contains(&kind) {
                let indexed = (0..).zip(entries(kind, counts));
                images.extend(indexed.map(|(index, entry)| (kind, index, entry)));
            }
        }
        for (_, _, entry) in &images {
            entry.create_folders(dir)?;
        }
        images.par_iter().try_for_each(|(kind, index, entry)| {
            let drawn = self.generate(*kind, seed, *index, entry.defect, size)?;
            let number = entry.number;
            let name = match kinds {
                [_] => format!("{number:03}"),
                _ => format!("{number:03}_{}", kind.name()),
            };
            save(&drawn.image.into(), &entry.image_folder(dir), &format!("{name}.png"))?;
            match drawn.mask {
                Some(mask) => {
                    save(&mask.into(), &entry.mask_folder(dir), &format!("{name}_mask.png"))
                }
                None => Ok(()),
            }
        })
    }
}

/// The images of a kind's data set, in the order of their indices.
fn entries(kind: Kind, counts: &Counts) -> Vec<Entry> {
    let good = |folder: &'static str| move |number| Entry { folder, number, defect: None };
    let defects = kind.defects();
    let defect = |number| {
        let defect = defects[number as usize % defects.len()];
        Entry { folder: "test", number: number / defects.len() as u64, defect: Some(defect) }
    };
    (0..counts.train)
        .map(good("train"))
        .chain((0..counts.test_good).map(good("test")))
        .chain((0..counts.test_defect).map(defect))
        .collect()
}

/// Writes a data set of each of `kinds` into the folder of its name below `root`: with
/// [`Kind::BENCHMARK`], ten textures and a part.
///
/// # Errors
/// Those of [`write_mvtec`].
pub fn write_datasets(
    root: impl AsRef<Path>,
    kinds: &[Kind],
    counts: &Counts,
    size: u32,
    seed: u64,
) -> Result<(), WriteError> {
    let root = root.as_ref();
    kinds.iter().try_for_each(|&kind| write_mvtec(root.join(kind.name()), kind, counts, size, seed))
}

/// Where an image goes and what it shows.
struct Entry {
    folder: &'static str,
    number: u64,
    defect: Option<DefectKind>,
}

impl Entry {
    fn label(&self) -> &'static str {
        self.defect.map_or("good", DefectKind::name)
    }

    fn image_folder(&self, dir: &Path) -> PathBuf {
        dir.join(self.folder).join(self.label())
    }

    fn mask_folder(&self, dir: &Path) -> PathBuf {
        dir.join("ground_truth").join(self.label())
    }

    fn create_folders(&self, dir: &Path) -> Result<(), WriteError> {
        let masks = self.defect.map(|_| self.mask_folder(dir));
        for path in std::iter::once(self.image_folder(dir)).chain(masks) {
            fs::create_dir_all(&path).map_err(|source| WriteError::Write { path, source })?;
        }
        Ok(())
    }
}

fn save(image: &image::DynamicImage, folder: &Path, name: &str) -> Result<(), WriteError> {
    let path = folder.join(name);
    image.save_with_format(&path, ImageFormat::Png).map_err(|error| match error {
        image::ImageError::IoError(source) => WriteError::Write { path, source },
        source => WriteError::Encode { path, source },
    })
}
