use nfbmr_backbone::BackboneConfig;
use nfbmr_bmr::{BpfmConfig, Directions};
use serde::{Deserialize, Serialize};

use crate::config::PipelineConfig;
use crate::error::PipelineError;
use crate::system::System;

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

/// What is mapped to each other: the source and the target features of one level.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Level {
    /// Channels of the source features.
    pub(crate) source: usize,
    /// Channels of the target features.
    pub(crate) target: usize,
    /// The network between them.
    pub(crate) mapper: BpfmConfig,
}

impl TargetCnnConfig {
    /// A block of a backbone, with the latents of the published code for features of stride 8, 16 and 32.
    pub fn new(backbone: BackboneConfig) -> Self {
        let latents = vec![200, 400, 900];
        Self { backbone, earlier_blocks: Vec::new(), latents, l2_normalize: true }
    }

    /// A second CNN for the first one's blocks: for each, the last block of the same stage.
    ///
    /// # Errors
    /// [`PipelineError::Config`] where `backbone` ends before it.
    pub fn counterpart(
        source: &PipelineConfig,
        backbone: BackboneConfig,
    ) -> Result<Self, PipelineError> {
        let counterpart = |&block: &usize| {
            let found = source.backbone.variant.counterpart(block, backbone.variant);
            found.filter(|&found| found <= backbone.block).ok_or_else(|| {
                PipelineError::Config(format!(
                    "the target CNN's last block, {}, comes before the stage of block {block} of the \
                     source CNN",
                    backbone.block
                ))
            })
        };
        let mut blocks =
            source.blocks().iter().map(counterpart).collect::<Result<Vec<_>, PipelineError>>()?;
        let block = blocks.pop().unwrap_or(backbone.block);
        Ok(Self { earlier_blocks: blocks, ..Self::new(BackboneConfig { block, ..backbone }) })
    }

    /// The blocks whose features are used, ascending.
    pub(crate) fn blocks(&self) -> Vec<usize> {
        blocks(&self.backbone, &self.earlier_blocks)
    }

    /// The same by level: `mb-pfm` maps each block by itself.
    pub(crate) fn level_blocks(&self, system: System) -> Vec<Vec<usize>> {
        match system {
            System::MbPfm => self.blocks().into_iter().map(|block| vec![block]).collect(),
            _ => vec![self.blocks()],
        }
    }

    /// The levels of a system of two CNNs, whose grids agree.
    pub(crate) fn levels(
        &self,
        system: System,
        source: &BackboneConfig,
        source_blocks: &[usize],
        side: usize,
    ) -> Result<Vec<Level>, PipelineError> {
        let target_blocks = self.blocks();
        check_ascending("target_cnn.", &self.backbone, &self.earlier_blocks)?;
        if self.latents.is_empty() {
            return problem(
                "target_cnn.latents must have one value or more, found none".to_owned(),
            );
        }
        let shapes = |backbone: &BackboneConfig, blocks: &[usize]| {
            let shape =
                |&block: &usize| BackboneConfig { block, ..*backbone }.output_shape(side, side);
            blocks.iter().map(shape).collect::<Result<Vec<_>, _>>()
        };
        let source_shapes = shapes(source, source_blocks)?;
        let target_shapes = shapes(&self.backbone, &target_blocks)?;
        let by_level = system == System::MbPfm;
        if by_level && source_shapes.len() != target_shapes.len() {
            return problem(format!(
                "`mb-pfm` maps blocks one to one: expected as many blocks of the target CNN as of the \
                 source, found {target_blocks:?} and {source_blocks:?}"
            ));
        }
        let (source_levels, target_levels) = match by_level {
            true => (source_shapes, target_shapes),
            false => (vec![joint(&source_shapes)], vec![joint(&target_shapes)]),
        };
        let directions = match system {
            System::Pfm => Directions::Forward,
            _ => Directions::Both,
        };
        let level = |(index, (source, target)): (usize, ([usize; 3], [usize; 3]))| {
            if source[1..] != target[1..] {
                return problem(format!(
                    "expected features of both CNNs over the same grid, found {source:?} of the source and \
                     {target:?} of the target: choose blocks of the same stride"
                ));
            }
            #[expect(
                clippy::indexing_slicing,
                reason = "there is one latent or more, as checked above"
            )]
            let latent = self.latents[index.min(self.latents.len() - 1)];
            let mapper = BpfmConfig { latent, directions, l2_normalize: self.l2_normalize };
            Ok(Level { source: source[0], target: target[0], mapper })
        };
        source_levels.into_iter().zip(target_levels).enumerate().map(level).collect()
    }
}

/// The shape of all blocks' features put together on the grid of the last.
pub(crate) fn joint(shapes: &[[usize; 3]]) -> [usize; 3] {
    let channels = shapes.iter().map(|[channels, ..]| channels).sum();
    shapes.last().map_or([0; 3], |&[_, height, width]| [channels, height, width])
}

/// Earlier blocks and the last, ascending.
pub(crate) fn blocks(backbone: &BackboneConfig, earlier: &[usize]) -> Vec<usize> {
    earlier.iter().copied().chain(std::iter::once(backbone.block)).collect()
}

/// The earlier blocks ascend and lie before the last; `prefix` is that of their name.
pub(crate) fn check_ascending(
    prefix: &str,
    backbone: &BackboneConfig,
    earlier: &[usize],
) -> Result<(), PipelineError> {
    match blocks(backbone, earlier).is_sorted_by(|a, b| a < b) {
        true => Ok(()),
        false => problem(format!(
            "{prefix}earlier_blocks must ascend and lie before {prefix}backbone.block {}, found \
             {earlier:?}",
            backbone.block
        )),
    }
}

fn problem<T>(problem: String) -> Result<T, PipelineError> {
    Err(PipelineError::Config(problem))
}
