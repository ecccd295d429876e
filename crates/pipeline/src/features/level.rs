//! Which blocks of a CNN are used, and the levels that their features are put together to.

use nfbmr_backbone::BackboneConfig;
use nfbmr_onnx::Value;
use serde::Serialize;

use crate::error::PipelineError;

/// The blocks of a backbone whose features are used, of images of one side.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Blocks {
    /// To the last of the blocks.
    pub(crate) backbone: BackboneConfig,
    /// Ascending.
    pub(crate) blocks: Vec<usize>,
    /// Side of the images in pixels.
    pub(crate) side: u32,
}

/// What a system asks of a level: blocks, and the scale of the input that they see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LevelSpec {
    /// Ascending.
    pub(crate) blocks: Vec<usize>,
    /// How many pixels of the input are averaged to one, along a side.
    pub(crate) reduction: usize,
}

impl LevelSpec {
    /// Blocks that see the input as it is.
    pub(crate) fn new(blocks: &[usize]) -> Self {
        Self { blocks: blocks.to_vec(), reduction: 1 }
    }
}

/// Blocks of a CNN whose features are put together on the grid of the last of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FeatureLevel {
    /// The blocks, ascending.
    pub(crate) blocks: Vec<usize>,
    /// How many pixels of the input are averaged to one, along a side, before the blocks see them.
    pub(crate) reduction: usize,
    /// Channels of each of the blocks.
    pub(crate) block_channels: Vec<usize>,
    /// Rows and columns.
    pub(crate) grid: [usize; 2],
    /// Channels of the blocks of all levels.
    all_channels: usize,
}

/// The features of a level in an ONNX graph, `[N, C, H, W]`.
#[derive(Clone, Debug)]
pub(crate) struct GraphLevel {
    pub(crate) features: Value,
    /// Rows and columns.
    pub(crate) grid: [usize; 2],
}

/// A CNN and the levels of its features: all that these depend on, besides weights and pixels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CnnLevels {
    pub(crate) backbone: BackboneConfig,
    /// The finest first.
    pub(crate) levels: Vec<FeatureLevel>,
}

impl Blocks {
    /// Those of a backbone to its last block. `prefix` is that of the name of the setting.
    ///
    /// # Errors
    /// [`PipelineError::Config`] if the earlier blocks don't ascend or don't lie before the last.
    pub(crate) fn new(
        prefix: &str,
        backbone: BackboneConfig,
        earlier: &[usize],
        side: u32,
    ) -> Result<Self, PipelineError> {
        let blocks: Vec<usize> =
            earlier.iter().copied().chain(std::iter::once(backbone.block)).collect();
        match blocks.is_sorted_by(|a, b| a < b) {
            true => Ok(Self { backbone, blocks, side }),
            false => Err(PipelineError::Config(format!(
                "{prefix}earlier_blocks must ascend and lie before {prefix}backbone.block {}, found \
                 {earlier:?}",
                backbone.block
            ))),
        }
    }

    /// Channels, rows and columns of the features of a block, of an input reduced so.
    pub(crate) fn shape(
        &self,
        block: usize,
        reduction: usize,
    ) -> Result<[usize; 3], PipelineError> {
        let side = self.side as usize / reduction;
        Ok(self.backbone.shape(block, side, side)?)
    }

    /// Pixels of the input from one position of the last block to the next.
    pub(crate) fn stride(&self) -> Result<u32, PipelineError> {
        Ok(self.backbone.stride(self.backbone.block)? as u32)
    }

    /// The features of all blocks on the grid of the last.
    pub(crate) fn joint(&self) -> Result<[usize; 3], PipelineError> {
        let joint = self.level(&LevelSpec::new(&self.blocks), 0)?;
        Ok([joint.channels(), joint.grid[0], joint.grid[1]])
    }

    /// The blocks by the grid of their features: all up to the last of each.
    pub(crate) fn pyramid(&self) -> Result<Vec<LevelSpec>, PipelineError> {
        let mut ends: Vec<([usize; 2], usize)> = Vec::new();
        for (index, &block) in self.blocks.iter().enumerate() {
            let [_, height, width] = self.shape(block, 1)?;
            match ends.last_mut() {
                Some((grid, end)) if *grid == [height, width] => *end = index,
                _ => ends.push(([height, width], index)),
            }
        }
        Ok(ends
            .into_iter()
            .map(|(_, end)| LevelSpec::new(self.blocks.get(..=end).unwrap_or(&self.blocks)))
            .collect())
    }

    /// Each block by itself.
    pub(crate) fn each(&self) -> Vec<LevelSpec> {
        self.blocks.iter().map(|&block| LevelSpec::new(&[block])).collect()
    }

    /// The last block, of the input in full, half and quarter size.
    pub(crate) fn scales(&self) -> Vec<LevelSpec> {
        let blocks = vec![self.backbone.block];
        [1, 2, 4].map(|reduction| LevelSpec { blocks: blocks.clone(), reduction }).to_vec()
    }

    /// The levels of the features.
    pub(crate) fn levels(&self, specs: &[LevelSpec]) -> Result<CnnLevels, PipelineError> {
        let mut all_channels = 0;
        for &block in &self.blocks {
            let [channels, ..] = self.shape(block, 1)?;
            all_channels += channels;
        }
        let levels = specs.iter().map(|spec| self.level(spec, all_channels));
        Ok(CnnLevels { backbone: self.backbone, levels: levels.collect::<Result<_, _>>()? })
    }

    fn level(&self, spec: &LevelSpec, all_channels: usize) -> Result<FeatureLevel, PipelineError> {
        let LevelSpec { blocks, reduction } = spec.clone();
        let shapes = blocks.iter().map(|&block| self.shape(block, reduction));
        let shapes = shapes.collect::<Result<Vec<_>, _>>()?;
        let grid = shapes.last().map_or([0; 2], |&[_, height, width]| [height, width]);
        let block_channels = shapes.iter().map(|&[channels, ..]| channels).collect();
        Ok(FeatureLevel { blocks, reduction, block_channels, grid, all_channels })
    }
}

impl FeatureLevel {
    /// The width of a network of this level, of a width for all channels: in proportion to its own, rounded up
    /// to a multiple of 8.
    pub(crate) fn width(&self, width: usize) -> usize {
        const STEP: u128 = 8;
        let share = width as u128 * self.channels() as u128;
        let own = share.div_ceil(self.all_channels.max(1) as u128).next_multiple_of(STEP);
        usize::try_from(own).map_or(width, |own| own.min(width))
    }

    /// Channels of the features.
    pub(crate) fn channels(&self) -> usize {
        self.block_channels.iter().sum()
    }

    /// Positions of the features.
    pub(crate) fn positions(&self) -> usize {
        self.grid.iter().product()
    }

    /// Channels, rows and columns.
    pub(crate) fn shape(&self) -> [usize; 3] {
        let [height, width] = self.grid;
        [self.channels(), height, width]
    }
}

/// How the input is reduced for levels, each once, ascending: the backbone runs once for each.
pub(crate) fn reductions(levels: &[FeatureLevel]) -> Vec<usize> {
    let mut reductions: Vec<usize> = levels.iter().map(|level| level.reduction).collect();
    reductions.sort_unstable();
    reductions.dedup();
    reductions
}

#[cfg(test)]
mod tests {
    use nfbmr_backbone::{Normalization, Padding, Variant};

    use super::*;

    /// Lite0 has 40 channels in block 4, at stride 8, and 192 in block 12, at stride 32.
    fn blocks() -> Blocks {
        let backbone = BackboneConfig {
            variant: Variant::Lite0,
            block: 12,
            padding: Padding::SameDynamic,
            batch_norm_eps: 1e-3,
            normalization: Normalization::HALF,
        };
        Blocks::new("", backbone, &[3, 4], 96).unwrap()
    }

    #[test]
    fn networks_are_as_wide_as_their_share_of_the_channels() {
        let level = |channels: &[usize]| FeatureLevel {
            blocks: Vec::new(),
            reduction: 1,
            block_channels: channels.to_vec(),
            grid: [6; 2],
            all_channels: 232,
        };
        let fine = level(&[40]);
        let widths = [1, 8, 64, 128, 1024].map(|width| fine.width(width));
        assert_eq!(widths, [1, 8, 16, 24, 184]);
        assert_eq!(fine.width(usize::MAX), usize::MAX / 232 * 40 / 8 * 8 + 8);
        let all = level(&[40, 192]);
        assert_eq!(all.shape(), [232, 6, 6]);
        assert_eq!([3, 100, usize::MAX].map(|width| all.width(width)), [3, 100, usize::MAX]);
    }

    #[test]
    fn a_pyramid_has_a_level_for_each_stride() {
        let blocks = blocks();
        let specs = blocks.pyramid().unwrap();
        assert_eq!(specs, [LevelSpec::new(&[3, 4]), LevelSpec::new(&[3, 4, 12])]);
        let levels = blocks.levels(&specs).unwrap().levels;
        assert_eq!(levels[0].shape(), [80, 12, 12]);
        assert_eq!(levels[1].shape(), [272, 3, 3]);
        assert_eq!(blocks.joint().unwrap(), levels[1].shape());
    }

    #[test]
    fn a_reduced_input_has_features_of_a_coarser_grid() {
        let blocks = blocks();
        let spec = LevelSpec { reduction: 2, ..LevelSpec::new(&[4]) };
        assert_eq!(blocks.levels(&[spec]).unwrap().levels[0].shape(), [40, 6, 6]);
        let levels = blocks.levels(&blocks.scales()).unwrap().levels;
        let shapes: Vec<_> = levels.iter().map(FeatureLevel::shape).collect();
        assert_eq!(shapes, [[192, 3, 3], [192, 2, 2], [192, 1, 1]]);
        assert_eq!(reductions(&levels), [1, 2, 4]);
        assert_eq!(reductions(&[&levels[1..], &levels[1..]].concat()), [2, 4]);
    }

    #[test]
    fn blocks_ascend() {
        let Blocks { backbone, side, .. } = blocks();
        for earlier in [&[4, 3][..], &[4, 4], &[12]] {
            let problem = Blocks::new("", backbone, earlier, side).unwrap_err().to_string();
            assert!(problem.contains("earlier_blocks must ascend"), "{problem}");
        }
    }
}
