//! The page around tables, charts and gallery.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use crate::error::ReportError;
use crate::format::clean;
use crate::gallery::gallery;
use crate::projection::Projection;
use crate::report::Report;
use crate::summary::Summary;
use crate::{svg, tables};

pub(crate) fn render(report: &Report) -> Result<String, ReportError> {
    let summary = Summary::new(report)?;
    let gallery = gallery(report, &summary)?;
    let features = features(&summary);
    // A browser hashes the text with line feeds, whatever the checkout made of them.
    let [style, script] =
        [include_str!("page.css"), include_str!("sort.js")].map(|text| text.replace('\r', ""));
    let policy = format!(
        "default-src 'none'; img-src data:; style-src '{}'; script-src '{}'; base-uri 'none'; \
         form-action 'none'",
        hash(&style),
        hash(&script),
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                // Without it, browsers ask the server for one.
                link rel="icon" href="data:,";
                title { (report.title) }
                style { (PreEscaped(style)) }
            }
            body {
                header {
                    h1 { (report.title) }
                    nav aria-label="Sections" {
                        @if !summary.runs.is_empty() {
                            a href="#results" { "Results" }
                            a href="#categories" { "Categories" }
                            a href="#scores" { "Scores" }
                            @if features.is_some() { a href="#features" { "Features" } }
                        }
                        @if !report.examples.is_empty() { a href="#examples" { "Examples" } }
                        @if !summary.runs.is_empty() { a href="#runs" { "Runs" } }
                    }
                }
                main {
                    @if summary.runs.is_empty() { p { "No runs." } } @else {
                        (results(report, &summary))
                        @if let Some(features) = &features { (features) }
                    }
                    @if !report.examples.is_empty() {
                        section #examples {
                            h2 { "Examples" }
                            p.note {
                                "Wrong verdicts first, and of these the scores that are on the wrong side of \
                                 the most images of the other class. The verdict is at the threshold with the \
                                 highest F1 of the run."
                            }
                            @if report.examples.iter().any(|example| example.scale.is_some()) {
                                div.legend { (svg::color_scale()) }
                                p.note {
                                    "The colours of heatmaps and overlays. Both ends are the same for all \
                                     images of a run, and stand as scale below each."
                                }
                            }
                            (gallery)
                        }
                    }
                    @if !summary.runs.is_empty() {
                        section #runs {
                            h2 { "Runs" }
                            (tables::runs(&summary))
                            @if let Some(kinds) = tables::kinds(&summary) { (kinds) }
                        }
                    }
                }
                script { (PreEscaped(script)) }
            }
        }
    };
    Ok(clean(page.into_string()))
}

fn results(report: &Report, summary: &Summary) -> Markup {
    let mut scores = report.runs.iter().flat_map(|run| &run.scores);
    let likelihoods = scores.any(|score| score.likelihood.is_some());
    html! {
        section #results {
            h2 { "Results" }
            (tables::auroc(summary))
            p.note {
                "The mean is over the categories, of the seeds that have all of them. \"-\" is undefined."
            }
            @if let Some(chart) = svg::ablation(report, summary) {
                h3 { "Ablation" }
                p.note {
                    "Mean image AUROC over the categories, from chance (50 %). Whiskers: standard deviation \
                     over the seeds."
                    @if report.published.is_some() { " In outline: published values." }
                }
                div.charts { div.chart { (chart) } }
            }
            (tables::metrics(summary))
            p.note { "Precision, recall and F1 are at the threshold with the highest F1." }
        }
        section #categories {
            h2 { "Categories" }
            p.note {
                "Image AUROC from chance (50 %), with the standard deviation over the seeds, or the 95 % \
                 interval of a single run; ROC curves of the lowest seed."
            }
            @for category in &summary.categories {
                h3 { (category) }
                @if let Some(roc) = svg::roc(summary, category) {
                    div.charts {
                        div.chart { (roc) }
                        @if let Some(bars) = svg::auroc_of(summary, category) { div.chart { (bars) } }
                    }
                } @else {
                    p { "The AUROC is undefined." }
                }
            }
        }
        section #scores {
            h2 { "Scores" }
            p.note {
                "Shares of the normal and of the defect images by image score, of the lowest seed. The dashed \
                 line is the threshold with the highest F1."
                @if likelihoods {
                    " Beside them those by the negative log-likelihood of the flow, pooled as the score is; \
                     with the first of the systems that have the same flow."
                }
            }
            @for category in &summary.categories {
                h3 { (category) }
                div.charts {
                    @for system in &summary.systems {
                        @if let Some(chart) = svg::scores(summary, category, system) {
                            div.chart { h4 { (system) } (chart) }
                        }
                        @if let Some(chart) = svg::likelihoods(summary, category, system) {
                            div.chart { h4 { "Flow of " (system) } (chart) }
                        }
                    }
                }
            }
        }
    }
}

/// Nothing where no run has projections.
fn features(summary: &Summary) -> Option<Markup> {
    let charts = |category: &str| -> Vec<(String, Markup)> {
        let systems = summary.systems.iter();
        let projections = systems.flat_map(|&system| {
            summary.projections(category, system).iter().map(move |found| (system, found))
        });
        let chart = |(system, projection): (&str, &Projection)| {
            let heading = format!("{system}, {}", projection.space);
            Some((heading, svg::scatter(projection, category, system)?))
        };
        projections.filter_map(chart).collect()
    };
    let categories = summary.categories.iter().map(|&category| (category, charts(category)));
    let categories: Vec<_> = categories.filter(|(_, charts)| !charts.is_empty()).collect();
    (!categories.is_empty()).then(|| {
        html! {
            section #features {
                h2 { "Features" }
                p.note {
                    "Test images by their features, each averaged over the image, in the plane of the first \
                     two principal components of all of them, with the share of the variance along each; \
                     of the lowest seed. A defect that is small hardly moves the average: those that \
                     lie apart are easy, those that don't may still be found by position."
                }
                @for (category, charts) in &categories {
                    h3 { (category) }
                    div.charts {
                        @for (heading, chart) in charts { div.chart { h4 { (heading) } (chart) } }
                    }
                }
            }
        }
    })
}

/// The source expression that lets exactly this text through.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}
