//! Detection metrics with ties and degenerate input handled.
//!
//! | over | metric |
//! |---|---|
//! | images, exact | [`auroc`], [`average_precision`], [`roc_curve`], [`operating_point`] (precision, recall and F1 at a threshold), [`f1_max`] |
//! | pixels, streamed | [`PixelHistogram`]: AUROC, AUPRO, highest F1, each with an error bound |
//! | an anomaly map | [`defect_regions`]: boxes, areas and peaks of what is above a threshold; [`marked_regions`] of any pixels |
//! | test samples | [`Bootstrap`]: a confidence interval for any metric over images |
//! | training runs | [`mean_std`] |
//!
//! The verdict of a threshold is a defect where the score is at least the threshold; only
//! [`defect_regions`] leaves out scores that equal it. Scores that are not a number are refused, and so are samples of one class only.
//!
//! ```
//! use nfbmr_metrics::{auroc, average_precision, f1_max};
//!
//! let scores = [0.1, 0.4, 0.35, 0.8];
//! let is_defect = [false, false, true, true];
//! assert_eq!(auroc(&scores, &is_defect)?, 0.75);
//! assert_eq!(average_precision(&scores, &is_defect)?, (1.0 + 2.0 / 3.0) / 2.0);
//! let best = f1_max(&scores, &is_defect)?;
//! assert_eq!((best.threshold, best.recall, best.f1), (0.35, 1.0, 0.8));
//! # Ok::<(), nfbmr_metrics::MetricError>(())
//! ```

#![deny(
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod aupro;
mod auroc;
mod average_precision;
mod bins;
mod bootstrap;
mod bounded;
mod components;
mod error;
mod mean_std;
mod operating_point;
mod pixel;
mod ranking;
mod regions;

pub use auroc::{RocPoint, auroc, roc_curve};
pub use average_precision::average_precision;
pub use bootstrap::{Bootstrap, Interval};
pub use bounded::Bounded;
pub use error::MetricError;
pub use mean_std::{MeanStd, mean_std};
pub use operating_point::{OperatingPoint, f1_max, operating_point};
pub use pixel::PixelHistogram;
pub use regions::{DefectRegion, defect_regions, marked_regions};
