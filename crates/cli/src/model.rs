//! The model of a command, and the weights of its backbone.

use std::path::PathBuf;

use nfbmr::ModelInfo;
use nfbmr::{AnomalyModel, BackboneWeights, DeviceName, PipelineConfig, PipelineError, weights};

use crate::error::CliError;

/// What computes, and with which weights.
#[derive(clap::Args)]
pub struct Compute {
    /// Weights of the backbone in place of the embedded ones of EfficientNet-Lite0, as `nfbmr weights
    /// import` makes them. Models trained on them include them.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// `cpu`, or `cuda:0` and so on for an NVIDIA GPU, in a build with the feature `cuda`.
    #[arg(long, default_value_t = DeviceName::Cpu, value_name = "DEVICE")]
    pub device: DeviceName,
}

impl Compute {
    /// The weights of the file named, if one is.
    pub fn own_weights(&self) -> Result<Option<BackboneWeights>, CliError> {
        Ok(self.weights.as_ref().map(BackboneWeights::open).transpose()?)
    }
}

/// A model file.
#[derive(clap::Args)]
pub struct ModelArgs {
    /// The model file, as `nfbmr train` writes it.
    #[arg(value_name = "MODEL")]
    pub path: PathBuf,
    #[command(flatten)]
    compute: Compute,
}

impl ModelArgs {
    /// Reads the model.
    pub fn load(&self) -> Result<Box<dyn AnomalyModel>, CliError> {
        let own = self.compute.own_weights()?;
        let weights = own.as_ref().or(weights::embedded());
        Ok(nfbmr::load(&self.path, weights, self.compute.device)?)
    }

    /// What the file says of itself.
    pub fn info(&self) -> Result<ModelInfo, CliError> {
        Ok(ModelInfo::read(&self.path)?)
    }
}

/// Refuses weights of another network than the configuration's, which would list every tensor.
pub fn check_weights(
    config: &PipelineConfig,
    weights: Option<&BackboneWeights>,
) -> Result<(), CliError> {
    let weights = weights.ok_or(PipelineError::NoWeights)?;
    let expected = config.backbone.variant;
    match weights.config()?.map(|recorded| recorded.variant) {
        Some(found) if found != expected => Err(CliError::Weights { expected, found }),
        _ => Ok(()),
    }
}
