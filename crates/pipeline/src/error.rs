use std::path::PathBuf;

use nfbmr_backbone::{BackboneError, WeightsError};
use nfbmr_backend::{DeviceError, StateError};
use nfbmr_bmr::{BmrError, BpfmError};
use nfbmr_cache::CacheError;
use nfbmr_data::{DataError, FrameError, PixelError, SizeError};
use nfbmr_flow::FlowError;
use nfbmr_metrics::MetricError;
use nfbmr_peers::PeerError;
use nfbmr_whitening::WhiteningError;

use crate::calibrate_error::CalibrateError;
use crate::checkpoint_error::CheckpointError;
use crate::progress::Phase;
use crate::system::System;

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

/// Why a set of images or a setting doesn't train.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrainingError {
    /// Fewer than two images.
    #[error("training needs 2 images of good parts or more, found {found}{}", match .skipped {
        0 => String::new(),
        skipped => format!(" besides {skipped} files that can't be read"),
    })]
    TooFewImages {
        /// Images that could be read.
        found: usize,
        /// Bad files left out.
        skipped: usize,
    },
    /// Features that don't fit the memory allowed for them, and no cache to read them from.
    #[error(
        "the features of {images} images take {needed} MB of memory in training, more than the {allowed} \
         MB that `TrainingStorage::memory` allows: give it a cache, from which they are read as needed"
    )]
    FeatureMemory {
        /// The number of images.
        images: usize,
        /// What their features take, in MB.
        needed: u64,
        /// What is allowed, in MB.
        allowed: u64,
    },
    /// Networks, statistics and features that don't fit the memory there is.
    #[error(
        "training takes {needed} MB of memory at least, and {available} MB are available: a smaller \
         input_size, smaller networks or, for features, a lower `TrainingStorage::memory` with a cache take \
         less"
    )]
    Memory {
        /// An estimate from below, in MB.
        needed: u64,
        /// What is available, in MB.
        available: u64,
    },
    /// Features that training reads from a cache are gone from it.
    #[error(
        "the features of training image {index} are no longer in the feature cache, where they were \
         found damaged; train again to compute them anew"
    )]
    LostFeatures {
        /// The image among those trained on.
        index: usize,
    },
    /// All images are the same.
    #[error("training needs images that differ, found {0} times the same")]
    Identical(usize),
    /// All images are of one colour each.
    #[error("training needs images that show something, found {0} of one colour each")]
    Blank(usize),
    /// The loss is infinite or not a number.
    #[error(
        "the loss of the phase {phase} is not finite in epoch {epoch}: a lower learning rate or a \
         smaller max_grad_norm may help"
    )]
    NotFinite {
        /// The phase.
        phase: Phase,
        /// The epoch, from 1.
        epoch: usize,
    },
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
        "expected {} model, found {}: `nfbmr::load` reads both",
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
    #[error("format version {found}: this version of nfbmr reads up to {newest}")]
    Version {
        /// The file's format version.
        found: u64,
        /// The newest format version known.
        newest: u64,
    },
    /// A tensor that belongs to no network of a model.
    #[error("tensor {0}: belongs to no network of a system `{1}`")]
    UnknownTensor(String, System),
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
    /// Normalisation constants that aren't positive numbers.
    #[error("normalisation constants must be positive, found {source_mean} and {target_mean}")]
    Normalization {
        /// Mean source residual.
        source_mean: f64,
        /// Mean target residual.
        target_mean: f64,
    },
    /// Not the normalisation constants of each level that maps.
    #[error("expected the normalisation constants of {expected} levels, found those of {found}")]
    Normalizations {
        /// Levels with a mapping network.
        expected: usize,
        /// Levels with constants.
        found: usize,
    },
    /// The model needs backbone weights that weren't given.
    #[error(
        "the model needs the backbone weights it was trained with, SHA-256 {expected}, found {}: give \
         those, or save it with `save_with_backbone`",
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
