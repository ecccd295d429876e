//! All layouts by name. Knows each of them.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::dagm::{dagm, dagm_classes};
use super::elpv::{self, ElpvOptions, elpv};
use super::folder::{folder, with_role};
use super::kolektor::{self, kolektor};
use super::labelled_image::Dataset;
use super::magnetic_tile::{self, magnetic_tile};
use super::mvtec::{mvtec, mvtec_categories};
use super::visa::{self, visa};
use crate::error::{DataError, NameError};
use crate::limits::Limits;
use crate::listing::list_folders;
use crate::names::Role;

/// How the files of a data set lie, by the name a user gives it: `mvtec`, `dagm`, `visa`,
/// `kolektor`, `btad`, `mpdd`, `magnetic-tile`, `elpv` or `folder`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Layout {
    /// [`mvtec`], all categories below the root.
    Mvtec,
    /// [`dagm`], all classes below the root.
    Dagm,
    /// [`visa`].
    Visa,
    /// [`kolektor`].
    Kolektor,
    /// [`mvtec`], all categories below the root: BTAD has the same layout.
    Btad,
    /// [`mvtec`], all categories below the root: MPDD has the same layout.
    Mpdd,
    /// [`magnetic_tile`].
    MagneticTile,
    /// [`elpv`].
    Elpv,
    /// [`folder`].
    Folder,
}

impl Layout {
    /// Every layout.
    pub const ALL: [Self; 9] = [
        Self::Mvtec,
        Self::Dagm,
        Self::Visa,
        Self::Kolektor,
        Self::Btad,
        Self::Mpdd,
        Self::MagneticTile,
        Self::Elpv,
        Self::Folder,
    ];

    /// The layout whose folders or lists are in `root`, `None` where there are none, as in a folder of
    /// images alone. MPDD and BTAD count as [`Self::Mvtec`], which they share their layout with.
    ///
    /// Only what tells layouts apart is looked at: [`datasets`] may still miss something.
    ///
    /// # Errors
    /// [`DataError::Read`] where `root` cannot be read.
    pub fn detect(root: impl AsRef<Path>) -> Result<Option<Self>, DataError> {
        let root = root.as_ref();
        let folders = list_folders(root)?;
        let here = |name: &str| root.join(name).exists();
        // A root that has categories, or one of them.
        let of_category =
            |name: &str| here(name) || folders.iter().any(|folder| folder.join(name).exists());
        let both = || {
            Ok::<_, DataError>(
                !with_role(root, Role::Good)?.is_empty() && !with_role(root, Role::Bad)?.is_empty(),
            )
        };
        Ok(if of_category("Train/Label") {
            Some(Self::Dagm)
        } else if here(visa::LIST) {
            Some(Self::Visa)
        } else if here(elpv::LIST) && here("images") {
            Some(Self::Elpv)
        } else if magnetic_tile::is_root(&folders) {
            Some(Self::MagneticTile)
        } else if folders.iter().any(|folder| kolektor::is_item(folder)) {
            Some(Self::Kolektor)
        } else if mvtec_categories(root).is_ok() {
            Some(Self::Mvtec)
        } else {
            both()?.then_some(Self::Folder)
        })
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Mvtec => "mvtec",
            Self::Dagm => "dagm",
            Self::Visa => "visa",
            Self::Kolektor => "kolektor",
            Self::Btad => "btad",
            Self::Mpdd => "mpdd",
            Self::MagneticTile => "magnetic-tile",
            Self::Elpv => "elpv",
            Self::Folder => "folder",
        })
    }
}

impl FromStr for Layout {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        let known = Self::ALL.into_iter().find(|layout| layout.to_string() == name);
        known.ok_or_else(|| NameError::new(&Self::ALL, name))
    }
}

/// What some of the layouts need to know besides where they lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatasetOptions {
    /// For [`Layout::Kolektor`], whose masks are decoded to tell which images have a defect.
    pub limits: Limits,
    /// For [`Layout::Elpv`].
    pub elpv: ElpvOptions,
}

/// Reads all categories of a data set, sorted by path; most layouts have one only.
///
/// A `root` that is itself a category is the only one.
///
/// # Errors
/// Those of the layout's reader; the first category that cannot be read is the answer.
///
/// ```
/// use nfbmr_data::{DatasetOptions, Layout, datasets};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let root = tempfile::tempdir()?;
/// # let root = root.path();
/// # for folder in ["train/good", "test/good", "test/scratch"] {
/// #     std::fs::create_dir_all(root.join("screws").join(folder))?;
/// #     image::GrayImage::new(8, 8).save(root.join("screws").join(folder).join("0.png"))?;
/// # }
/// let layout: Layout = "mvtec".parse()?;
/// for set in datasets(root, layout, &DatasetOptions::default())? {
///     println!("{}: {} train, {} test", set.name, set.train.len(), set.test.len());
/// }
/// # Ok(())
/// # }
/// ```
pub fn datasets(
    root: impl AsRef<Path>,
    layout: Layout,
    options: &DatasetOptions,
) -> Result<Vec<Dataset>, DataError> {
    let root = root.as_ref();
    match layout {
        Layout::Mvtec | Layout::Btad | Layout::Mpdd => {
            mvtec_categories(root)?.iter().map(mvtec).collect()
        }
        Layout::Dagm => dagm_classes(root)?.iter().map(dagm).collect(),
        Layout::Visa => visa(root),
        Layout::Kolektor => Ok(vec![kolektor(root, &options.limits)?]),
        Layout::MagneticTile => Ok(vec![magnetic_tile(root)?]),
        Layout::Elpv => Ok(vec![elpv(root, &options.elpv)?]),
        Layout::Folder => Ok(vec![folder(root)?]),
    }
}
