//! NF-BMR from images to verdicts: training, scoring and model files.
//!
//! [`Pipeline`] composes the backbone, the flow and the bidirectional mapping network. What each part
//! must do is a trait generic over the backend ([`FeatureExtractor`], [`TargetSpace`],
//! [`BidirectionalMapper`]); any trained detector is an [`AnomalyModel`].

mod atomic_file;
mod config;
mod error;
mod features;
mod images;
mod map;
mod model_file;
mod optim;
mod pipeline;
mod progress;
mod score;
mod train;
mod traits;
mod weights;

pub use config::{Fusion, MultiplyAdds, PipelineConfig, Pooling, TrainingConfig};
pub use error::{ModelError, PipelineError, TrainingError};
pub use features::extract_features;
pub use images::Images;
pub use map::ScoreMap;
pub use model_file::FORMAT_VERSION;
pub use pipeline::Pipeline;
pub use progress::{Phase, Progress, ProgressFn};
pub use score::{Component, Detection, Normalization};
pub use traits::{AnomalyModel, BidirectionalMapper, FeatureExtractor, Target, TargetSpace};
pub use weights::BackboneWeights;
