//! Names from elsewhere stay names.

mod common;

use std::collections::BTreeSet;

use common::{HOSTILE, SHOWN, example, parse, projection, report, run, texts};
use nfbmr_report::{Published, Report, charts};
use proptest::prelude::*;
use scraper::{Html, Selector};

/// A report with the name wherever a caller can put one.
fn named(name: &str) -> Report {
    let mut report = report(vec![run(name, 0, name), run("screws", 0, name), run(name, 0, "nf")]);
    report.title = name.to_owned();
    report.ablation = vec![name.to_owned()];
    report.published =
        Some(Published { source: name.to_owned(), image_auroc: vec![(name.to_owned(), 0.9)] });
    let mut example = example(name, Some(name), 0.1);
    example.scale = Some([0.0, 1.0]);
    (example.category, example.system) = (name.to_owned(), name.to_owned());
    example.caption = name.to_owned();
    report.examples = vec![example];
    for run in &mut report.runs {
        let mut projection = projection(name);
        for point in &mut projection.points {
            point.path = name.to_owned();
            point.defect = point.defect.take().map(|_| name.to_owned());
        }
        run.projections = vec![projection];
        for score in &mut run.scores {
            score.path = name.to_owned();
            score.likelihood = Some(score.score);
            score.defect = score.defect.take().map(|_| name.to_owned());
        }
    }
    report
}

/// The elements and attributes of a page, without their values.
fn skeleton(page: &Html) -> BTreeSet<(String, BTreeSet<String>)> {
    let all = Selector::parse("*").unwrap();
    page.select(&all)
        .map(|element| {
            let attributes = element.value().attrs().map(|(name, _)| name.to_owned());
            (element.value().name().to_owned(), attributes.collect())
        })
        .collect()
}

fn elements(page: &Html, name: &str) -> usize {
    page.select(&Selector::parse(name).unwrap()).count()
}

#[test]
fn hostile_names_are_text_everywhere() {
    let page = parse(&named(HOSTILE));
    assert!(page.errors.is_empty(), "{:?}", page.errors);
    assert_eq!(skeleton(&page), skeleton(&parse(&named("plain"))));
    assert_eq!((elements(&page, "script"), elements(&page, "style")), (1, 1));
    for place in
        ["title", "h1", "tbody th", "thead th", "tbody td", "h3", "h4", "figcaption p", "dd"]
    {
        assert!(texts(&page, place).iter().any(|text| text == SHOWN), "{place}");
    }
    let image = page.select(&Selector::parse("img").unwrap()).next().unwrap();
    assert_eq!(image.attr("alt"), Some(&*format!("{SHOWN} (image)")));
}

#[test]
fn hostile_names_are_text_in_charts() {
    let mut drawn = Vec::new();
    for (name, svg) in charts(&named(HOSTILE)).unwrap() {
        let document = roxmltree::Document::parse(&svg).unwrap();
        let shown: String = document.descendants().filter_map(|node| node.text()).collect();
        assert!(shown.contains(SHOWN) || !shown.contains("script"), "{name}");
        assert!(document.descendants().all(|node| !node.has_tag_name("script")), "{name}");
        let stem = name.strip_suffix(".svg").unwrap();
        assert!(!stem.contains(['/', '\\', '<', '.', '\0']), "{name}");
        drawn.push(name);
    }
    // Of the three cells, two are of one category and have the same likelihoods.
    assert_eq!(drawn.len(), 2 + 2 + 3 + 2 + 3);
    assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), drawn.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_name_is_text(name in "[<>&\"'=/ a-z;!-]{1,12}|\\PC{1,12}|.{1,12}") {
        prop_assume!(name != "screws" && name != "nf");
        let page = parse(&named(&name));
        prop_assert_eq!(skeleton(&page), skeleton(&parse(&named("plain"))));
        let headings = texts(&page, "#results > .scroll:first-of-type tbody th");
        prop_assert!(headings.iter().any(|heading| {
            heading.chars().zip(name.chars()).all(|(shown, given)| {
                shown == given || shown == '\u{fffd}' || given == '\r' && shown == '\n'
            })
        }), "{:?}", headings);
        for (name, svg) in charts(&named(&name)).unwrap() {
            prop_assert!(roxmltree::Document::parse(&svg).is_ok(), "{}", name);
        }
    }
}
