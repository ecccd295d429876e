//! Tables whose columns can be sorted.

use std::collections::BTreeSet;

use maud::{Markup, html};
use nfbmr_metrics::auroc as auroc_of;

use crate::format::{Spread, UNDEFINED};
use crate::run_metrics::RunMetrics;
use crate::summary::Summary;

/// A metric of a run and the factor that it is shown with.
struct Metric {
    name: &'static str,
    scale: f64,
    of: fn(&RunMetrics) -> Option<f64>,
}

const METRICS: [Metric; 10] = [
    Metric { name: "Image AUROC, %", scale: 100.0, of: |run| run.auroc },
    Metric { name: "Average precision, %", scale: 100.0, of: |run| run.average_precision },
    Metric { name: "Precision, %", scale: 100.0, of: |run| run.precision },
    Metric { name: "Recall, %", scale: 100.0, of: |run| run.recall },
    Metric { name: "F1, %", scale: 100.0, of: |run| run.f1 },
    Metric { name: "Pixel AUROC, %", scale: 100.0, of: |run| Some(run.run.pixel?.auroc) },
    Metric { name: "AUPRO, %", scale: 100.0, of: |run| Some(run.run.pixel?.aupro) },
    Metric { name: "Pixel F1, %", scale: 100.0, of: |run| Some(run.run.pixel?.f1_max) },
    Metric { name: "Training, s", scale: 1.0, of: |run| run.run.train_s },
    Metric { name: "Detection, ms", scale: 1.0, of: |run| run.run.detect_ms },
];

/// Image AUROC, a category a row and a system a column.
pub(crate) fn auroc(summary: &Summary) -> Markup {
    let title = "Image AUROC, %: mean ± standard deviation over the seeds";
    let columns = columns(&["Category"], summary.systems.iter().copied());
    let rows = summary.categories.iter().map(|category| {
        let cells = summary.systems.iter().map(|system| summary.auroc(category, system));
        html! { tr { th scope="row" { (category) } @for cell in cells { (number(cell, 100.0)) } } }
    });
    let mean = html! {
        tr {
            th scope="row" { "Mean" }
            @for system in &summary.systems { (number(summary.mean_auroc(system), 100.0)) }
        }
    };
    table(title, &columns, rows, Some(mean))
}

/// All metrics, a category and system a row.
pub(crate) fn metrics(summary: &Summary) -> Markup {
    let title = "All metrics: mean ± standard deviation over the seeds";
    let metrics = shown(summary);
    let columns = columns(&["Category", "System"], metrics.iter().map(|metric| metric.name));
    let pairs = summary
        .categories
        .iter()
        .flat_map(|&category| summary.systems.iter().map(move |&system| (category, system)));
    let rows = pairs.filter_map(|(category, system)| {
        summary.cell(category, system).next()?;
        let spread = |metric: &Metric| Spread::new(summary.cell(category, system).map(metric.of));
        Some(html! {
            tr {
                th scope="row" { (category) }
                td { (system) }
                @for metric in &metrics { (number(spread(metric), metric.scale)) }
            }
        })
    });
    table(title, &columns, rows, None)
}

/// All metrics of each run.
pub(crate) fn runs(summary: &Summary) -> Markup {
    let metrics = shown(summary);
    let names = metrics.iter().map(|metric| metric.name);
    let fixed = ["Seed", "Normal images", "Defect images", "Interval from, %", "to, %"];
    let columns = columns(&["Category", "System"], fixed.into_iter().chain(names));
    let rows = summary.runs.iter().map(|metrics_of| {
        let run = metrics_of.run;
        let defects = run.scores.iter().filter(|score| score.defect.is_some()).count();
        let [low, high] = [0, 1].map(|end| run.image_auroc_interval.map(|ends| ends[end]));
        html! {
            tr {
                th scope="row" { (run.category) }
                td { (run.system) }
                (integer(run.seed))
                (integer((run.scores.len() - defects) as u64))
                (integer(defects as u64))
                (number(Spread::new([low]), 100.0))
                (number(Spread::new([high]), 100.0))
                @for metric in &metrics {
                    (number(Spread::new([(metric.of)(metrics_of)]), metric.scale))
                }
            }
        }
    });
    table("Single runs, with the 95 % interval of the image AUROC", &columns, rows, None)
}

/// Image AUROC of each kind of images, for models that tell kinds apart; `None` where none does.
pub(crate) fn kinds(summary: &Summary) -> Option<Markup> {
    let fixed = ["Kind", "Normal images", "Defect images", "Image AUROC, %"];
    let columns = columns(&["Category", "System"], ["Seed"].into_iter().chain(fixed));
    let of = |metrics_of: &RunMetrics| {
        let run = metrics_of.run;
        let kinds: BTreeSet<usize> = run.scores.iter().filter_map(|score| score.kind).collect();
        let row = |kind: usize| {
            let own = run.scores.iter().filter(|score| score.kind == Some(kind));
            let (values, labels): (Vec<f32>, Vec<bool>) =
                own.map(|score| (score.score, score.defect.is_some())).unzip();
            let defects = labels.iter().filter(|&&defect| defect).count();
            html! {
                tr {
                    th scope="row" { (run.category) }
                    td { (run.system) }
                    (integer(run.seed))
                    (integer(kind as u64))
                    (integer((labels.len() - defects) as u64))
                    (integer(defects as u64))
                    (number(Spread::new([auroc_of(&values, &labels).ok()]), 100.0))
                }
            }
        };
        kinds.into_iter().map(row).collect::<Vec<_>>()
    };
    let rows: Vec<Markup> = summary.runs.iter().flat_map(of).collect();
    let title = "Image AUROC by kind of part, as the model tells them apart";
    (!rows.is_empty()).then(|| table(title, &columns, rows.into_iter(), None))
}

/// The metrics that some run has.
fn shown(summary: &Summary) -> Vec<Metric> {
    let any = |metric: &Metric| summary.runs.iter().any(|run| (metric.of)(run).is_some());
    METRICS.into_iter().filter(any).collect()
}

/// The heading of a column and whether numbers are below it.
type Column<'a> = (&'a str, bool);

fn columns<'a>(texts: &[&'a str], numbers: impl Iterator<Item = &'a str>) -> Vec<Column<'a>> {
    texts.iter().map(|&name| (name, false)).chain(numbers.map(|name| (name, true))).collect()
}

fn table(
    title: &str,
    columns: &[Column],
    rows: impl Iterator<Item = Markup>,
    foot: Option<Markup>,
) -> Markup {
    html! {
        h3 { (title) }
        // Scrolls sideways, by keyboard too.
        div.scroll role="region" aria-label=(title) tabindex="0" {
            table aria-label=(title) {
                thead {
                    tr {
                        @for (name, numeric) in columns {
                            th scope="col" class=[numeric.then_some("number")] aria-sort="none" {
                                button type="button" { (name) }
                            }
                        }
                    }
                }
                tbody { @for row in rows { (row) } }
                @if let Some(foot) = foot { tfoot { (foot) } }
            }
        }
    }
}

/// A cell with the exact value to sort by.
fn number(spread: Option<Spread>, scale: f64) -> Markup {
    match spread {
        Some(spread) => html! {
            td.number data-value=(spread.mean) { (spread.text(scale)) }
        },
        None => html! { td.number { (UNDEFINED) } },
    }
}

fn integer(value: u64) -> Markup {
    html! { td.number data-value=(value) { (value) } }
}
