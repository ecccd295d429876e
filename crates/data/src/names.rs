//! What the name of a folder or a file says of the images. Knows labels, and opens no file.

use std::path::Path;

use crate::dataset::Label;

/// Words that stand for good parts.
const GOOD: [&str; 8] = ["good", "ok", "okay", "pass", "passed", "normal", "gut", "io"];

/// Words that stand for defects.
const BAD: [&str; 24] = [
    "bad",
    "ng",
    "nok",
    "ko",
    "fail",
    "failed",
    "defect",
    "defects",
    "defective",
    "abnormal",
    "anomaly",
    "anomalies",
    "anomalous",
    "reject",
    "rejects",
    "rejected",
    "faulty",
    "defekt",
    "nio",
    "nogood",
    "notgood",
    "notok",
    "scrap",
    "ausschuss",
];

/// Words that turn the one that follows into its opposite.
const NOT: [&str; 6] = ["no", "not", "non", "n", "nicht", "without"];

/// Words of folders of masks, and the last word of a file that is one.
const MASK: [&str; 14] = [
    "mask",
    "masks",
    "label",
    "labels",
    "gt",
    "groundtruth",
    "annotation",
    "annotations",
    "heatmap",
    "heatmaps",
    "segmentation",
    "segmentations",
    "labelme",
    "maske",
];

/// Words of folders of images that are kept to test with.
const TEST: [&str; 6] = ["test", "tests", "testing", "val", "valid", "validation"];

/// Words of folders of images to train on.
const TRAIN: [&str; 2] = ["train", "training"];

/// Words that say nothing of whether parts are good.
const NEUTRAL: [&str; 11] = [
    "part", "parts", "image", "images", "img", "imgs", "picture", "pictures", "photos", "sample",
    "samples",
];

/// What the name of a folder says of the images in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    Good,
    Bad,
    /// Masks, labels, ground truth or heatmaps.
    Mask,
    Test,
    Train,
    /// Nothing, or both that parts are good and that they aren't.
    Unknown,
}

impl Role {
    /// Of the last folder of a path.
    pub(crate) fn of(folder: &Path) -> Self {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        match Self::of_words(&words(&name, false)) {
            Self::Unknown => Self::of_words(&words(&name, true)),
            role => role,
        }
    }

    fn of_words(words: &[String]) -> Self {
        let any = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
        let truth = words.windows(2).any(|pair| pair == ["ground", "truth"]);
        if truth || any(&MASK) {
            return Self::Mask;
        }
        if any(&TEST) {
            return Self::Test;
        }
        let (good, bad) = verdicts(words);
        match (good, bad) {
            (true, false) => Self::Good,
            (false, true) => Self::Bad,
            (false, false) if any(&TRAIN) => Self::Train,
            _ => Self::Unknown,
        }
    }

    /// Whether every word of a name that stands for defects or masks does, besides those that say nothing:
    /// `bad parts` and `NG`, not `defect-detection`.
    pub(crate) fn is_all_of(folder: &Path) -> bool {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let known = |word: &String| {
            let word = word.as_str();
            [&BAD[..], &NOT, &GOOD, &MASK, &NEUTRAL].iter().any(|list| list.contains(&word))
                || ["ground", "truth"].contains(&word)
                || word.chars().all(char::is_numeric)
        };
        matches!(Self::of(folder), Self::Bad | Self::Mask) && words(&name, true).iter().all(known)
    }
}

/// What the name of a folder says of the parts, whatever else it says; `None` where it says nothing or both.
pub(crate) fn verdict(folder: &Path) -> Option<Label> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let of = |camel| match verdicts(&words(&name, camel)) {
        (true, false) => Some(Label::Normal),
        (false, true) => Some(Label::Defect),
        _ => None,
    };
    of(false).or_else(|| of(true))
}

/// Whether words say that parts are good, and whether they say that they aren't.
fn verdicts(words: &[String]) -> (bool, bool) {
    let (mut good, mut bad) = (false, false);
    let mut negated = false;
    let mut words = words.iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        // "i. O." and "n. i. O."
        let in_order = word == "i" && words.next_if_eq(&"o").is_some();
        let is_good = in_order || GOOD.contains(&word);
        let is_bad = BAD.contains(&word);
        let freed = is_bad && words.next_if_eq(&"free").is_some();
        good |= (is_good && !negated) || (is_bad && (negated || freed));
        bad |= (is_good && negated) || (is_bad && !negated && !freed);
        negated = NOT.contains(&word);
    }
    (good, bad)
}

/// Whether a file's name says that it marks another image's pixels, or is a heatmap of one: it ends in a word
/// such as `mask`, `label` or `heatmap`, after another word.
pub(crate) fn is_mask(file: &Path) -> bool {
    mask_of(file).is_some()
}

/// What is before that word: the stem of the image that the file marks, lowercase.
pub(crate) fn mask_of(file: &Path) -> Option<String> {
    let stem = file.file_stem()?.to_string_lossy().to_lowercase();
    // A second heatmap of the same name has a number.
    let (base, number) = stem.rsplit_once('-').unwrap_or((&stem, ""));
    let numbered = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
    let whole = if numbered && base.ends_with("_heatmap") { base } else { &stem };
    let (before, last) = whole.rsplit_once(['_', '-', '.', ' '])?;
    let (before, last) = match (before.rsplit_once(['_', '-', '.', ' ']), last) {
        (Some((before, "ground")), "truth") => (before, "mask"),
        _ => (before, last),
    };
    (MASK.contains(&last) && !before.is_empty()).then(|| before.to_owned())
}

/// Whether it is a heatmap that this program wrote, by its name.
pub(crate) fn is_heatmap(file: &Path) -> bool {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let base = stem.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('-');
    base.ends_with("_heatmap")
}

/// The words of a name, lowercase: parts of letters or of digits alone, and, where `camel`, those that start
/// with a capital after a small letter.
fn words(name: &str, camel: bool) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut before = ' ';
    for c in name.chars() {
        let turns = before.is_numeric() != c.is_numeric()
            || (camel && before.is_lowercase() && c.is_uppercase());
        if (!c.is_alphanumeric() || turns) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str) -> Role {
        Role::of(Path::new(name))
    }

    #[test]
    fn names_of_good_parts() {
        for name in [
            "good",
            "Good",
            "GOOD",
            "good_parts",
            "good-parts 2024",
            "GoodParts",
            "OK",
            "ok1",
            "Okay",
            "pass",
            "PASSED",
            "normal",
            "Gut",
            "iO",
            "IO",
            "i.O.",
            "i_o",
            "defect_free",
            "no-defects",
            "NonDefective",
            "Teile gut",
        ] {
            assert_eq!(role(name), Role::Good, "{name}");
        }
    }

    #[test]
    fn names_of_defects() {
        for name in [
            "bad",
            "BAD",
            "NG",
            "ng_2",
            "NG2",
            "nok",
            "N.OK",
            "NOK",
            "fail",
            "Failed",
            "defect",
            "Defects",
            "defective parts",
            "abnormal",
            "Anomaly",
            "logical_anomalies",
            "anomalous",
            "reject",
            "rejects",
            "faulty",
            "Defekt",
            "niO",
            "n.i.O.",
            "NIO",
            "no_good",
            "NoGood",
            "no good",
            "not_ok",
            "notOK",
            "not-good",
            "ko",
        ] {
            assert_eq!(role(name), Role::Bad, "{name}");
        }
    }

    #[test]
    fn other_names() {
        for name in ["masks", "Mask", "ground_truth", "GroundTruth", "labels", "gt", "heatmaps"] {
            assert_eq!(role(name), Role::Mask, "{name}");
        }
        for name in ["test", "Test", "test_public", "test_good", "validation", "val"] {
            assert_eq!(role(name), Role::Test, "{name}");
        }
        for name in
            ["bright", "goods", "badge", "crack", "kosmetik", "Free", "good-bad", "ok-ng", ""]
        {
            assert_eq!(role(name), Role::Unknown, "{name}");
        }
        assert_eq!(role("Train"), Role::Train);
    }

    #[test]
    fn a_project_named_after_defects_is_no_folder_of_them() {
        for (name, expected) in [
            ("NG", true),
            ("bad parts", true),
            ("no_good_2", true),
            ("masks", true),
            ("defect-detection", false),
            ("good", false),
            ("bright", false),
        ] {
            assert_eq!(Role::is_all_of(Path::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn masks_and_heatmaps_by_their_names() {
        for (name, expected) in [
            ("000_mask.png", Some("000")),
            ("000_MASK.PNG", Some("000")),
            ("Part0_label.bmp", Some("part0")),
            ("a-gt.jpg", Some("a")),
            ("a_ground_truth.png", Some("a")),
            ("a_heatmap.png", Some("a")),
            ("a_heatmap-2.png", Some("a")),
            ("mask_000.png", None),
            ("mask.png", None),
            ("000.png", None),
            ("unmask.png", None),
        ] {
            assert_eq!(mask_of(Path::new(name)).as_deref(), expected, "{name}");
        }
        assert!(
            is_heatmap(Path::new("out/000_heatmap-3.png"))
                && is_heatmap(Path::new("a_heatmap.png"))
        );
        assert!(!is_heatmap(Path::new("heatmap.png")) && !is_heatmap(Path::new("000_mask.png")));
    }
}
