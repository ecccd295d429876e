//! Detection metrics with ties and degenerate input handled.
//!
//! ```
//! use nfbmr_metrics::auroc;
//!
//! let scores = [0.1, 0.4, 0.35, 0.8];
//! let is_defect = [false, false, true, true];
//! assert_eq!(auroc(&scores, &is_defect)?, 0.75);
//! # Ok::<(), nfbmr_metrics::MetricError>(())
//! ```

mod auroc;
mod error;

pub use auroc::auroc;
pub use error::MetricError;
