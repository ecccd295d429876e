//! What computes, and with which weights.

use std::path::PathBuf;

use nfbmr::{BackboneWeights, DeviceName, Pipeline, PipelineBuilder};

use crate::failure::Failure;

/// What computes, and with which weights.
pub(crate) struct Compute {
    device: DeviceName,
    weights: Option<PathBuf>,
}

impl Compute {
    pub(crate) fn new(device: &str, weights: Option<PathBuf>) -> Result<Self, Failure> {
        Ok(Self { device: device.parse()?, weights })
    }

    /// The weights of the file named, if one is.
    pub(crate) fn own_weights(&self) -> Result<Option<BackboneWeights>, Failure> {
        Ok(self.weights.as_ref().map(BackboneWeights::open).transpose()?)
    }

    /// What trains or loads on the device, with these weights if there are any.
    pub(crate) fn builder<'a>(&self, own: Option<BackboneWeights>) -> PipelineBuilder<'a> {
        let builder = Pipeline::builder().device(self.device);
        match own {
            Some(weights) => builder.weights(weights),
            None => builder,
        }
    }
}
