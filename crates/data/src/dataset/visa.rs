//! The layout of VisA. Knows lists, no pixels.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use serde::Deserialize;

use super::labelled_image::{Dataset, Label, LabelledImage};
use super::list::{Line, read_text};
use crate::error::DataError;

pub(super) const LIST: &str = "split_csv/1cls.csv";

/// Reads all objects in the layout of VisA (Zou et al. 2022), sorted by name.
///
/// ```text
/// split_csv/1cls.csv                      object,split,label,image,mask
/// candle/Data/Images/Normal/0000.JPG
/// candle/Data/Images/Anomaly/000.JPG
/// candle/Data/Masks/Anomaly/000.png
/// ```
///
/// The one-class split of the authors says which images are for what: `split` is `train` or
/// `test`, `label` is `normal` or `anomaly`, `image` and `mask` are paths below `root`, and `mask`
/// is empty for normal images. Kinds of defects have no names.
///
/// # Errors
/// [`DataError::Layout`] where `split_csv/1cls.csv` is missing or lists nothing, or an object has
/// nothing to train on or to test on; [`DataError::ListLine`] where a line of it is malformed,
/// [`DataError::ListEntry`] where it names a file that is not there and
/// [`DataError::OutsideRoot`] where that might be elsewhere, [`DataError::Read`] where it cannot
/// be read.
pub fn visa(root: impl AsRef<Path>) -> Result<Vec<Dataset>, DataError> {
    let root = root.as_ref();
    let list = root.join(LIST);
    if !list.exists() {
        return Err(DataError::Layout { path: root.into(), expected: LIST, found: "no such file" });
    }
    let text = read_text(&list)?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let mut at = Cursor { list: &list, text: &text, byte: 0, number: 1 };
    let headers = reader.headers().map_err(|error| malformed(at.line(error.position()), &error))?;
    let headers = headers.clone();
    let mut objects = BTreeMap::<String, [Vec<LabelledImage>; 2]>::new();
    for record in reader.records() {
        let record = record.map_err(|error| malformed(at.line(error.position()), &error))?;
        let line = at.line(record.position());
        let row = record.deserialize::<Row>(Some(&headers));
        let row = row.map_err(|error| malformed(line, &error))?;
        let [train, test] = objects.entry(object(line, row.object)?).or_default();
        let part = if row.split == "test" { test } else { train };
        part.push(listed(line, root, &row)?);
    }
    if objects.is_empty() {
        return Err(DataError::Layout { path: list, expected: "images", found: "none" });
    }
    let datasets = objects.into_iter().map(|(name, [train, test])| {
        if train.is_empty() || test.is_empty() {
            let (path, expected) = (root.join(name), "images of both splits, train and test");
            return Err(DataError::Layout { path, expected, found: "one split" });
        }
        Ok(Dataset::sorted(name, train, test))
    });
    datasets.collect()
}

#[derive(Deserialize)]
struct Row<'a> {
    object: &'a str,
    split: &'a str,
    label: &'a str,
    image: &'a str,
    mask: &'a str,
}

/// The name of an object, which callers may name folders after.
fn object(line: Line, name: &str) -> Result<String, DataError> {
    match Path::new(name).components().collect::<Vec<_>>()[..] {
        [Component::Normal(part)] if part == name => Ok(name.to_owned()),
        _ => Err(line.malformed("an object's plain name", name)),
    }
}

fn listed(line: Line, root: &Path, row: &Row) -> Result<LabelledImage, DataError> {
    let label = match (row.split, row.label) {
        ("train" | "test", "normal") => Label::Normal,
        ("test", "anomaly") => Label::Defect,
        (split, label) => {
            let expected = "train,normal or test,normal or test,anomaly";
            return Err(line.malformed(expected, format!("{split},{label}")));
        }
    };
    let path = line.file_below(root, row.image)?;
    let masks = match (label, row.mask) {
        (Label::Normal, _) | (_, "") => Vec::new(),
        (Label::Defect, mask) => vec![line.file_below(root, mask)?],
    };
    Ok(LabelledImage { path, label, defect: None, masks })
}

fn malformed(line: Line, error: &csv::Error) -> DataError {
    line.malformed("the fields object,split,label,image,mask", error.to_string())
}

/// Counts lines as far as the records have been read.
struct Cursor<'a> {
    list: &'a Path,
    text: &'a str,
    byte: usize,
    number: usize,
}

impl<'a> Cursor<'a> {
    /// The line of a record, which for the reader starts with the line ends and blank lines
    /// before it.
    fn line(&mut self, position: Option<&csv::Position>) -> Line<'a> {
        let start = position.map_or(self.byte, |position| position.byte() as usize);
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.byte)
            && (self.byte < start || matches!(byte, b'\r' | b'\n'))
        {
            self.number += usize::from(byte == b'\n');
            self.byte += 1;
        }
        Line { list: self.list, number: self.number }
    }
}
