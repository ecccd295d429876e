//! Visual defect detection from good parts only: NF-BMR in pure Rust.
//!
//! Train on images of good parts, save one file, load it anywhere and get a score and an anomaly map per
//! image. What the pieces are for:
//!
//! - **Train and detect**: [`Pipeline`] with a [`PipelineConfig`], on the default CPU backend; or, with
//!   a device chosen at run time by [`DeviceName`], [`train`] and [`load`].
//! - **Camera frames**: [`Frame`] borrows raw bytes; [`Pipeline::detect_frame`](pipeline::Pipeline::detect_frame).
//! - **Many files**: [`detect_files`] decodes some while it scores others; [`heatmap`] draws what is found.
//! - **Data sets and metrics**: [`data`] and [`metrics`]; [`report`] writes results as an HTML file.
//! - **Thresholds without a defect**: [`calibration`] on the scores of good images kept out of training, and
//!   [`metrics::defect_regions`] of an anomaly map.
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
//! let good = data::list_images("good-parts")?;
//! let device = Default::default();
//! let pipeline = Pipeline::train(
//!     &PipelineConfig::default(),
//!     weights::embedded(),
//!     &good,
//!     &device,
//!     &mut |_| ControlFlow::Continue(()),
//! )?;
//! pipeline.save("part.nfbmr")?;
//!
//! let pipeline = Pipeline::load("part.nfbmr", weights::embedded(), &device)?;
//! let image = data::load_image("part.png", &data::Limits::default())?;
//! let detection = pipeline.detect(&image)?;
//! println!("score {}", detection.score);
//! # Ok(())
//! # }
//! ```

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
pub use nfbmr_whitening as whitening;

pub use device::{load, train};
pub use heatmap::heatmap;
pub use nfbmr_backend::{CudaProblem, DeviceError, DeviceName};
pub use nfbmr_data::{Frame, PixelFormat};
pub use nfbmr_pipeline::{
    AnomalyModel, BackboneWeights, Detection, Images, Phase, PipelineConfig, PipelineError,
    Progress, ProgressFn, ScoreMap, Scored, System, detect_files,
};

/// NF-BMR on the default CPU backend; [`pipeline::Pipeline`] is the generic one.
#[cfg(feature = "flex")]
pub type Pipeline = pipeline::Pipeline<backend::Cpu>;
