//! The second CNN of systems that map two.

use nfbmr_backbone::BackboneConfig;
use serde::{Deserialize, Serialize};

use crate::error::PipelineError;

/// The second CNN of `pfm`, `bpfm` and `mb-pfm`, and how its features and the first one's are mapped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TargetCnnConfig {
    /// The feature extractor.
    pub backbone: BackboneConfig,
    /// Blocks before its last, as [`earlier_blocks`](crate::PipelineConfig::earlier_blocks) of the first.
    /// `mb-pfm` maps the n-th block of either CNN to the n-th of the other.
    #[serde(default)]
    pub earlier_blocks: Vec<usize>,
    /// Channels L between the two halves of a map, for the n-th block of `mb-pfm` and for all that follow
    /// the last of these; `pfm` and `bpfm` take the first.
    pub latents: Vec<usize>,
    /// Whether features are divided by their Euclidean norm over the channels, as published.
    pub l2_normalize: bool,
}

impl TargetCnnConfig {
    /// A block of a backbone, with the latents of the published code for features of stride 8, 16 and 32.
    pub fn new(backbone: BackboneConfig) -> Self {
        let latents = vec![200, 400, 900];
        Self { backbone, earlier_blocks: Vec::new(), latents, l2_normalize: true }
    }

    /// A second CNN for these blocks of the first one, ascending: for each, the last block of the same stage.
    ///
    /// # Errors
    /// [`PipelineError::Config`] where `backbone` ends before it.
    pub fn counterpart(
        source: &BackboneConfig,
        blocks: &[usize],
        backbone: BackboneConfig,
    ) -> Result<Self, PipelineError> {
        let counterpart = |&block: &usize| {
            let found = source.variant.counterpart(block, backbone.variant);
            found.filter(|&found| found <= backbone.block).ok_or_else(|| {
                PipelineError::Config(format!(
                    "the target CNN's last block, {}, comes before the stage of block {block} of the \
                     source CNN",
                    backbone.block
                ))
            })
        };
        let mut blocks =
            blocks.iter().map(counterpart).collect::<Result<Vec<_>, PipelineError>>()?;
        let block = blocks.pop().unwrap_or(backbone.block);
        Ok(Self { earlier_blocks: blocks, ..Self::new(BackboneConfig { block, ..backbone }) })
    }
}
