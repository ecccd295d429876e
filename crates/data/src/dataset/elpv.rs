//! The layout of ELPV. Knows lists, no pixels.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::labelled_image::{Dataset, Label, LabelledImage};
use super::list::{Line, lines, read_text};
use crate::error::{DataError, NameError};
use crate::shuffle::shuffle;

pub(super) const LIST: &str = "labels.csv";

/// The crystal of a solar cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CellType {
    /// Monocrystalline.
    Mono,
    /// Polycrystalline.
    Poly,
}

impl CellType {
    /// Both types.
    pub const ALL: [Self; 2] = [Self::Mono, Self::Poly];
}

impl fmt::Display for CellType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Mono => "mono",
            Self::Poly => "poly",
        })
    }
}

impl FromStr for CellType {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        let known = Self::ALL.into_iter().find(|cell| cell.to_string() == name);
        known.ok_or_else(|| NameError::new(&Self::ALL, name))
    }
}

/// Which of the cells [`elpv`] takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElpvOptions {
    /// Cells of this type only; of both where there is none, the default.
    pub cells: Option<CellType>,
    /// How many normal cells are for training; 200 by default.
    pub train: usize,
    /// Which normal cells those are; 0 by default.
    pub seed: u64,
}

impl Default for ElpvOptions {
    fn default() -> Self {
        Self { cells: None, train: 200, seed: 0 }
    }
}

/// Reads ELPV (Buerhop-Lutz et al. 2018): solar cells by electroluminescence, without masks.
///
/// ```text
/// labels.csv                      images/cell0001.png  1.0  mono
/// images/cell0001.png
/// ```
///
/// A line of `labels.csv` is, separated by spaces: a path below `root`, the probability of a
/// defect (0, 1/3, 2/3 or 1), and the type of the cell (`mono` or `poly`). Cells of 0 are normal
/// and cells of 1 have a defect; those in between, of which the experts were not sure, are left
/// out.
///
/// The set comes without a split: the normal cells, sorted by path, are shuffled by the seed, the
/// same on every machine; the first of them are to train on and the rest is tested on, and so are
/// all cells with a defect. The data set is called `elpv`, `elpv-mono` or `elpv-poly`.
///
/// # Errors
/// [`DataError::Layout`] where `labels.csv` is missing, [`DataError::ListLine`] where a line of it
/// is malformed, [`DataError::ListEntry`] where it names a file that is not there and
/// [`DataError::OutsideRoot`] where that might be elsewhere, [`DataError::Read`] where it cannot
/// be read; [`DataError::TooFewNormal`] where no normal cell would be left to test on.
pub fn elpv(root: impl AsRef<Path>, options: &ElpvOptions) -> Result<Dataset, DataError> {
    let root = root.as_ref();
    let list = root.join(LIST);
    if !list.exists() {
        return Err(DataError::Layout { path: root.into(), expected: LIST, found: "no such file" });
    }
    let (mut normal, mut test) = (Vec::new(), Vec::new());
    for (line, text) in lines(&list, &read_text(&list)?) {
        let (path, certainty, cell) = cell(line, text, root)?;
        if options.cells.is_some_and(|wanted| wanted != cell) {
            continue;
        }
        match certainty {
            Certainty::Normal => normal.push(path),
            Certainty::Unsure => {}
            Certainty::Defect => {
                test.push(LabelledImage {
                    path,
                    label: Label::Defect,
                    defect: None,
                    masks: Vec::new(),
                });
            }
        }
    }
    let (train, found) = (options.train, normal.len());
    if found <= train {
        return Err(DataError::TooFewNormal { path: root.into(), train, found });
    }
    normal.sort_unstable();
    shuffle(&mut normal, options.seed);
    let test_normal = normal.split_off(train);
    test.extend(test_normal.into_iter().map(LabelledImage::normal));
    let name = options.cells.map_or("elpv".to_owned(), |cell| format!("elpv-{cell}"));
    Ok(Dataset::sorted(name, normal.into_iter().map(LabelledImage::normal).collect(), test))
}

enum Certainty {
    Normal,
    Unsure,
    Defect,
}

fn cell(line: Line, text: &str, root: &Path) -> Result<(PathBuf, Certainty, CellType), DataError> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [path, probability, cell] = fields[..] else {
        return Err(line.malformed("three fields `path probability type`", text));
    };
    let near = |value: f64| probability.parse().is_ok_and(|p: f64| (p - value).abs() < 0.01);
    let certainty = if near(0.0) {
        Certainty::Normal
    } else if near(1.0) {
        Certainty::Defect
    } else if near(1.0 / 3.0) || near(2.0 / 3.0) {
        Certainty::Unsure
    } else {
        return Err(line.malformed("a probability of 0, 1/3, 2/3 or 1", probability));
    };
    let cell = cell.parse().map_err(|_| line.malformed("the type mono or poly", cell))?;
    Ok((line.file_below(root, path)?, certainty, cell))
}
