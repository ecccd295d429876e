//! Visual defect detection from good parts only: NF-BMR in pure Rust.
//!
//! Train on images of good parts, save one file, load it anywhere, and get a score, a verdict and the places of
//! defects per image.
//!
//! ```
//! use nfbmr::Pipeline;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # std::env::set_current_dir(&folder)?;
//! # std::fs::create_dir("good-parts")?;
//! # let gear = nfbmr_synthetic::Kind::Part(nfbmr_synthetic::PartClass::Gear);
//! # let draw = |index| nfbmr_synthetic::generate(gear, 0, index, None, 64).map(|part| part.image);
//! # for index in 0..10 {
//! #     draw(index)?.save(format!("good-parts/{index}.png"))?;
//! # }
//! # draw(10)?.save("part.png")?;
//! let pipeline = Pipeline::train("good-parts")?; // holds a fifth out, trains, calibrates
//! pipeline.save("part.nfbmr")?;
//!
//! let pipeline = Pipeline::load("part.nfbmr")?;
//! let image = nfbmr::data::load_image("part.png", &Default::default())?;
//! let detection = pipeline.detect(&image)?;
//! println!("score {}, p-value {:?}", detection.score, detection.p_value());
//! println!("anomalous: {:?}, at {:?}", detection.is_anomalous(), detection.regions()?);
//! # Ok(())
//! # }
//! ```
//!
//! What the pieces are for:
//!
//! - **Train, calibrate, detect**: [`Pipeline`]; [`Pipeline::builder`] chooses the device, the settings
//!   ([`PipelineConfig`]), the false-alarm rate, folds for few images, where an interrupted training goes on, and
//!   who is told of its progress.
//! - **What it says of an image**: [`Detection`], which is JSON by `serde` too; [`Pipeline::heatmap`] draws it.
//! - **Camera frames**: [`Frame`] borrows raw bytes, of 8 to 16 bits a value, for [`Pipeline::detect_frame`].
//! - **Many files**: [`detect_files`] decodes some while it scores others; [`Pipeline::drift`] watches their scores.
//! - **Data**: [`data`] selects and loads images; [`evaluation`] measures a detector on labelled ones, and
//!   [`report`] writes the results as an HTML file.
//! - **Settings**: [`config`] has those of every system: NF-BMR, NF alone, PatchCore, PaDiM and others.
//! - **Threads**: work is spread over rayon's pool: all cores, or as many as `RAYON_NUM_THREADS` says, or
//!   the threads of the pool that calls (`rayon::ThreadPool::install`).
//! - **Detectors of your own** implement [`AnomalyModel`], and are evaluated and reported as any other.
//!
//! The crate `nfbmr-pipeline` is one floor below: the detector generic over the backend, for whoever brings one, and
//! the networks themselves in `nfbmr-backbone`, `nfbmr-flow` and `nfbmr-bmr`. Semantic versions are of what this
//! crate names, and of nothing below.

#![deny(
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod builder;
mod detector;
mod good_images;
mod heatmap;
mod pipeline;
pub mod report;
pub mod weights;

pub use builder::{Note, PipelineBuilder};
pub use good_images::GoodImages;
pub use heatmap::heatmap;
pub use image;
pub use nfbmr_backend::{CudaProblem, DeviceError, DeviceName};
pub use nfbmr_cache::FeatureCache;
pub use nfbmr_calibration::{FalseAlarmRate, Verdict};
pub use nfbmr_data::{Frame, PixelFormat};
pub use nfbmr_metrics::DefectRegion;
pub use nfbmr_pipeline::{
    AlignmentChoice, AlignmentReason, AlignmentTrial, AnomalyModel, AugmentationChoice,
    AugmentationReason, AugmentationTrial, BackboneWeights, CalibrateError, Calibration,
    CheckpointError, Choices, Component, CrossCalibration, CrossFitting, DecisionThreshold,
    DefectPixels, DetectedFile, DetectedFn, Detection, Drift, ExportError, ImageName, Images,
    KindCalibration, KindsChoice, KindsReason, KindsTrial, Known, Located, MeanFeatures,
    ModelError, ModelInfo, NotLocated, OnnxExport, Phase, PipelineConfig, PipelineError, Problem,
    Progress, ProgressFn, ScoreMap, SplitCalibration, StoredBackbone, Suspect, System,
    SystemConfig, TrainingError, TrainingStorage, WhiteLevel, detect_files, white_level,
};
pub use pipeline::Pipeline;

/// What good images say of scores: rates, p-values, their guarantees, and drift.
pub mod calibration {
    pub use nfbmr_calibration::{
        CalibrationError, CrossBound, CrossConformal, DriftAlarm, RateBasis, RealisedRate, Shift,
        SplitConformal, Threshold,
    };
}

/// The settings that a [`PipelineConfig`] is made of.
pub mod config {
    pub use nfbmr_backbone::{BackboneConfig, Normalization, Padding, Variant, WeightsSource};
    pub use nfbmr_bmr::{BmrConfig, BpfmConfig, Directions};
    pub use nfbmr_data::Fit;
    pub use nfbmr_flow::FlowConfig;
    pub use nfbmr_pipeline::systems::settings_of::*;
    pub use nfbmr_pipeline::{
        Alignment, AlignmentMotion, Augmentation, Fusion, Kinds, Mask, Pooling, Schedule, Tiling,
        Tolerance, TrainingConfig,
    };
    pub use nfbmr_whitening::{WhiteningConfig, Window};
}

/// Images and data sets: which are taken, and how they are read.
pub mod data {
    pub use nfbmr_data::{
        CellType, DataError, Dataset, DatasetOptions, DecodeError, Distinct, ElpvOptions, Fitted,
        FrameError, HoldOut, HoldOutBy, HoldOutError, Label, LabelledImage, LabelledSelection,
        Layout, LeftOut, LeftOutLine, Limits, Listing, Marked, OnBadFile, PixelError, Reason, Rect,
        Selection, Size, SizeError, datasets, decode_image, distinct, hold_out, list_images,
        load_image, load_mask, load_masks, load_rgb8, path_list, to_rgb8,
    };
}

/// A detector on labelled images.
pub mod evaluation {
    pub use nfbmr_metrics::{
        Bootstrap, Bounded, Interval, MetricError, OperatingPoint, auroc, average_precision, f1_max,
    };
    pub use nfbmr_pipeline::{Evaluation, ImageMetrics, MaskUse, PixelMetrics, Tested, evaluate};
}
