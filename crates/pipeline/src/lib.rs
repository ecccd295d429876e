//! NF-BMR from images to verdicts: training, scoring and model files.
//!
//! [`Pipeline`] composes the backbone, the flow and the bidirectional mapping network. What each part
//! must do is a trait generic over the backend ([`FeatureExtractor`], [`TargetSpace`],
//! [`BidirectionalMapper`]); any trained detector is an [`AnomalyModel`].

#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod augmentation;
mod calibrate;
mod calibrate_error;
mod calibration;
mod checkpoint;
mod checkpoint_error;
mod cnn;
mod config;
#[expect(clippy::indexing_slicing, reason = "maps of one size")]
mod cross_calibration;
#[expect(clippy::indexing_slicing, reason = "two models or more")]
mod cross_file;
#[expect(clippy::indexing_slicing, reason = "two models or more, maps of one size")]
mod cross_fitted;
#[expect(
    clippy::indexing_slicing,
    reason = "indices of the images and folds that they were drawn from"
)]
mod cross_train;
mod detect_files;
mod draw;
mod error;
mod evaluate;
mod features;
mod fingerprint;
mod head;
mod images;
mod load;
mod map;
mod mapper;
mod mapping;
mod maps;
mod mask;
mod mean_features;
mod memory;
mod model_file;
mod model_info;
mod optim;
mod overlap;
mod pipeline;
mod progress;
mod samples;
mod score;
mod sealed_file;
mod session;
mod source_level;
mod suspects;
mod system;
mod target_cnn;
mod target_flow;
mod tiling;
mod train;
mod trainer;
mod traits;
mod weights;
mod white_level;

pub use augmentation::Augmentation;
pub use calibrate_error::{CalibrateError, ImageName};
pub use calibration::{Calibration, DecisionThreshold};
pub use checkpoint_error::CheckpointError;
pub use cnn::Cnn;
pub use config::{Fusion, MultiplyAdds, PipelineConfig, Pooling, Scales, Schedule, TrainingConfig};
pub use cross_calibration::CrossCalibration;
pub use cross_file::CROSS_FORMAT_VERSION;
pub use cross_fitted::CrossFitted;
pub use cross_train::CrossFitting;
pub use detect_files::{Scored, ScoredFn, detect_files};
pub use error::{ModelError, PipelineError, TrainingError};
pub use evaluate::{Evaluation, ImageMetrics, MaskUse, PixelMetrics, Tested, evaluate};
pub use images::Images;
pub use load::load;
pub use map::ScoreMap;
pub use mask::Mask;
pub use mean_features::MeanFeatures;
pub use model_file::FORMAT_VERSION;
pub use model_info::ModelInfo;
pub use pipeline::Pipeline;
pub use progress::{Phase, Progress, ProgressFn};
pub use score::{Component, Detection, Normalization};
pub use suspects::Suspect;
pub use system::System;
pub use target_cnn::TargetCnnConfig;
pub use target_flow::TargetFlow;
pub use tiling::Tiling;
pub use trainer::{Trainer, TrainingStorage};
pub use traits::{
    AnomalyModel, BidirectionalMapper, FeatureExtractor, Residuals, Target, TargetSpace,
};
pub use weights::BackboneWeights;
pub use white_level::{WhiteLevel, white_level};
