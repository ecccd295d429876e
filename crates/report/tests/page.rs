//! What the page shows.

mod common;

use common::{PNG, example, parse, projection, report, run, scores, texts};
use nfbmr_report::{Projection, Published, Report, ReportError, Run};
use scraper::Selector;

#[test]
fn an_empty_report_is_a_page() {
    let page = parse(&Report::new("Nothing yet"));
    assert!(page.errors.is_empty(), "{:?}", page.errors);
    assert_eq!(texts(&page, "h1"), ["Nothing yet"]);
    assert_eq!(texts(&page, "main p"), ["No runs."]);
    assert!(texts(&page, "table, svg, figure").is_empty());
}

#[test]
fn the_page_is_valid_html() {
    let mut report = report(vec![run("screws", 0, "nf"), run("nuts", 1, "nf-bmr-2")]);
    report.examples = vec![example("000.png", None, 0.5)];
    let page = parse(&report);
    assert!(page.errors.is_empty(), "{:?}", page.errors);
}

#[test]
fn every_run_appears() {
    let runs: Vec<Run> = ["screws", "nuts"]
        .into_iter()
        .flat_map(|category| [3, 1].map(|seed| [(category, seed, "nf"), (category, seed, "padim")]))
        .flatten()
        .map(|(category, seed, system)| run(category, seed, system))
        .collect();
    let page = parse(&report(runs.clone()));
    let row = Selector::parse("#runs tbody tr").unwrap();
    let cell = Selector::parse("th, td").unwrap();
    let rows: Vec<Vec<String>> = page
        .select(&row)
        .map(|row| row.select(&cell).map(|cell| cell.text().collect()).collect())
        .collect();
    assert_eq!(rows.len(), runs.len());
    for (row, run) in rows.iter().zip(&runs) {
        let seed = run.seed.to_string();
        assert_eq!(row[..3], [&run.category, &run.system, &seed].map(String::clone));
        // Precision and recall at the threshold 0.35: 2 of 3 flagged are defects, all are flagged.
        let rest = [
            "2", "2", "60.0", "90.0", "75.0", "83.3", "66.7", "100.0", "80.0", "93.0", "81.0",
            "44.0", "12.5", "8.2",
        ];
        assert_eq!(row[3..], rest.map(str::to_owned));
    }
}

#[test]
fn means_and_deviations_are_over_seeds() {
    let mut perfect = run("screws", 1, "nf");
    perfect.scores = scores(&[0.1, 0.2], &[0.3, 0.4]);
    let page = parse(&report(vec![run("screws", 0, "nf"), perfect, run("screws", 0, "padim")]));
    let cells = texts(&page, "#results table:first-of-type tbody td");
    assert_eq!(cells[..2], ["87.5 ± 17.7", "75.0"]);
    assert_eq!(texts(&page, "#results tfoot td"), ["87.5 ± 17.7", "75.0"]);
}

#[test]
fn undefined_metrics_are_dashes() {
    let mut one_class = run("good only", 0, "nf");
    one_class.scores = scores(&[0.1, 0.2], &[]);
    let mut nan = run("broken", 0, "nf");
    nan.scores = scores(&[0.1, f32::NAN], &[0.3]);
    nan.train_s = Some(f64::NAN);
    nan.image_auroc_interval = Some([f64::NAN, f64::INFINITY]);
    let infinite = {
        let mut run = run("infinite", 0, "nf");
        run.scores = scores(&[f32::NEG_INFINITY], &[f32::INFINITY]);
        run
    };
    let empty = Run::new("empty", 0, "nf");
    let page = parse(&report(vec![one_class, nan, infinite, empty]));
    let cells = texts(&page, "#results > .scroll:first-of-type tbody td");
    assert_eq!(cells, ["-", "-", "100.0", "-"]);
    let main = texts(&page, "main").concat();
    assert!(!main.contains("NaN") && !main.contains("inf "), "{main}");
}

#[test]
fn infinite_and_equal_scores_have_finite_charts() {
    let mut runs = Vec::new();
    for (seed, values) in
        [[0.0; 2], [f32::MAX; 2], [f32::MIN, f32::MAX], [0.0, f32::INFINITY]].iter().enumerate()
    {
        let mut run = run("screws", seed as u64, &format!("system {seed}"));
        run.scores = scores(values, values);
        run.image_auroc_interval = Some([f64::NEG_INFINITY, 2.0]);
        for (score, likelihood) in run.scores.iter_mut().zip([f32::NAN, f32::MIN, f32::MAX]) {
            score.likelihood = Some(likelihood);
        }
        let mut wild = projection("source");
        wild.explained = [f64::NAN, f64::INFINITY];
        wild.points[0].at = [f64::NAN, 0.0];
        wild.points[1].at = [f64::MIN, 0.0];
        wild.points[2].at = [f64::MAX, f64::NEG_INFINITY];
        wild.points[3].at = [f64::MAX, 0.0];
        let mut level = projection("level");
        level.points.iter_mut().for_each(|point| point.at = [1.0; 2]);
        let nowhere = Projection { points: wild.points[..1].to_vec(), ..wild.clone() };
        run.projections = vec![wild, level, nowhere, Projection::default()];
        runs.push(run);
    }
    let mut report = report(runs);
    report.ablation = vec!["system 0".to_owned(), "system 1".to_owned()];
    report.published = Some(Published {
        source: "elsewhere".to_owned(),
        image_auroc: vec![("system 0".to_owned(), f64::NAN), ("system 1".to_owned(), -3.0)],
    });
    // Of the four projections of each system two have points.
    let drawn = nfbmr_report::charts(&report).unwrap();
    assert_eq!(drawn.iter().filter(|(name, _)| name.starts_with("features-")).count(), 8);
    let likelihoods = |name: &str| name.starts_with("likelihoods-");
    assert_eq!(drawn.iter().filter(|(name, _)| likelihoods(name)).count(), 1, "of one flow");
    for (name, svg) in drawn {
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}: {svg}");
        roxmltree::Document::parse(&svg).unwrap();
    }
}

#[test]
fn columns_sort_by_buttons_with_exact_values() {
    let page = parse(&report(vec![run("screws", 0, "nf")]));
    let headings = Selector::parse("thead th").unwrap();
    let button = Selector::parse("button").unwrap();
    for heading in page.select(&headings) {
        assert_eq!(heading.attr("aria-sort"), Some("none"));
        assert_eq!(heading.select(&button).count(), 1);
    }
    let cell = Selector::parse("#results tbody td.number").unwrap();
    assert_eq!(page.select(&cell).next().unwrap().attr("data-value"), Some("0.75"));
}

#[test]
fn the_gallery_starts_with_the_worst() {
    let mut run = run("screws", 0, "nf");
    // The highest F1 is at the threshold 0.3.
    run.scores = scores(&[0.1, 0.2, 0.25, 0.6], &[0.15, 0.3, 0.5, 0.7, 0.8]);
    let mut report = report(vec![run]);
    report.examples = vec![
        example("of no run", Some("scratch"), 0.0),
        example("found", Some("scratch"), 0.7),
        example("found, below one", Some("scratch"), 0.5),
        example("passed", None, 0.1),
        example("missed", Some("scratch"), 0.15),
        example("false alarm", None, 0.6),
    ];
    report.examples[0].seed = 7;
    let page = parse(&report);
    assert_eq!(
        texts(&page, "figure h3"),
        ["missed", "false alarm", "found, below one", "found", "passed", "of no run"]
    );
    assert_eq!(
        texts(&page, "figure .verdict"),
        ["Missed defect", "False alarm", "Defect found", "Defect found", "Normal, passed"]
    );
}

#[test]
fn heatmaps_have_a_legend_and_their_scale() {
    let mut report = report(vec![]);
    report.examples = vec![example("000.png", None, 0.5), example("001.png", None, 0.5)];
    assert!(texts(&parse(&report), ".legend").is_empty());
    report.examples[0].heatmap = Some(PNG.to_vec().into());
    report.examples[0].scale = Some([0.25, 2.0]);
    report.examples[1].scale = Some([f32::NAN, 2.0]);
    let page = parse(&report);
    assert_eq!(texts(&page, ".legend").len(), 1);
    let shown = texts(&page, "dd");
    assert!(shown.contains(&"0.250 to 2.00".to_owned()), "{shown:?}");
    assert_eq!(texts(&page, "dt").iter().filter(|text| *text == "Scale").count(), 1);
}

#[test]
fn features_are_a_section_where_there_are_some() {
    let mut report = report(vec![run("screws", 0, "nf"), run("nuts", 0, "nf")]);
    assert!(texts(&parse(&report), "#features, a[href='#features']").is_empty());
    report.runs[1].projections = vec![projection("source"), projection("target")];
    let page = parse(&report);
    assert_eq!(texts(&page, "#features h3"), ["nuts"]);
    assert_eq!(texts(&page, "#features h4"), ["nf, source", "nf, target"]);
    assert_eq!(texts(&page, "a[href='#features']"), ["Features"]);
}

#[test]
fn images_are_embedded() {
    let mut report = report(vec![]);
    report.examples = vec![example("000.png", None, 0.5)];
    report.examples[0].mask = Some(PNG.to_vec().into());
    let page = parse(&report);
    let images: Vec<_> =
        page.select(&Selector::parse("img").unwrap()).map(|img| img.value()).collect();
    assert_eq!(images.len(), 2);
    for image in &images {
        assert!(image.attr("src").unwrap().starts_with("data:image/png;base64,iVBORw0KGgo"));
        assert_eq!((image.attr("width"), image.attr("height")), (Some("1"), Some("1")));
    }
    assert_eq!(images[1].attr("alt"), Some("000.png (mask)"));
}

#[test]
fn images_of_other_formats_are_refused() {
    let mut report = Report::new("");
    report.examples = vec![example("photo", None, 0.5)];
    report.examples[0].overlay = Some(b"\xff\xd8\xff\xe0 JPEG".to_vec().into());
    let error = report.to_html().unwrap_err();
    let expected = "expected a PNG file as overlay of the example \"photo\", found other bytes";
    assert_eq!(error.to_string(), expected);
    for length in 0..24 {
        report.examples[0].overlay = Some(PNG[..length].to_vec().into());
        assert!(matches!(report.to_html(), Err(ReportError::NotPng { image: "overlay", .. })));
    }
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    let mut report = report(vec![run("https://example.com/", 0, "nf")]);
    report.examples = vec![example("http://example.com/a.png", None, 0.5)];
    let page = parse(&report);
    let allowed = ["http://www.w3.org/2000/svg"];
    for element in page.select(&Selector::parse("*").unwrap()) {
        for (name, value) in element.value().attrs() {
            // Names are shown as text, and in the texts for screen readers.
            let text = matches!(name, "alt" | "aria-label");
            assert!(
                text || allowed.contains(&value)
                    || !value.contains("//")
                    || value.starts_with("data:")
            );
            let loads = matches!(name, "src" | "srcset" | "poster" | "style" | "action");
            assert!(!loads || value.starts_with("data:"), "{name}={value}");
            assert!(name != "href" || value.starts_with('#') || value == "data:,", "{value}");
        }
    }
    let policy = Selector::parse("meta[http-equiv='Content-Security-Policy']").unwrap();
    let policy = page.select(&policy).next().unwrap().attr("content").unwrap();
    assert!(policy.starts_with("default-src 'none'; img-src data:;"), "{policy}");
    assert!(!policy.contains("unsafe"));
}
