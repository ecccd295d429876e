//! Visual defect detection from good parts only: NF-BMR in pure Rust.
//!
//! Train on images of good parts, save one file, load it anywhere and get a score and an anomaly map per
//! image. What the pieces are for:
//!
//! - **Train and detect**: [`Pipeline`] with a [`PipelineConfig`], on the default CPU backend; or, with
//!   a device chosen at run time by [`DeviceName`], [`train`] and [`load`].
//! - **Camera frames**: [`Frame`] borrows raw bytes, of 8 to 16 bits a value; [`Pipeline::detect_frame`](pipeline::Pipeline::detect_frame).
//! - **Many files**: [`detect_files`] decodes some while it scores others; [`heatmap`] draws what is found.
//! - **Data sets and metrics**: [`data`] and [`metrics`]; [`report`] writes results as an HTML file;
//!   [`synthetic`] draws data sets with known defects.
//! - **Thresholds without a defect**: [`data::hold_out`] keeps good images out of training,
//!   [`Pipeline::calibrate`](pipeline::Pipeline::calibrate) takes thresholds for a [`FalseAlarmRate`] from them, a
//!   [`Detection`] then has a [`Verdict`], and [`ScoreMap::regions`] says where. [`calibration`] has the parts,
//!   and drift alarms.
//! - **Threads**: work is spread over rayon's pool: all cores, or as many as `RAYON_NUM_THREADS` says, or
//!   the threads of the pool that calls (`rayon::ThreadPool::install`).
//! - **Another backend**: [`pipeline::Pipeline<B>`](pipeline::Pipeline) over any
//!   [`backend::Backend`].
//! - **Other systems**: [`PipelineConfig::system`] names NF alone, NF with B-PFM, PatchCore or PaDiM;
//!   [`pipeline::Trainer`] trains many on features that are computed once, and [`pipeline::evaluate`]
//!   compares them.
//! - **The networks themselves**: [`backbone`], [`whitening`], [`flow`], [`bmr`] and [`peers`].
//!
//! ```no_run
//! use std::ops::ControlFlow;
//! use nfbmr::{Pipeline, PipelineConfig, data, weights};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let selection = data::Selection::good(&["good-parts".into()], None)?;
//! eprintln!("{selection}"); // which images are taken, what is left out and why
//! let good = data::hold_out(selection.images, 0.2, 0)?;
//! let device = Default::default();
//! let mut progress = |_: &_| ControlFlow::Continue(());
//! let mut pipeline = Pipeline::train(
//!     &PipelineConfig::default(),
//!     weights::embedded(),
//!     &good.training,
//!     &device,
//!     &mut progress,
//! )?;
//! pipeline.calibrate(&good.calibration, None, &mut progress)?;
//! pipeline.save("part.nfbmr")?;
//!
//! let pipeline = Pipeline::load("part.nfbmr", weights::embedded(), &device)?;
//! let image = data::load_image("part.png", &data::Limits::default())?;
//! let detection = pipeline.detect(&image)?;
//! println!("score {}, verdict {:?}", detection.score, detection.verdict);
//! if let Some(calibration) = pipeline.calibration() {
//!     let regions = detection.anomaly_map.regions(calibration.pixel_threshold().value)?;
//!     println!("defects at {regions:?}");
//! }
//! # Ok(())
//! # }
//! ```

#![deny(
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod device;
mod heatmap;
pub mod report;
pub mod weights;

/// The backend trait and the backends of this build.
pub mod backend {
    pub use nfbmr_backend::Backend;
    #[cfg(feature = "flex")]
    pub use nfbmr_backend::Cpu;
    #[cfg(feature = "ndarray")]
    pub use nfbmr_backend::NdArray;
    #[cfg(feature = "cuda")]
    pub use nfbmr_backend::{Cuda, CudaDevice};
}

pub use nfbmr_backbone as backbone;
pub use nfbmr_bmr as bmr;
pub use nfbmr_cache as cache;
pub use nfbmr_calibration as calibration;
pub use nfbmr_data as data;
pub use nfbmr_flow as flow;
pub use nfbmr_metrics as metrics;
pub use nfbmr_peers as peers;
pub use nfbmr_pipeline as pipeline;
pub use nfbmr_synthetic as synthetic;
pub use nfbmr_whitening as whitening;

pub use device::{cross_fit, load, train};
pub use heatmap::heatmap;
pub use nfbmr_backend::{CudaProblem, DeviceError, DeviceName};
pub use nfbmr_calibration::{FalseAlarmRate, Verdict};
pub use nfbmr_data::{Frame, PixelFormat};
pub use nfbmr_pipeline::{
    AnomalyModel, Augmentation, BackboneWeights, CalibrateError, Calibration, CrossCalibration,
    CrossFitting, Detection, Images, ModelInfo, Phase, PipelineConfig, PipelineError, Progress,
    ProgressFn, ScoreMap, Scored, Suspect, System, Tiling, TrainingStorage, WhiteLevel,
    detect_files, white_level,
};

/// NF-BMR on the default CPU backend; [`pipeline::Pipeline`] is the generic one.
#[cfg(feature = "flex")]
pub type Pipeline = pipeline::Pipeline<backend::Cpu>;

/// An ensemble for few images on the default CPU backend; [`pipeline::CrossFitted`] is the generic one.
#[cfg(feature = "flex")]
pub type CrossFitted = pipeline::CrossFitted<backend::Cpu>;
