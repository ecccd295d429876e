//! Results of detection runs as one self-contained HTML file with charts.
//!
//! [`Report`] takes the scores of each (category, seed, system) and examples as PNG images.
//! [`Report::to_html`] gives a page that opens without a network: sortable tables of the metrics, ROC
//! curves, AUROC by category and system, an ablation, histograms of scores and likelihoods, the images by
//! their features ([`Projection`]), and a gallery that starts with the worst misses and false alarms.
//! [`charts`] gives the same charts as SVG files, [`Report::write_folder`] writes all.
//!
//! Image metrics are computed from the scores by `nfbmr-metrics`. Where one is undefined, because there are
//! no scores, scores of one class only or a score that is not a number, the report shows "-".
//!
//! ```
//! use nfbmr_report::{Report, Run, Score};
//!
//! let mut run = Run::new("screws", 0, "nf-bmr-2");
//! run.scores = vec![
//!     Score { path: "good/000.png".into(), score: 0.2, ..Score::default() },
//!     Score {
//!         path: "scratch/000.png".into(),
//!         defect: Some("scratch".into()),
//!         score: 0.7,
//!         ..Score::default()
//!     },
//! ];
//! let mut report = Report::new("Screws");
//! report.runs.push(run);
//! assert!(report.to_html()?.contains("100.0"));
//! # Ok::<(), nfbmr_report::ReportError>(())
//! ```
//!
//! # Text from elsewhere
//!
//! Names of categories, systems and files can't break out of the page: `maud` escapes them in text and
//! attributes, control characters and those that reorder text are replaced by U+FFFD, and no name goes into
//! a script, a style, an id or a link. A content security policy allows the page's own style and script, by
//! their hashes, and images inside the file, nothing else.
//!
//! # Charts
//!
//! The charts are `maud` templates, as the page is, rather than drawn by `plotters`, whose SVG has fixed
//! text colours (no dark mode), no titles for screen readers and no tooltips. Text and axes have the colour
//! of their surroundings, black in a file of its own; systems have the colours of Okabe and Ito, which people
//! with any colour vision tell apart, and lines a dash pattern each.

#![deny(
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod error;
mod format;
mod gallery;
mod page;
mod pca;
mod png;
mod projection;
mod report;
mod run_metrics;
mod summary;
mod svg;
mod tables;
mod write;

pub use error::ReportError;
pub use png::Png;
pub use projection::{ImageFeatures, ProjectedImage, Projection};
pub use report::{ABLATION, Example, Pixel, Published, Report, Run, Score};
pub use svg::charts;
