//! The charts, as SVG that is the same in the page and in a file of its own.

mod bars;
mod color_scale;
mod draw;
mod histogram;
mod roc;
mod scatter;

use crate::error::ReportError;
use crate::format::clean;
use crate::report::Report;
use crate::summary::Summary;

pub(crate) use bars::{ablation, auroc, auroc_of};
pub(crate) use color_scale::color_scale;
pub(crate) use histogram::{likelihoods, scores};
pub(crate) use roc::roc;
pub(crate) use scatter::scatter;

/// The charts of a report, each as the name and the content of an SVG file.
///
/// Names are free of path separators and differ from each other: `auroc.svg`, `ablation.svg`,
/// `roc-1-screws.svg`, `scores-1-screws-1-nf.svg`, `likelihoods-1-screws-1-nf.svg` and
/// `features-1-screws-1-nf-1-source.svg` with the places of category, system and space. What has no data has
/// no chart; likelihoods of a flow that several systems have are drawn with the first.
///
/// # Errors
/// [`ReportError::DuplicateRun`] as [`Report::to_html`].
pub fn charts(report: &Report) -> Result<Vec<(String, String)>, ReportError> {
    let summary = Summary::new(report)?;
    let mut charts = vec![
        ("auroc.svg".to_owned(), auroc(&summary)),
        ("ablation.svg".to_owned(), ablation(report, &summary)),
    ];
    for (place, category) in (1..).zip(&summary.categories) {
        let stem = format!("{place}-{}", file_name(category));
        charts.push((format!("roc-{stem}.svg"), roc(&summary, category)));
        for (place, system) in (1..).zip(&summary.systems) {
            let stem = format!("{stem}-{place}-{}", file_name(system));
            charts.push((format!("scores-{stem}.svg"), scores(&summary, category, system)));
            let likelihoods = likelihoods(&summary, category, system);
            charts.push((format!("likelihoods-{stem}.svg"), likelihoods));
            for (place, projection) in (1..).zip(summary.projections(category, system)) {
                let name = format!("features-{stem}-{place}-{}.svg", file_name(&projection.space));
                charts.push((name, scatter(projection, category, system)));
            }
        }
    }
    let drawn = charts.into_iter().filter_map(|(name, chart)| Some((name, chart?)));
    Ok(drawn.map(|(name, chart)| (name, clean(chart.into_string()))).collect())
}

/// Letters and digits of ASCII, `+`, `-` and `_`, at most 40.
pub(crate) fn file_name(name: &str) -> String {
    let kept = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '_');
    name.chars().take(40).map(|c| if kept(c) { c } else { '_' }).collect()
}
