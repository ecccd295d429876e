//! Which images a user means: what is taken of folders and files, what is left out and why. Knows
//! names, masks, layouts and the decoder.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::{Component, Path, PathBuf};

use rayon::prelude::*;

use crate::dataset::{
    Dataset, DatasetOptions, Label, LabelledImage, Layout, datasets, folder_name, labelled,
    test_folder_of,
};
use crate::decode::load_image;
use crate::error::DataError;
use crate::limits::Limits;
use crate::listing::{Listing, is_image_file, is_image_path, list_files};
use crate::mask;
use crate::names::{Role, is_heatmap, is_mask};

/// Folders that a line names one by one.
const NAMED: usize = 6;

/// Images of good parts, to train or to calibrate on, and what was left out of what was named.
///
/// [`fmt::Display`] says both in one line, by folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The images, sorted by path, each once.
    pub images: Vec<PathBuf>,
    /// What was left out.
    pub left_out: Vec<LeftOut>,
}

/// Labelled images, to test on, and what was left out of what was named.
///
/// [`fmt::Display`] says both in one line, by folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledSelection {
    /// The images to test on.
    pub set: Dataset,
    /// What was left out.
    pub left_out: Vec<LeftOut>,
}

/// A file that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub reason: Reason,
}

/// Why a file is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Its folder is named as one of defects.
    Defects,
    /// It, or its folder, is named as a mask, a label or ground truth; or it is one beside the image of the same
    /// name.
    Masks,
    /// It is named as a heatmap of `nfbmr detect`.
    Heatmaps,
    /// Its folder is named as one to test with.
    Tests,
    /// It lies beside a folder that is named as one of good parts, or to train on.
    BesideGood,
    /// The data set has it to test with.
    Tested,
    /// The data set has it to train on.
    Trained,
    /// The layout of the data set has no place for it.
    Outside(Layout),
    /// It is no image.
    NoImage,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defects => f.write_str("named as defects"),
            Self::Masks => f.write_str("masks, by name or values"),
            Self::Heatmaps => f.write_str("named as heatmaps"),
            Self::Tests => f.write_str("named as a test"),
            Self::BesideGood => {
                f.write_str("beside a folder of good parts; name it too to take it")
            }
            Self::Tested => f.write_str("kept to test with"),
            Self::Trained => f.write_str("to train on"),
            Self::Outside(layout) => write!(f, "no part of the layout {layout}"),
            Self::NoImage => f.write_str("no image"),
        }
    }
}

impl Selection {
    /// The images of good parts among files and in folders and those below them.
    ///
    /// A folder that is a data set, in `layout` or the one that it is found to have, has its training images
    /// taken. Of another, all images are, but for those in folders that are named as defects, tests or masks,
    /// beside folders that are named as good parts or to train on, and files that are named as masks or heatmaps.
    /// `docs/data-sets.md` has the names. What is left out is in [`Self::left_out`].
    ///
    /// # Errors
    /// [`DataError::Read`] for a path that isn't there or can't be read, [`DataError::NoGoodImages`] where no
    /// image is left of all paths or of one of them, [`DataError::Categories`] for a folder of
    /// several data sets, and those of the reader of a layout.
    pub fn good(paths: &[PathBuf], layout: Option<Layout>) -> Result<Self, DataError> {
        let mut all = Self::default();
        for path in paths {
            let found = match is_folder(path)? {
                true => Self::in_folder(path, layout)?,
                false => Self::of_file(path),
            };
            if found.images.is_empty() && path.is_dir() {
                return Err(none_left(path, &found));
            }
            all.images.extend(found.images);
            all.left_out.extend(found.left_out);
        }
        if let (true, Some(path)) = (all.images.is_empty(), paths.first()) {
            return Err(none_left(path, &all));
        }
        all.leave_out_masks_beside();
        let mut seen = HashSet::new();
        all.images.sort_unstable();
        let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        all.images.retain(|path| seen.insert(canonical(path)));
        // What one path leaves out another may name, or leave out again.
        all.left_out.sort_by(|a, b| a.path.cmp(&b.path));
        all.left_out.retain(|left_out| seen.insert(canonical(&left_out.path)));
        Ok(all)
    }

    /// All images in a folder and those below it, to detect defects in: but for heatmaps of an earlier
    /// detection, by their names or since they lie in `heatmaps`.
    ///
    /// # Errors
    /// [`DataError::Read`] where a folder cannot be read.
    pub fn to_detect(folder: &Path, heatmaps: Option<&Path>) -> Result<Self, DataError> {
        let heatmaps = heatmaps.and_then(|folder| folder.canonicalize().ok());
        // The folder itself may hold both.
        let own = folder.canonicalize().ok();
        let heatmaps = heatmaps.filter(|heatmaps| own.as_ref() != Some(heatmaps));
        let inside = |path: &Path| {
            let path = path.canonicalize().ok();
            path.zip(heatmaps.as_ref()).is_some_and(|(path, folder)| path.starts_with(folder))
        };
        let heatmap = |path: &Path| is_heatmap(path) || inside(path);
        Ok(Self::sort(list_files(folder)?, |path| heatmap(path).then_some(Reason::Heatmaps)))
    }

    fn of_file(path: &Path) -> Self {
        let reason = if !is_image_file(path) {
            Some(Reason::NoImage)
        } else {
            let folder = path.parent().map(absolute).filter(|folder| Role::is_all_of(folder));
            named(path).or(folder.and_then(|folder| role_reason(Role::of(&folder))))
        };
        let mut selection = Self::default();
        selection.put(path.to_owned(), reason);
        selection
    }

    fn in_folder(root: &Path, layout: Option<Layout>) -> Result<Self, DataError> {
        if let Some((set, layout)) = data_set(root, layout)? {
            let train: HashSet<&Path> =
                set.train.iter().map(|image| image.path.as_path()).collect();
            let test: HashSet<&Path> = set.test.iter().map(|image| image.path.as_path()).collect();
            return Ok(Self::sort(list_files(root)?, |path| match path {
                _ if train.contains(path) => None,
                _ if test.contains(path) => Some(Reason::Tested),
                _ => Some(unplaced(root, path, layout)),
            }));
        }
        let listing = list_files(root)?;
        let images = listing.images.clone();
        let folders: BTreeSet<&Path> = images
            .iter()
            .filter_map(|path| below(root, path).parent())
            .flat_map(Path::ancestors)
            .collect();
        let preferred = |folder: &Path| matches!(Role::of(folder), Role::Good | Role::Train);
        // Those folders that have one of good parts in them.
        let with_good: HashSet<&Path> = folders
            .iter()
            .filter(|folder| preferred(folder))
            .filter_map(|folder| folder.parent())
            .collect();
        let named_root = Some(absolute(root)).filter(|root| Role::is_all_of(root));
        let of_root = named_root.and_then(|root| role_reason(Role::of(&root)));
        Ok(Self::sort(listing, |path| {
            let below = below(root, path);
            let folder = below.parent().unwrap_or(Path::new(""));
            let mut at = PathBuf::new();
            for name in folder.components() {
                let next = at.join(name);
                if let Some(reason) = role_reason(Role::of(&next)) {
                    return Some(reason);
                }
                if with_good.contains(at.as_path()) && !preferred(&next) {
                    return Some(Reason::BesideGood);
                }
                at = next;
            }
            let loose = with_good.contains(folder).then_some(Reason::BesideGood);
            named(path).or(loose).or(of_root.filter(|_| folder.as_os_str().is_empty()))
        }))
    }

    /// Takes the images that there is no reason against.
    fn sort(listing: Listing, reason: impl Fn(&Path) -> Option<Reason>) -> Self {
        let mut selection = Self::default();
        for path in listing.images {
            let reason = reason(&path);
            selection.put(path, reason);
        }
        let others = listing.others.into_iter();
        selection.left_out.extend(others.map(|path| LeftOut { path, reason: Reason::NoImage }));
        selection
    }

    /// Leaves out files that mark the image of the same name beside them, such as `000.png` of `000.jpg`: those of a few
    /// values, beside one of more.
    fn leave_out_masks_beside(&mut self) {
        let mut names: HashMap<PathBuf, Vec<&PathBuf>> = HashMap::new();
        // What follows the dot of another name may be a number.
        for path in self.images.iter().filter(|path| is_image_path(path)) {
            names.entry(path.with_extension("")).or_default().push(path);
        }
        let several: Vec<Vec<&PathBuf>> =
            names.into_values().filter(|paths| paths.len() > 1).collect();
        let masks = several.into_par_iter().flat_map_iter(|paths| {
            let (masks, images): (Vec<_>, Vec<_>) =
                paths.into_iter().partition(|path| has_few_values(path));
            if images.is_empty() { Vec::new() } else { masks }
        });
        let masks: HashSet<PathBuf> = masks.cloned().collect();
        self.images.retain(|path| !masks.contains(path));
        let reason = Reason::Masks;
        self.left_out.extend(masks.into_iter().map(|path| LeftOut { path, reason }));
    }

    fn put(&mut self, path: PathBuf, reason: Option<Reason>) {
        match reason {
            None => self.images.push(path),
            Some(reason) => self.left_out.push(LeftOut { path, reason }),
        }
    }
}

impl LabelledSelection {
    /// All images of folders of good parts and of folders of defects, whose masks lie in folders of their own or
    /// beside them.
    ///
    /// # Errors
    /// [`DataError::Layout`] for a folder without images, [`DataError::Read`] where one can't be read.
    pub fn of_folders(
        good: &[PathBuf],
        bad: &[PathBuf],
        masks: &[PathBuf],
    ) -> Result<Self, DataError> {
        let name = good.iter().chain(bad).next().map_or(String::new(), |path| folder_name(path));
        let set = labelled(name, good, bad, masks)?;
        let taken: HashSet<&Path> = set
            .test
            .iter()
            .flat_map(|image| image.masks.iter().chain([&image.path]))
            .map(PathBuf::as_path)
            .collect();
        let mut left_out = Vec::new();
        for folder in good.iter().chain(bad) {
            let reason =
                |path: &Path| (!taken.contains(path)).then(|| named(path).unwrap_or(Reason::Masks));
            left_out.extend(Selection::sort(list_files(folder)?, reason).left_out);
        }
        drop(taken);
        Ok(Self { set, left_out })
    }

    /// The images to test on of the data set in a folder, in `layout` or the one that it is found to have. A
    /// folder named as a test that has one of good parts, such as `test` of MVTec AD alone, is one too.
    ///
    /// # Errors
    /// [`DataError::NoTest`] where there are none, [`DataError::Categories`] for a folder of several data
    /// sets, [`DataError::Read`] for a path that can't be read, and those of the reader of a layout.
    pub fn in_folder(root: &Path, layout: Option<Layout>) -> Result<Self, DataError> {
        let (set, layout) = match data_set(root, layout)? {
            Some(found) => found,
            None => match test_folder_of(&absolute(root), root)? {
                Some(set) => (set, Layout::Mvtec),
                None => return Err(DataError::NoTest { path: root.to_owned() }),
            },
        };
        if set.test.is_empty() {
            return Err(DataError::NoTest { path: root.to_owned() });
        }
        let left_out = {
            let paths = |images: &[LabelledImage]| -> HashSet<PathBuf> {
                images.iter().map(|image| image.path.clone()).collect()
            };
            let (train, test) = (paths(&set.train), paths(&set.test));
            let masks: HashSet<&PathBuf> = set.test.iter().flat_map(|s| &s.masks).collect();
            let reason = |path: &Path| match path {
                _ if test.contains(path) || masks.contains(&path.to_owned()) => None,
                _ if train.contains(path) => Some(Reason::Trained),
                _ => Some(unplaced(root, path, layout)),
            };
            Selection::sort(list_files(root)?, reason).left_out
        };
        Ok(Self { set, left_out })
    }
}

/// That no image is left, and what was left out.
fn none_left(path: &Path, selection: &Selection) -> DataError {
    let found = format!("none{}", LeftOutLine(&selection.left_out));
    DataError::NoGoodImages { path: path.to_owned(), found }
}

/// Whether an image has no more values than a mask; one that can't be decoded tells when it is loaded.
fn has_few_values(path: &Path) -> bool {
    load_image(path, &Limits::default()).is_ok_and(|image| mask::has_few_values(&image))
}

/// The data set in a folder, and its layout; `None` for a folder that is none.
fn data_set(root: &Path, layout: Option<Layout>) -> Result<Option<(Dataset, Layout)>, DataError> {
    let layout = match layout {
        Some(layout) => Some(layout),
        None => Layout::detect(root)?,
    };
    let Some(layout) = layout else { return Ok(None) };
    let mut sets = datasets(root, layout, &DatasetOptions::default())?;
    match sets.len() {
        0 | 1 => Ok(sets.pop().map(|set| (set, layout))),
        _ => {
            let names = sets.into_iter().map(|set| set.name).collect();
            Err(DataError::Categories { path: root.to_owned(), names })
        }
    }
}

/// Why a file of a data set is neither to train on nor to test with.
fn unplaced(root: &Path, path: &Path, layout: Layout) -> Reason {
    let folders = below(root, path).parent().unwrap_or(Path::new(""));
    let mut roles = folders.iter().filter_map(|name| role_reason(Role::of(Path::new(name))));
    named(path).or_else(|| roles.next()).unwrap_or(Reason::Outside(layout))
}

/// Why a file of that name is no image of a part.
fn named(path: &Path) -> Option<Reason> {
    match is_heatmap(path) {
        true => Some(Reason::Heatmaps),
        false => is_mask(path).then_some(Reason::Masks),
    }
}

/// Why the images of a folder with a role aren't trained on.
fn role_reason(role: Role) -> Option<Reason> {
    match role {
        Role::Bad => Some(Reason::Defects),
        Role::Mask => Some(Reason::Masks),
        Role::Test => Some(Reason::Tests),
        Role::Good | Role::Train | Role::Unknown => None,
    }
}

fn is_folder(path: &Path) -> Result<bool, DataError> {
    // A link that leads nowhere is an error here, anything else but a folder where it is loaded.
    let metadata = path.metadata();
    let metadata = metadata.map_err(|source| DataError::Read { path: path.to_owned(), source });
    Ok(metadata?.is_dir())
}

fn below<'a>(root: &Path, path: &'a Path) -> &'a Path {
    path.strip_prefix(root).unwrap_or(path)
}

/// With the name that `.` stands for.
fn absolute(path: &Path) -> PathBuf {
    match path.components().next_back() {
        Some(Component::Normal(_)) => path.to_owned(),
        _ => path.canonicalize().unwrap_or_else(|_| path.to_owned()),
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let images = by_folder(self.images.iter().map(PathBuf::as_path));
        let total = self.images.len();
        let plural = if total == 1 { "" } else { "s" };
        write!(
            f,
            "{total} image{plural}{}",
            images.map_or(String::new(), |text| format!(": {text}"))
        )?;
        LeftOutLine(&self.left_out).fmt(f)
    }
}

impl fmt::Display for LabelledSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |label: Label| {
            let images = self.set.test.iter().filter(|image| image.label == label);
            let folders = by_folder(images.clone().map(|image| image.path.as_path()));
            (images.count(), folders.map_or(String::new(), |text| format!(" ({text})")))
        };
        let ((good, normal), (bad, defects)) = (of(Label::Normal), of(Label::Defect));
        write!(f, "{good} good{normal}, {bad} defective{defects}")?;
        LeftOutLine(&self.left_out).fmt(f)
    }
}

/// What was left out in one line: by reason and folder, files that are no images by name; nothing of nothing.
pub struct LeftOutLine<'a>(pub &'a [LeftOut]);

impl fmt::Display for LeftOutLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut by_reason: BTreeMap<Reason, Vec<&Path>> = BTreeMap::new();
        for LeftOut { path, reason } in self.0 {
            by_reason.entry(*reason).or_default().push(path);
        }
        for (place, (reason, paths)) in by_reason.into_iter().enumerate() {
            let what = match reason {
                Reason::NoImage => by_name(&paths),
                _ => by_folder(paths.into_iter()).unwrap_or_default(),
            };
            write!(f, "{} {what} ({reason})", if place == 0 { "; left out:" } else { "," })?;
        }
        Ok(())
    }
}

/// `12 in a/NG, 3 in a/OK`; `None` of no files.
fn by_folder<'a>(paths: impl Iterator<Item = &'a Path>) -> Option<String> {
    let mut folders: BTreeMap<&Path, usize> = BTreeMap::new();
    for path in paths {
        *folders.entry(path.parent().unwrap_or(Path::new(""))).or_default() += 1;
    }
    let named = |(folder, count): (&&Path, &usize)| match folder.as_os_str().is_empty() {
        true => format!("{count} in ."),
        false => format!("{count} in {}", folder.display()),
    };
    let mut parts: Vec<String> = folders.iter().take(NAMED).map(named).collect();
    let rest = folders.len().saturating_sub(NAMED);
    if rest > 0 {
        let count: usize = folders.values().skip(NAMED).sum();
        parts.push(format!("{count} in {rest} more folder{}", if rest == 1 { "" } else { "s" }));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// `notes.txt, v.mp4 and 3 more`.
fn by_name(paths: &[&Path]) -> String {
    let names = paths.iter().take(NAMED).map(|path| path.display().to_string());
    let names = names.collect::<Vec<_>>().join(", ");
    match paths.len().saturating_sub(NAMED) {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}
