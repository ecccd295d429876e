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

mod atomic_file;
mod calibrate;
mod calibrate_error;
mod calibration;
mod checkpoint;
mod checkpoint_error;
mod cnn;
mod config;
mod error;
mod evaluate;
mod features;
mod fingerprint;
mod head;
mod images;
mod map;
mod mapper;
mod maps;
mod model_file;
mod optim;
mod pipeline;
mod progress;
mod regular_file;
mod samples;
mod score;
mod session;
mod system;
mod target_cnn;
mod train;
mod trainer;
mod traits;
mod weights;

pub use calibrate_error::{CalibrateError, ImageName};
pub use calibration::{Calibration, DecisionThreshold};
pub use checkpoint_error::CheckpointError;
pub use cnn::Cnn;
pub use config::{Fusion, MultiplyAdds, PipelineConfig, Pooling, Schedule, TrainingConfig};
pub use error::{ModelError, PipelineError, TrainingError};
pub use evaluate::{Evaluation, ImageMetrics, PixelMetrics, Tested, evaluate};
pub use images::Images;
pub use map::ScoreMap;
pub use model_file::FORMAT_VERSION;
pub use pipeline::Pipeline;
pub use progress::{Phase, Progress, ProgressFn};
pub use score::{Component, Detection, Normalization};
pub use system::System;
pub use target_cnn::TargetCnnConfig;
pub use trainer::{FeatureStorage, Trainer};
pub use traits::{
    AnomalyModel, BidirectionalMapper, FeatureExtractor, Residuals, Target, TargetSpace,
};
pub use weights::BackboneWeights;
