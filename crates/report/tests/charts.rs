//! The charts as files: what they draw and where.

mod common;

use std::collections::{BTreeSet, HashMap};

use common::{projection, report, run, scores};
use nfbmr_report::{Published, Report, Run, charts};
use roxmltree::Document;

fn drawn(report: &Report) -> HashMap<String, String> {
    charts(report).unwrap().into_iter().collect()
}

/// The values of an attribute, of elements of one name, in order.
fn values(svg: &str, element: &str, attribute: &str) -> Vec<String> {
    let document = Document::parse(svg).unwrap();
    let elements = document.descendants().filter(|node| node.tag_name().name() == element);
    elements.filter_map(|node| node.attribute(attribute)).map(str::to_owned).collect()
}

fn texts(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).unwrap();
    let texts = document.descendants().filter(|node| node.tag_name().name() == "text");
    texts
        .map(|node| {
            node.children().filter_map(|child| child.text()).next_back().unwrap().to_owned()
        })
        .collect()
}

#[test]
fn there_is_one_of_each_kind() {
    let all: BTreeSet<String> = drawn(&report(vec![
        run("a/../b", 0, "nf"),
        run("a/../b", 1, "nf"),
        run("nuts", 0, "nf"),
        run("nuts", 0, "padim"),
        Run::new("nuts", 0, "untested"),
    ]))
    .into_keys()
    .collect();
    let expected = [
        "ablation.svg",
        "auroc.svg",
        "roc-1-a____b.svg",
        "roc-2-nuts.svg",
        "scores-1-a____b-1-nf.svg",
        "scores-2-nuts-1-nf.svg",
        "scores-2-nuts-2-padim.svg",
    ];
    assert_eq!(all, expected.map(str::to_owned).into());
    assert!(drawn(&Report::new("")).is_empty());
}

#[test]
fn bars_run_from_chance_to_the_auroc() {
    let mut perfect = run("screws", 0, "nf-bmr-2");
    perfect.scores = scores(&[0.0], &[1.0]);
    let svg = &drawn(&report(vec![run("screws", 0, "nf"), perfect]))["auroc.svg"];
    let widths = values(svg, "rect", "width");
    let [half, whole] = [&widths[0], &widths[1]].map(|width| width.parse::<f64>().unwrap());
    assert_eq!(whole, 2.0 * half, "0.75 is half way from 0.5 to 1");
    assert_eq!(values(svg, "rect", "x")[0], values(svg, "rect", "x")[1]);
    assert_ne!(values(svg, "rect", "fill")[0], values(svg, "rect", "fill")[1]);
}

#[test]
fn bars_worse_than_chance_run_the_other_way() {
    let mut wrong = run("screws", 0, "wrong");
    wrong.scores = scores(&[1.0], &[0.0]);
    wrong.image_auroc_interval = None;
    let mut right = wrong.clone();
    right.system = "right".to_owned();
    right.scores = scores(&[0.0], &[1.0]);
    let svg = &drawn(&report(vec![wrong, right]))["auroc.svg"];
    let [x, width] = ["x", "width"].map(|name| {
        values(svg, "rect", name).iter().map(|value| value.parse().unwrap()).collect::<Vec<f64>>()
    });
    assert_eq!((width[0], x[0] + width[0]), (width[1], x[1]));
}

#[test]
fn a_system_has_the_same_colour_in_every_chart() {
    let charts = drawn(&report(vec![
        run("screws", 0, "padim"),
        run("screws", 0, "nf+bpfm"),
        run("screws", 0, "nf"),
    ]));
    let bars = values(&charts["auroc.svg"], "rect", "fill");
    let curves: Vec<String> = values(&charts["roc-1-screws.svg"], "path", "stroke");
    assert_eq!(bars, curves);
    assert_eq!(bars.iter().collect::<BTreeSet<_>>().len(), 3);
    // The ablation has its own order, and no peers.
    assert_eq!(values(&charts["ablation.svg"], "rect", "fill"), [&*bars[2], &*bars[1]]);
    let names = texts(&charts["ablation.svg"]);
    assert!(names.contains(&"nf+bpfm".to_owned()) && !names.contains(&"padim".to_owned()));
}

#[test]
fn the_roc_curve_is_of_the_lowest_seed_and_goes_from_corner_to_corner() {
    let mut other = run("screws", 5, "nf");
    other.scores = scores(&[1.0], &[0.0]);
    let svg = &drawn(&report(vec![other, run("screws", 2, "nf")]))["roc-1-screws.svg"];
    // (0, 0), (0, 1/2), (1/2, 1/2), (1/2, 1), (1, 1) in a square of 300 at (46, 12).
    assert_eq!(values(svg, "path", "d"), ["M46 312L46 162L196 162L196 12L346 12"]);
    assert!(texts(svg).contains(&"75.0".to_owned()));
}

#[test]
fn the_histogram_counts_each_class_and_bins_far_defects_last() {
    let axis = |defect: &[f32]| {
        let mut run = run("screws", 0, "nf");
        run.scores = scores(&[1.0, 2.0, 3.0], defect);
        let svg = &drawn(&report(vec![run]))["scores-1-screws-1-nf.svg"];
        texts(svg)
    };
    let shown = axis(&[4.0, 5.0, 5.0, 6.0]);
    for text in ["normal (3)", "defect (4)", "50 %", "1.00", "6.00"] {
        assert!(shown.contains(&text.to_owned()), "{text}: {shown:?}");
    }
    // Normal images keep a third of the axis, whatever a defect scores.
    let shown = axis(&[4.0, 5.0, 5.0, 1e6]);
    assert!(shown.contains(&"≥ 7.00".to_owned()), "{shown:?}");
}

#[test]
fn likelihoods_are_drawn_once_a_flow() {
    let flow = |system: &str, likelihoods: [f32; 4]| {
        let mut run = run("screws", 0, system);
        for (score, likelihood) in run.scores.iter_mut().zip(likelihoods) {
            score.likelihood = Some(likelihood);
        }
        run
    };
    let charts = drawn(&report(vec![
        run("screws", 0, "padim"),
        flow("nf", [-3.0, -2.0, -1.0, -0.5]),
        flow("nf-bmr-2", [-3.0, -2.0, -1.0, -0.5]),
        flow("other", [-3.0, -2.0, -1.0, 6.0]),
    ]));
    let names: BTreeSet<&str> =
        charts.keys().map(|name| &**name).filter(|name| name.starts_with("likelihoods-")).collect();
    let expected = ["likelihoods-1-screws-2-nf.svg", "likelihoods-1-screws-4-other.svg"];
    assert_eq!(names, expected.into());
    let shown = texts(&charts[expected[0]]);
    for text in ["normal (2)", "defect (2)", "-3.00", "-0.500", "negative log-likelihood"] {
        assert!(shown.contains(&text.to_owned()), "{text}: {shown:?}");
    }
}

#[test]
fn features_are_placed_by_their_components() {
    let mut run = run("screws", 0, "nf");
    run.projections = vec![projection("source"), projection("a/b")];
    let charts = drawn(&report(vec![run]));
    assert!(charts.contains_key("features-1-screws-1-nf-2-a_b.svg"), "{:?}", charts.keys());
    let svg = &charts["features-1-screws-1-nf-1-source.svg"];
    // A frame from (26, 30) to (350, 270) with a margin of 8; the last disc is the legend's.
    let discs = ["cx", "cy"].map(|axis| values(svg, "circle", axis));
    assert_eq!(discs, [["34", "342", "32"], ["38", "262", "11"]]);
    let crosses = values(svg, "path", "d");
    assert_eq!(crosses[0], "M31 259L37 265M31 265L37 259");
    assert_eq!(crosses[1], "M339 35L345 41M339 41L345 35");
    let shown = texts(svg);
    for text in ["component 1 (50 %)", "component 2 (25 %)", "normal (2)", "defect (2)"] {
        assert!(shown.contains(&text.to_owned()), "{text}: {shown:?}");
    }
}

#[test]
fn published_values_stand_below_those_of_the_ablation() {
    let mut report = report(vec![run("screws", 0, "nf"), run("screws", 0, "nf+bpfm")]);
    report.published = Some(Published {
        source: "paper".to_owned(),
        image_auroc: vec![("nf+bpfm".to_owned(), 1.0), ("padim".to_owned(), 0.9)],
    });
    let svg = &drawn(&report)["ablation.svg"];
    let fills = values(svg, "rect", "fill");
    assert_eq!((fills.len(), &*fills[2]), (3, "none"));
    let widths: Vec<f64> =
        values(svg, "rect", "width").iter().map(|width| width.parse().unwrap()).collect();
    assert_eq!(widths[2], 2.0 * widths[1], "from 0.5 to 1, to 0.75");
    let names: Vec<String> = texts(svg)
        .into_iter()
        .filter(|text| ["nf", "nf+bpfm", "paper", "padim"].contains(&&**text))
        .collect();
    assert_eq!(names, ["nf", "nf+bpfm", "paper"]);
}
