//! Trained detectors: what they are composed of, trained by, calibrated by, and stored in. Knows all rooms below.

mod anomaly_model;
mod calibrate;
mod copy_of;
#[expect(clippy::indexing_slicing, reason = "two models or more")]
mod cross_file;
#[expect(clippy::indexing_slicing, reason = "two models or more, maps of one size")]
mod cross_fitted;
#[expect(
    clippy::indexing_slicing,
    reason = "indices of the images and folds that they were drawn from"
)]
mod cross_train;
mod envelope;
mod held_out;
mod load;
mod memory;
mod model_file;
mod model_info;
mod pipeline;
mod trainer;

pub use anomaly_model::{AnomalyModel, Known, MeanFeatures, StoredBackbone};
pub use copy_of::CopyOf;
pub use cross_fitted::CrossFitted;
pub use cross_train::CrossFitting;
pub use envelope::FORMAT_VERSION;
pub use held_out::HeldOut;
pub use load::{Loaded, load};
pub use model_info::ModelInfo;
pub use pipeline::Pipeline;
pub use trainer::{Trainer, TrainingStorage};
