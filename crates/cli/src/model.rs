//! The model of a command, and the weights of its backbone.

use std::path::{Path, PathBuf};

use nfbmr::{BackboneWeights, DeviceName, ModelInfo, Pipeline, PipelineBuilder};

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
    device: DeviceName,
}

impl Compute {
    /// The weights of the file named, if one is.
    pub fn own_weights(&self) -> Result<Option<BackboneWeights>, CliError> {
        Ok(self.weights.as_ref().map(BackboneWeights::open).transpose()?)
    }

    /// The file of weights, if one is named.
    pub fn weights_file(&self) -> Option<&Path> {
        self.weights.as_deref()
    }

    /// What trains or loads on the device, with these weights if there are any.
    pub fn builder<'a>(&self, own_weights: Option<BackboneWeights>) -> PipelineBuilder<'a> {
        let builder = Pipeline::builder().device(self.device);
        match own_weights {
            Some(weights) => builder.weights(weights),
            None => builder,
        }
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
    /// The files that are read.
    pub fn files(&self) -> impl Iterator<Item = &Path> + Clone {
        std::iter::once(self.path.as_path()).chain(self.weights_file())
    }

    /// The file of weights, if one is named.
    pub fn weights_file(&self) -> Option<&Path> {
        self.compute.weights_file()
    }

    /// Reads the model.
    pub fn load(&self) -> Result<Pipeline, CliError> {
        let own = self.compute.own_weights()?;
        Ok(self.compute.builder(own).load(&self.path)?)
    }

    /// What the file says of itself.
    pub fn info(&self) -> Result<ModelInfo, CliError> {
        Ok(ModelInfo::read(&self.path)?)
    }
}
