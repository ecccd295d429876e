//! The charts, as SVG that is the same in the page and in a file of its own.

mod bars;
mod draw;
mod histogram;
mod roc;

use crate::error::ReportError;
use crate::format::clean;
use crate::report::Report;
use crate::summary::Summary;

pub(crate) use bars::{ablation, auroc, auroc_of};
pub(crate) use histogram::histogram;
pub(crate) use roc::roc;

/// The charts of a report, each as the name and the content of an SVG file.
///
/// Names are free of path separators and differ from each other: `auroc.svg`, `ablation.svg`,
/// `roc-1-screws.svg`, `scores-1-screws-1-nf.svg` with the places of category and system. What has no data
/// has no chart.
///
/// # Errors
/// [`ReportError::DuplicateRun`] as [`Report::to_html`].
pub fn charts(report: &Report) -> Result<Vec<(String, String)>, ReportError> {
    let summary = Summary::new(report)?;
    let mut charts = vec![
        ("auroc.svg".to_owned(), auroc(&summary)),
        ("ablation.svg".to_owned(), ablation(&summary)),
    ];
    for (place, category) in (1..).zip(&summary.categories) {
        let stem = format!("{place}-{}", file_name(category));
        charts.push((format!("roc-{stem}.svg"), roc(&summary, category)));
        for (place, system) in (1..).zip(&summary.systems) {
            let name = format!("scores-{stem}-{place}-{}.svg", file_name(system));
            charts.push((name, histogram(&summary, category, system)));
        }
    }
    let drawn = charts.into_iter().filter_map(|(name, chart)| Some((name, chart?)));
    Ok(drawn.map(|(name, chart)| (name, clean(chart.into_string()))).collect())
}

/// Letters and digits of ASCII, `+`, `-` and `_`, at most 40.
fn file_name(name: &str) -> String {
    let kept = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '_');
    name.chars().take(40).map(|c| if kept(c) { c } else { '_' }).collect()
}
