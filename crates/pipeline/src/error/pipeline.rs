//! The error of every public function, and what is wrong with a model file.

use std::path::PathBuf;

use nfbmr_backbone::{BackboneError, Variant, WeightsError};
use nfbmr_backend::{DeviceError, StateError};
use nfbmr_bmr::{BmrError, BpfmError};
use nfbmr_cache::CacheError;
use nfbmr_data::{DataError, FrameError, HoldOutError, PixelError, SizeError};
use nfbmr_flow::FlowError;
use nfbmr_metrics::MetricError;
use nfbmr_peers::PeerError;
use nfbmr_whitening::WhiteningError;

use super::{CalibrateError, CheckpointError, ExportError, Phase, TrainingError};

/// What can go wrong in training, scoring, saving and loading.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// A configuration without meaning.
    #[error("configuration: {0}")]
    Config(String),
    /// An image that can't be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Images that can't be divided into some to train on and some to calibrate on.
    #[error(transparent)]
    HoldOut(#[from] HoldOutError),
    /// An image that can't be brought to the network's size.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// An image with values that have no brightness.
    #[error(transparent)]
    Pixels(#[from] PixelError),
    /// A camera frame that doesn't hold what it says.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A feature cache that can't be read or written.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// Scores that a metric is not defined on.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// A backbone that can't be built, or images it can't take.
    #[error(transparent)]
    Backbone(#[from] BackboneError),
    /// A backbone file that can't be read.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A backbone file that can't be used.
    #[error("weights file {}: {source}", .path.display())]
    WeightsFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<PipelineError>,
    },
    /// No weights were given for the backbone.
    #[error(
        "no backbone weights at hand: this build embeds none; build with the feature \
         `embedded-weights` or read a file with `BackboneWeights::open`"
    )]
    NoWeights,
    /// Weights of another network than the configuration's.
    #[error("expected weights of {expected}, found those of {found}")]
    WeightsVariant {
        /// The network of the configuration.
        expected: Variant,
        /// The network that the weights record.
        found: Variant,
    },
    /// No weights were given for the second CNN of a system that maps two.
    #[error(
        "no weights at hand for the target CNN: read a file with `BackboneWeights::open` and hand it over \
         by `BackboneWeights::with_target`"
    )]
    NoTargetWeights,
    /// A flow that can't be built.
    #[error(transparent)]
    Flow(#[from] FlowError),
    /// A mapping network that can't be built.
    #[error(transparent)]
    Bmr(#[from] BmrError),
    /// A mapping network B-PFM that can't be built.
    #[error(transparent)]
    Bpfm(#[from] BpfmError),
    /// A template that can't be learnt.
    #[error(transparent)]
    Alignment(#[from] nfbmr_pose::PoseError),
    /// Features that can't be whitened.
    #[error(transparent)]
    Whitening(#[from] WhiteningError),
    /// A memory or distributions that can't be fitted or used.
    #[error(transparent)]
    Peer(PeerError),
    /// Images or settings that don't train.
    #[error(transparent)]
    Training(#[from] TrainingError),
    /// Images that don't calibrate the model, or a threshold that it can't have.
    #[error(transparent)]
    Calibration(#[from] CalibrateError),
    /// The progress callback asked to stop.
    #[error("interrupted by the caller in the phase {0}")]
    Interrupted(Phase),
    /// A model file that can't be written or read.
    #[error("model file {}: {source}", .path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ModelError,
    },
    /// A checkpoint that can't be written or resumed from.
    #[error("checkpoint {}: {source}", .path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: CheckpointError,
    },
    /// A model that isn't written as an ONNX graph.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A device that can't be had.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

impl From<PeerError> for PipelineError {
    fn from(error: PeerError) -> Self {
        match error {
            PeerError::Interrupted => Self::Interrupted(Phase::Fit),
            error => Self::Peer(error),
        }
    }
}

/// What is wrong with a model file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// It can't be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// It isn't a safetensors file, or a damaged one.
    #[error(
        "expected an nfbmr model (a safetensors file), found a damaged file or another kind: {0}"
    )]
    SafeTensors(#[from] safetensors::SafeTensorError),
    /// A safetensors file without nfbmr's metadata.
    #[error("no `nfbmr` entry in the metadata: a safetensors file, but not an nfbmr model")]
    Foreign,
    /// A model of the other kind, ordinary or cross-fitted.
    #[error(
        "expected {} model, found {}: `nfbmr::Pipeline::load` reads both",
        if *.cross_fitted { "an ordinary" } else { "a cross-fitted" },
        if *.cross_fitted { "one cross-fitted on folds" } else { "an ordinary one" }
    )]
    Kind {
        /// Whether the file is that of a cross-fitted model.
        cross_fitted: bool,
    },
    /// The model of a fold can't be used.
    #[error("the model of fold {fold}: {source}")]
    Fold {
        /// The index of the fold.
        fold: usize,
        /// What is wrong with it.
        source: Box<ModelError>,
    },
    /// The models of the folds don't fit each other or the calibration.
    #[error("expected {expected}, found {found}")]
    Folds {
        /// What there has to be.
        expected: &'static str,
        /// What there is.
        found: String,
    },
    /// Content that doesn't have the checksum the file records.
    #[error(
        "the content doesn't match the file's checksum: damaged, or changed by another program; copy \
         it again or train again"
    )]
    Damaged,
    /// Metadata that doesn't parse.
    #[error("the metadata, damaged or of another version of nfbmr, can't be read: {0}")]
    Metadata(#[from] serde_json::Error),
    /// A format this version doesn't know.
    #[error(
        "format version {found}: this version of nfbmr reads {expected} alone; train again, or use the \
         version that wrote the file"
    )]
    Version {
        /// The file's format version.
        found: u64,
        /// The format version known.
        expected: u64,
    },
    /// A tensor that belongs to no network of a model.
    #[error("tensor {0}: belongs to no network of a system `{1}`")]
    UnknownTensor(String, &'static str),
    /// A constant that a system has and the file doesn't.
    #[error("expected the constant {0} among those that the system has learnt, found none")]
    NoConstant(&'static str),
    /// A constant that belongs to no part of a model.
    #[error("constant {0}: belongs to no part of a system `{1}`")]
    UnknownConstant(String, &'static str),
    /// A tensor of another type than expected.
    #[error("tensor {name}: expected {expected}, found {found:?}")]
    DType {
        /// The tensor.
        name: String,
        /// The type expected.
        expected: &'static str,
        /// The type found.
        found: safetensors::Dtype,
    },
    /// Parameters that don't fit the configured network.
    #[error("{network}: {source}")]
    State {
        /// Its name in the file, with the number of its level where there are several.
        network: String,
        /// What doesn't fit.
        source: StateError,
    },
    /// Fingerprints of training images that aren't rows of 16 bytes.
    #[error("tensor {name}: expected the shape [N, 16], found {found:?}")]
    Fingerprints {
        /// The tensor.
        name: &'static str,
        /// The shape found.
        found: Vec<usize>,
    },
    /// Networks larger than the file.
    #[error(
        "the metadata describe networks of {parameters} parameters, more than a file of {bytes} bytes \
         holds: the two don't belong together"
    )]
    Parameters {
        /// Parameters of the configured networks.
        parameters: usize,
        /// Length of the file.
        bytes: usize,
    },
    /// Mean residuals that aren't positive numbers.
    #[error("mean residuals must be positive, found {source_mean} and {target_mean}")]
    MeanResiduals {
        /// Mean source residual.
        source_mean: f64,
        /// Mean target residual.
        target_mean: f64,
    },
    /// Not as many constants as levels.
    #[error("expected the {name} of {expected} levels, found those of {found}")]
    Levels {
        /// What the constants are.
        name: &'static str,
        /// Levels that the configuration has.
        expected: usize,
        /// Levels with constants.
        found: usize,
    },
    /// The model needs backbone weights that weren't given.
    #[error(
        "the model needs the backbone weights it was trained with, SHA-256 {expected}, found {}: give \
         those, or save it with them (`StoredBackbone::Included`)",
        .found.as_deref().unwrap_or("none")
    )]
    Backbone {
        /// Checksum of the weights the model was trained on.
        expected: String,
        /// Checksum of those given.
        found: Option<String>,
    },
    /// The configuration or the networks in the file can't be used.
    #[error(transparent)]
    Unusable(Box<PipelineError>),
}
