//! The file.

mod common;

use common::{PNG, example, report, run};
use nfbmr_report::{Example, Report, ReportError, charts};

#[test]
fn the_file_is_the_page_and_replaces_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    Report::new("old").write(&path).unwrap();
    let report = report(vec![run("screws", 0, "nf")]);
    report.write(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), report.to_html().unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_report_that_fails_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    Report::new("old").write(&path).unwrap();
    let twice = report(vec![run("screws", 0, "nf"), run("screws", 0, "nf")]);
    let error = twice.write(&path).unwrap_err();
    assert!(matches!(error, ReportError::DuplicateRun { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), Report::new("old").to_html().unwrap());
}

#[test]
fn a_missing_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("absent").join("report.html");
    let error = Report::new("").write(&path).unwrap_err();
    assert!(error.to_string().contains("absent"), "{error}");
    assert!(matches!(error, ReportError::Write { .. }));
}

#[test]
fn a_folder_has_the_page_and_the_charts() {
    let root = tempfile::tempdir().unwrap();
    let report = report(vec![run("screws", 0, "nf")]);
    let folder = root.path().join("new/folder");
    for _ in 0..2 {
        let page = report.write_folder(&folder).unwrap();
        assert_eq!(page, folder.join("report.html"));
        assert_eq!(std::fs::read_to_string(page).unwrap(), report.to_html().unwrap());
        for (name, svg) in charts(&report).unwrap() {
            assert_eq!(std::fs::read_to_string(folder.join("charts").join(name)).unwrap(), svg);
        }
    }
    let file = root.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = report.write_folder(&file).unwrap_err();
    assert!(error.to_string().contains("file/charts"), "{error}");
}

#[test]
fn a_folder_has_the_gallery_with_the_worst_first() {
    let folder = tempfile::tempdir().unwrap();
    let mut report = report(vec![run("screws", 0, "nf")]);
    report.examples = vec![
        example("passed", None, 0.1),
        example("../<missed>", Some("scratch"), 0.1),
        example("../<missed>", Some("scratch"), 0.2),
    ];
    report.examples[1].heatmap = Some(PNG.to_vec().into());
    report.write_folder(folder.path()).unwrap();
    let mut names: Vec<String> = std::fs::read_dir(folder.path().join("gallery"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    let expected = [
        "001-____missed_-heatmap.png",
        "001-____missed_-image.png",
        "002-____missed_-image.png",
        "003-passed-image.png",
    ];
    assert_eq!(names, expected);
    let written = std::fs::read(folder.path().join("gallery").join(&names[0])).unwrap();
    assert_eq!(written, PNG);
    report.examples[0].image = b"GIF89a".to_vec().into();
    assert!(matches!(report.write_folder(folder.path()), Err(ReportError::NotPng { .. })));
}

#[test]
fn pictures_can_be_kept_as_json() {
    let example = example("000.png", Some("scratch"), 0.5);
    let json = serde_json::to_string(&example).unwrap();
    assert!(json.contains("\"iVBORw0KGgo"), "{json}");
    assert_eq!(serde_json::from_str::<Example>(&json).unwrap(), example);
    let error = serde_json::from_str::<Example>(&json.replace("iVBOR", "<>")).unwrap_err();
    assert!(error.to_string().contains("Invalid"), "{error}");
}
