//! The layout of DAGM 2007. Knows lists and the folders of MVTec AD, no pixels.

use std::path::{Path, PathBuf};

use super::labelled_image::{Dataset, Label, LabelledImage, folder_name};
use super::list::{Line, lines, read_text};
use super::mvtec::categories;
use crate::error::DataError;

/// Reads one class in the layout of DAGM 2007 (Wieler and Hahn), as its ten classes are published.
///
/// ```text
/// Class1/Train/0576.PNG                   images
/// Class1/Train/Label/Labels.txt           which of them have a defect
/// Class1/Train/Label/0576_label.PNG       an ellipse around the defect
/// Class1/Test/...                         the same
/// ```
///
/// A line of `Labels.txt` is `576  1  0576.PNG  0  0576_label.PNG`: a number, 1 where there is a
/// defect and else 0, the image, a number without meaning here, and the mask or 0. The first line
/// is a header.
///
/// To train on are the images of `Train` without a defect; those with one are left out. To test on
/// is all of `Test`. Kinds of defects have no names. The masks are coarse: an ellipse covers the
/// defect and some of the surface around it.
///
/// # Errors
/// [`DataError::Layout`] where a `Labels.txt` is missing or lists no image to use,
/// [`DataError::ListLine`] where a line of it is malformed, [`DataError::ListEntry`] where it
/// names a file that is not there and [`DataError::OutsideRoot`] where that might be elsewhere,
/// [`DataError::Read`] where it cannot be read.
pub fn dagm(class: impl AsRef<Path>) -> Result<Dataset, DataError> {
    let class = class.as_ref();
    let mut train = labelled(class, "Train", "Train/Label/Labels.txt")?;
    train.retain(|image| !image.is_defect());
    let test = labelled(class, "Test", "Test/Label/Labels.txt")?;
    for (images, part) in [(&train, "Train"), (&test, "Test")] {
        if images.is_empty() {
            let path = class.join(part).join("Label").join("Labels.txt");
            let expected = "at least one image to use";
            return Err(DataError::Layout { path, expected, found: "none" });
        }
    }
    Ok(Dataset::sorted(folder_name(class), train, test))
}

pub(super) fn dagm_classes(root: &Path) -> Result<Vec<PathBuf>, DataError> {
    categories(
        root,
        |class| Ok(class.join("Train/Label").is_dir()),
        "Train/Label, or folders that have one",
    )
}

fn labelled(
    class: &Path,
    part: &str,
    expected: &'static str,
) -> Result<Vec<LabelledImage>, DataError> {
    let images = class.join(part);
    let list = images.join("Label").join("Labels.txt");
    if !list.exists() {
        return Err(DataError::Layout { path: class.into(), expected, found: "no such file" });
    }
    let text = read_text(&list)?;
    let listed = lines(&list, &text).map(|(line, text)| (line, listed(line, text, &images)));
    // What the header says differs, if it is there at all.
    listed
        .filter(|(line, image)| {
            line.number > 1 || !matches!(image, Err(DataError::ListLine { .. }))
        })
        .map(|(_, image)| image)
        .collect()
}

fn listed(line: Line, text: &str, images: &Path) -> Result<LabelledImage, DataError> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [_, label @ ("0" | "1"), image, _, mask] = fields[..] else {
        return Err(line.malformed("five fields `number 0|1 image number mask|0`", text));
    };
    let path = line.file_below(images, image)?;
    if label == "0" {
        return Ok(LabelledImage::normal(path));
    }
    let masks = match mask {
        "0" => Vec::new(),
        mask => vec![line.file_below(&images.join("Label"), mask)?],
    };
    Ok(LabelledImage { path, label: Label::Defect, defect: None, masks })
}
