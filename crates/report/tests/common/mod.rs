//! Reports to test with, and pages read as a browser reads them.

#![allow(dead_code)] // Each test file uses a part.

use nfbmr_report::{Example, Pixel, ProjectedImage, Projection, Report, Run, Score};
use scraper::{Html, Selector};

/// Breaks out of text, attributes, scripts, styles, comments and SVG where it isn't escaped.
pub const HOSTILE: &str = "<script>alert(1)</script>\"'&amp;--></style>]]></svg>\0\u{202e}";

/// [`HOSTILE`] as a reader sees it.
pub const SHOWN: &str = "<script>alert(1)</script>\"'&amp;--></style>]]></svg>\u{fffd}\u{fffd}";

/// An image of one pixel.
pub const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\x3a\x7e\x9b\x55\0\0\0\
    \nIDATx\x9cc`\0\0\0\x02\0\x01\x48\xaf\xa4\x71\0\0\0\0IEND\xaeB`\x82";

/// Scores of normal images, then of defects.
pub fn scores(normal: &[f32], defect: &[f32]) -> Vec<Score> {
    let score = |defect: Option<&str>, score| Score {
        path: format!("{score}.png"),
        defect: defect.map(str::to_owned),
        score,
        likelihood: None,
        kind: None,
    };
    let normal = normal.iter().map(|&value| score(None, value));
    normal.chain(defect.iter().map(|&value| score(Some("scratch"), value))).collect()
}

/// AUROC 0.75.
pub fn run(category: &str, seed: u64, system: &str) -> Run {
    let mut run = Run::new(category, seed, system);
    run.scores = scores(&[0.1, 0.4], &[0.35, 0.8]);
    run.image_auroc_interval = Some([0.6, 0.9]);
    run.pixel = Some(Pixel { auroc: 0.93, aupro: 0.81, f1_max: 0.44 });
    run.train_s = Some(12.5);
    run.detect_ms = Some(8.25);
    run
}

pub fn report(runs: Vec<Run>) -> Report {
    let mut report = Report::new("Report");
    report.runs = runs;
    report
}

pub fn example(title: &str, defect: Option<&str>, score: f32) -> Example {
    Example {
        title: title.to_owned(),
        category: "screws".to_owned(),
        system: "nf".to_owned(),
        defect: defect.map(str::to_owned),
        score,
        image: PNG.to_vec().into(),
        ..Example::default()
    }
}

/// Two normal images at the corners, two with a defect at the others.
pub fn projection(space: &str) -> Projection {
    let corners = [[-2.0, 1.0], [4.0, -5.0], [-2.0, -5.0], [4.0, 1.0]];
    let point = |(at, defect): ([f64; 2], Option<&str>)| ProjectedImage {
        path: "000.png".to_owned(),
        defect: defect.map(str::to_owned),
        at,
    };
    let defects = [None, None, Some("scratch"), Some("scratch")];
    Projection {
        space: space.to_owned(),
        explained: [0.5, 0.25],
        points: corners.into_iter().zip(defects).map(point).collect(),
    }
}

pub fn parse(report: &Report) -> Html {
    Html::parse_document(&report.to_html().unwrap())
}

/// The text of each match.
pub fn texts(page: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    page.select(&selector).map(|element| element.text().collect()).collect()
}
