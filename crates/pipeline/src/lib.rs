//! NF-BMR from images to verdicts: training, scoring and model files.
//!
//! [`Pipeline`] composes the backbone, the flow and the bidirectional mapping network. What each part
//! must do is a trait generic over the backend ([`FeatureExtractor`], [`TargetSpace`](systems::TargetSpace),
//! [`BidirectionalMapper`](systems::BidirectionalMapper)); any trained detector is an [`AnomalyModel`].
//!
//! Each folder is a room that knows those before it and none after it: `error`, `progress`, `input` (images to
//! pixels), `features` (pixels to features), `score` (maps to detections), `file` (sealed files), `train` (any
//! network), `systems` (what is learnt of features, one file a system), `config`, `choose` (what
//! training finds out by good images), `calibrate`, `model` (the trained detector and its file), `export`
//! (that as a file for other runtimes), `detect` (any detector on files).

#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod calibrate;
mod checksum;
mod choose;
mod config;
mod detect;
mod error;
mod export;
mod features;
mod file;
mod input;
mod model;
mod progress;
mod score;
pub mod systems;
mod train;

pub use calibrate::{
    Calibration, CrossCalibration, DecisionThreshold, Drift, KindCalibration, SplitCalibration,
    Suspect,
};
pub use choose::{
    AlignmentChoice, AlignmentReason, AlignmentTrial, AugmentationChoice, AugmentationReason,
    AugmentationTrial, Choices, KindsChoice, KindsReason, KindsTrial,
};
pub use config::{Kinds, MultiplyAdds, PipelineConfig};
pub use detect::{
    DetectedFile, DetectedFn, Evaluation, ImageMetrics, MaskUse, PixelMetrics, Tested,
    detect_files, evaluate,
};
pub use error::{
    CalibrateError, CheckpointError, ExportError, ImageName, ModelError, Phase, PipelineError,
    TrainingError,
};
pub use export::OnnxExport;
pub use features::{BackboneWeights, Cnn, FeatureExtractor, NotLocated};
pub use input::{
    Alignment, AlignmentMotion, Augmentation, Images, Located, Mask, Tiling, WhiteLevel,
    white_level,
};
pub use model::{
    AnomalyModel, CopyOf, CrossFitted, CrossFitting, FORMAT_VERSION, HeldOut, Known, Loaded,
    MeanFeatures, ModelInfo, Pipeline, StoredBackbone, Trainer, TrainingStorage, load,
};
pub use nfbmr_pose::{Problem, Tolerance};
pub use progress::{Progress, ProgressFn};
pub use score::{Component, DefectPixels, Detection, Fusion, MeanResiduals, Pooling, ScoreMap};
pub use systems::{System, SystemConfig};
pub use train::{Schedule, TrainingConfig};
