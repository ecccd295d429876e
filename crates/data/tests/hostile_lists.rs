//! Lists that are damaged or made to harm: a typed error with the line, never a panic.

mod support;

use std::path::Path;

use nfbmr_data::{DataError, ElpvOptions, dagm, elpv, path_list, visa};
use proptest::prelude::*;
use support::{touch, write};
use tempfile::TempDir;

const DAGM: &str = "Train/Label/Labels.txt";
const VISA: &str = "split_csv/1cls.csv";
const ELPV: &str = "labels.csv";
const HEADER: &str = "object,split,label,image,mask\n";

/// The error of a list with this content, beside an image `a.png` for each layout.
fn error_of(list: &str, content: &[u8]) -> (TempDir, DataError) {
    let root = TempDir::new().unwrap();
    let dir = root.path().join("set");
    touch(root.path(), &["outside.png"]);
    touch(&dir, &["a.png", "Train/a.png", "Train/Label/a_label.png"]);
    write(&dir, list, content);
    let error = read(list, &dir).unwrap_err();
    (root, error)
}

fn read(list: &str, dir: &Path) -> Result<(), DataError> {
    match list {
        DAGM => dagm(dir).map(drop),
        VISA => visa(dir).map(drop),
        _ => elpv(dir, &ElpvOptions::default()).map(drop),
    }
}

#[test]
fn malformed_lines_are_named() {
    let cases = [
        (DAGM, "1\n1 0 a.png 0 0\n2 0 a.png 0\n".to_owned(), 3, "five fields"),
        (DAGM, "1\n1 2 a.png 0 0\n".to_owned(), 2, "five fields"),
        (DAGM, "1\n\n\n1 0 a.png 0 0 0\n".to_owned(), 4, "five fields"),
        (ELPV, "a.png 0.0 mono\n\na.png 0.0\n".to_owned(), 3, "three fields"),
        (ELPV, "a.png 0.5 mono\n".to_owned(), 1, "probability"),
        (ELPV, "a.png NaN mono\n".to_owned(), 1, "probability"),
        (ELPV, "a.png none mono\n".to_owned(), 1, "probability"),
        (ELPV, "a.png 0.0 duo\n".to_owned(), 1, "mono or poly"),
        (VISA, format!("{HEADER}c,train,normal,a.png,\nc,train,normal,a.png\n"), 3, "the fields"),
        (VISA, format!("{HEADER}c,train,good,a.png,\n"), 2, "train,normal"),
        (VISA, format!("{HEADER}c,train,anomaly,a.png,\n"), 2, "train,normal"),
        (VISA, format!("{HEADER}c,dev,normal,a.png,\n"), 2, "train,normal"),
        (VISA, format!("{HEADER}../c,train,normal,a.png,\n"), 2, "plain name"),
        (VISA, format!("{HEADER}..,train,normal,a.png,\n"), 2, "plain name"),
        (VISA, format!("{HEADER}/,train,normal,a.png,\n"), 2, "plain name"),
        (VISA, format!("{HEADER},train,normal,a.png,\n"), 2, "plain name"),
        (
            VISA,
            format!("{HEADER}c,train,normal,a.png,\n\n\nc,x,normal,a.png,\n"),
            5,
            "train,normal",
        ),
        (VISA, format!("{HEADER}\n\nc,train,normal,a.png\n"), 4, "the fields"),
        (VISA, "object,split,label,mask\nc,train,normal,\n".to_owned(), 2, "the fields"),
    ];
    for (list, content, at, wanted) in cases {
        for content in [content.replace('\n', "\r\n"), content] {
            let (_root, error) = error_of(list, content.as_bytes());
            let DataError::ListLine { list: path, line, expected, .. } = &error else {
                panic!("{content:?}: {error:?}");
            };
            assert!(path.ends_with(list) && *line == at, "{content:?}: {error}");
            assert!(expected.contains(wanted), "{content:?}: {error}");
        }
    }
}

#[test]
fn names_must_not_leave_the_root() {
    let absolute = std::env::temp_dir().join("outside.png");
    let absolute = absolute.to_str().unwrap();
    for name in ["../outside.png", "a/../../outside.png", "./../outside.png", "..", absolute] {
        let cases = [
            (DAGM, format!("1\n1 0 {name} 0 0\n"), 2),
            (DAGM, format!("1\n1 1 a.png 0 {name}\n"), 2),
            (ELPV, format!("{name} 0.0 mono\n"), 1),
            (VISA, format!("{HEADER}c,train,normal,{name},\n"), 2),
            (VISA, format!("{HEADER}c,test,anomaly,a.png,{name}\n"), 2),
        ];
        for (list, content, at) in cases {
            let (_root, error) = error_of(list, content.as_bytes());
            let DataError::OutsideRoot { list: file, line, path, .. } = &error else {
                panic!("{content:?}: {error:?}");
            };
            assert!(file.ends_with(list) && *line == at, "{content:?}: {error}");
            assert_eq!(path, Path::new(name));
        }
    }
}

#[test]
fn named_files_must_be_there() {
    let cases = [
        (DAGM, "1\n1 1 a.png 0 b_label.png\n".to_owned(), 2),
        (ELPV, "b.png 0.0 mono\n".to_owned(), 1),
        (VISA, format!("{HEADER}c,train,normal,b.png,\n"), 2),
        (VISA, format!("{HEADER}c,train,normal,,\n"), 2),
        (VISA, format!("{HEADER}\nc,train,normal,\"b\nb.png\",\nc,x,x,x,\n"), 3),
    ];
    for (list, content, at) in cases {
        let (_root, error) = error_of(list, content.as_bytes());
        let matches = matches!(error, DataError::ListEntry { line, .. } if line == at);
        assert!(matches, "{content:?}: {error:?}");
    }
}

#[test]
fn lists_must_be_text_files() {
    for list in [DAGM, VISA, ELPV] {
        let (_root, error) = error_of(list, b"\xFF\xFE\x00");
        assert!(matches!(error, DataError::Read { .. }), "{list}: {error:?}");
        let root = TempDir::new().unwrap();
        touch(root.path(), &[Path::new(list).join("a.png")]);
        let error = read(list, root.path()).unwrap_err();
        assert!(matches!(error, DataError::NotAFile { .. }), "{list}: {error:?}");
    }
    let root = TempDir::new().unwrap();
    let error = path_list(root.path()).unwrap_err();
    assert!(matches!(error, DataError::NotAFile { .. }), "{error:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_list_makes_a_reader_panic(
        content in "([01,./a\" \t\n\r\u{feff}]|0\\.0|mono|train|normal|a\\.png|\\.\\.|\\PC){0,60}",
        headed: bool,
    ) {
        for list in [DAGM, VISA, ELPV] {
            let head = if headed && list == VISA { HEADER } else { "" };
            let (root, error) = error_of(list, format!("{head}{content}").as_bytes());
            // No test part, too few cells or one split: none of these can be a whole data set.
            let root = root.path().join("set");
            let message = error.to_string();
            prop_assert!(message.contains(root.to_str().unwrap()), "{}", message);
        }
    }
}
