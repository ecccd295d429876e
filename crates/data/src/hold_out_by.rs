//! Which images are held out together: several frames of one part, say. Knows paths, no pixels.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use regex_lite::Regex;

use crate::error::HoldOutError;

/// What is held out of training as a whole. Frames of one part know each other: a model that was trained on one of
/// them scores the others too low for a threshold.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum HoldOutBy {
    /// Each image by itself.
    #[default]
    Image,
    /// All images of a folder.
    Folder,
    /// All images whose file names match a regular expression in the same way: in its first group, or all of it. One
    /// that doesn't match is by itself.
    Pattern(Regex),
}

impl HoldOutBy {
    /// What an image is held out by; two with the same are held out together.
    pub fn key(&self, path: &Path) -> String {
        let own = || path.to_string_lossy().into_owned();
        match self {
            Self::Image => own(),
            Self::Folder => path.parent().map(Path::to_string_lossy).unwrap_or_default().into(),
            Self::Pattern(pattern) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let found = pattern.captures(&name);
                let group = found.as_ref().and_then(|found| found.get(1).or(found.get(0)));
                // No file is called so.
                group.map_or_else(own, |group| format!("/{}", group.as_str()))
            }
        }
    }

    /// The images by what they are held out by.
    pub fn groups(&self, images: Vec<PathBuf>) -> Vec<Vec<PathBuf>> {
        let mut groups: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for image in images {
            groups.entry(self.key(&image)).or_default().push(image);
        }
        groups.into_values().collect()
    }
}

impl PartialEq for HoldOutBy {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Image, Self::Image) | (Self::Folder, Self::Folder) => true,
            (Self::Pattern(own), Self::Pattern(other)) => own.as_str() == other.as_str(),
            _ => false,
        }
    }
}

impl FromStr for HoldOutBy {
    type Err = HoldOutError;

    /// `image`, `folder` or a regular expression.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "image" => Ok(Self::Image),
            "folder" => Ok(Self::Folder),
            pattern => Regex::new(pattern).map(Self::Pattern).map_err(|error| {
                HoldOutError::Pattern { found: pattern.to_owned(), problem: error.to_string() }
            }),
        }
    }
}

impl fmt::Display for HoldOutBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image => f.write_str("image"),
            Self::Folder => f.write_str("folder"),
            Self::Pattern(pattern) => f.write_str(pattern.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(by: &str, images: &[&str]) -> Vec<Vec<String>> {
        let images = images.iter().map(PathBuf::from).collect();
        let groups = by.parse::<HoldOutBy>().unwrap().groups(images).into_iter();
        let text = |path: PathBuf| path.display().to_string();
        groups.map(|group| group.into_iter().map(text).collect()).collect()
    }

    #[test]
    fn images_are_grouped_by_folder_or_name() {
        let images = ["a/p1_f1.png", "a/p1_f2.png", "b/p2_f1.png", "b/p1_f3.png", "b/other.png"];
        assert_eq!(groups("image", &images).len(), 5);
        let by_folder = groups("folder", &images);
        assert_eq!(by_folder, [images[..2].to_vec(), images[2..].to_vec()]);
        let by_part = groups(r"^(p\d+)_", &images);
        let sizes: Vec<usize> = by_part.iter().map(Vec::len).collect();
        assert_eq!(sizes.iter().sum::<usize>(), 5);
        assert!(by_part.contains(&vec![
            "a/p1_f1.png".into(),
            "a/p1_f2.png".into(),
            "b/p1_f3.png".into()
        ]));
        // Without a group, by all that matches.
        assert_eq!(groups(r"p\d", &images).len(), 3);
        assert!(groups(r"^(p\d+)_", &images).contains(&vec!["b/other.png".into()]));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let error = "(part".parse::<HoldOutBy>().unwrap_err().to_string();
        assert!(error.contains("(part"), "{error}");
        let by: HoldOutBy = r"^(\d+)".parse().unwrap();
        assert_eq!((by.to_string().as_str(), by.clone()), (r"^(\d+)", by));
    }
}
