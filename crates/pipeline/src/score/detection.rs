//! What a detector says of one image.

use nfbmr_calibration::Verdict;
use nfbmr_metrics::{DefectRegion, MetricError};
use nfbmr_pose::Problem;
use serde::ser::{Error, SerializeStruct};
use serde::{Serialize, Serializer};

use super::ScoreMap;
use crate::input::Located;

/// What a detector says of one image.
///
/// As JSON it is an object of `score`, `p_value`, `is_anomalous`, `threshold`, `regions`, `located`, `kind`, `width` and
/// `height` (of the anomaly map, 0 where there is none), those that only a calibrated model has, `located` of a model
/// without alignment, and `kind` of a model of one kind, being `null` otherwise.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Detection {
    /// The image score: higher is more anomalous. Comparable between images of one model only.
    pub score: f32,
    /// The score's p-value and whether it is anomalous, by a calibrated model.
    pub verdict: Option<Verdict>,
    /// The score above which an image is anomalous, by a model that has such a score.
    pub threshold: Option<f32>,
    /// Where the part lies, by a model with an alignment.
    pub located: Option<Located>,
    /// The likeliest kind of the image, from 0, by a model of several kinds.
    pub kind: Option<usize>,
    /// The anomaly map at the image's own size; none ([`ScoreMap::is_none`]) of a system that gives a score alone.
    pub anomaly_map: ScoreMap,
    /// Which pixels of the anomaly map belong to a defect, by a calibrated model of a system that has maps.
    pub defect_pixels: Option<DefectPixels>,
    /// The source direction ‖y − ŷ‖², for systems that have one.
    pub source: Option<Component>,
    /// The target direction ‖z − ẑ‖².
    pub target: Option<Component>,
    /// The flow's negative log-likelihood 0.5·‖z‖² − log|det|.
    pub likelihood: Option<Component>,
}

/// Which pixels of an anomaly map belong to a defect.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum DefectPixels {
    /// Those of a value above this one.
    Above(f32),
    /// Those that are true, row by row.
    Marked(Vec<bool>),
}

/// One part of a [`Detection`]: its score, and its map at the resolution of the features.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Component {
    /// The map of the coarsest level, pooled like the image score.
    pub score: f32,
    /// The map by position of the features, of the finest level where there are several.
    pub map: ScoreMap,
}

impl Detection {
    /// A detection by its score and anomaly map alone, as a detector that maps nothing has it.
    pub fn new(score: f32, anomaly_map: ScoreMap) -> Self {
        Self {
            score,
            verdict: None,
            threshold: None,
            located: None,
            kind: None,
            anomaly_map,
            defect_pixels: None,
            source: None,
            target: None,
            likelihood: None,
        }
    }

    /// The share of normal images that score at least as high, by a calibrated model; see [`Verdict::p_value`].
    pub fn p_value(&self) -> Option<f64> {
        self.verdict.map(|verdict| verdict.p_value)
    }

    /// Why the part isn't located, or that it lies wrong.
    pub fn not_located(&self) -> Option<Problem> {
        self.located.and_then(|located| located.problem)
    }

    /// Whether the image is anomalous; `None` where the model isn't calibrated. A part that isn't located is.
    pub fn is_anomalous(&self) -> Option<bool> {
        match self.not_located() {
            Some(_) => Some(true),
            None => self.verdict.map(|verdict| verdict.is_anomalous),
        }
    }

    /// The score by which images are ranked against those of the calibration: the largest number there is for a part that
    /// isn't located.
    pub fn rank(&self) -> f32 {
        if self.not_located().is_some() { f32::MAX } else { self.score }
    }

    /// Where the defects are, the highest peak first, in pixels of the image; `None` where the model isn't
    /// calibrated, or its system has no map.
    ///
    /// # Errors
    /// [`MetricError`] for an anomaly map that isn't one.
    pub fn regions(&self) -> Result<Option<Vec<DefectRegion>>, MetricError> {
        let regions = self.defect_pixels.as_ref().map(|pixels| match pixels {
            DefectPixels::Above(threshold) => self.anomaly_map.regions(*threshold),
            DefectPixels::Marked(marked) => self.anomaly_map.regions_of(marked),
        });
        regions.transpose()
    }
}

impl Serialize for Detection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let regions = self.regions().map_err(S::Error::custom)?;
        let mut fields = serializer.serialize_struct("Detection", 9)?;
        fields.serialize_field("score", &self.score)?;
        fields.serialize_field("p_value", &self.p_value())?;
        fields.serialize_field("is_anomalous", &self.is_anomalous())?;
        fields.serialize_field("threshold", &self.threshold)?;
        fields.serialize_field("regions", &regions)?;
        fields.serialize_field("located", &self.located)?;
        fields.serialize_field("kind", &self.kind)?;
        fields.serialize_field("width", &self.anomaly_map.width)?;
        fields.serialize_field("height", &self.anomaly_map.height)?;
        fields.end()
    }
}
