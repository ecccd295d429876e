//! What `detect` writes of an image: one JSON object on one line.

use std::borrow::Cow;
use std::path::Path;

use nfbmr::Detection;
use nfbmr::calibration::Shift;
use nfbmr::metrics::DefectRegion;
use serde::Serialize;

/// A line of output. `docs/cli.md` has the fields.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Record<'a> {
    Scored {
        path: Cow<'a, str>,
        score: f32,
        p_value: Option<f64>,
        is_anomalous: Option<bool>,
        threshold: Option<f32>,
        regions: Option<Vec<DefectRegion>>,
        drift: Option<Shift>,
        width: u32,
        height: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        heatmap: Option<Cow<'a, str>>,
    },
    Failed {
        path: Cow<'a, str>,
        error: String,
    },
}

/// What is known of a scored image besides its detection.
pub struct Found<'a> {
    /// The score above which it is anomalous.
    pub threshold: Option<f32>,
    pub regions: Option<Vec<DefectRegion>>,
    /// Of the images so far.
    pub drift: Option<Shift>,
    pub heatmap: Option<&'a Path>,
}

impl<'a> Record<'a> {
    /// What a model says of an image.
    pub fn scored(path: &'a Path, detection: &Detection, found: Found<'a>) -> Self {
        let Found { threshold, regions, drift, heatmap } = found;
        Self::Scored {
            // JSON is Unicode: what isn't in a path is shown as U+FFFD.
            path: path.to_string_lossy(),
            score: detection.score,
            p_value: detection.verdict.map(|verdict| verdict.p_value),
            is_anomalous: detection.verdict.map(|verdict| verdict.is_anomalous),
            threshold,
            regions,
            drift,
            width: detection.anomaly_map.width,
            height: detection.anomaly_map.height,
            heatmap: heatmap.map(Path::to_string_lossy),
        }
    }

    /// Why an image has no score.
    pub fn failed(path: &'a Path, error: String) -> Self {
        Self::Failed { path: path.to_string_lossy(), error }
    }
}
