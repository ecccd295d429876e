use crate::target_cnn::joint;

/// Blocks of the source CNN whose features are put together on the grid of the last of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SourceLevel {
    /// The blocks, ascending.
    pub(crate) blocks: Vec<usize>,
    /// Channels of each of the blocks.
    pub(crate) block_channels: Vec<usize>,
    /// Rows and columns.
    pub(crate) grid: [usize; 2],
    /// Channels of the blocks of all levels.
    all_channels: usize,
}

impl SourceLevel {
    /// Of blocks with the shapes of their features, whose levels have so many channels in all.
    pub(crate) fn new(blocks: &[(usize, [usize; 3])], all_channels: usize) -> Self {
        let shapes: Vec<[usize; 3]> = blocks.iter().map(|&(_, shape)| shape).collect();
        let [_, height, width] = joint(&shapes);
        Self {
            blocks: blocks.iter().map(|&(block, _)| block).collect(),
            block_channels: shapes.iter().map(|&[channels, ..]| channels).collect(),
            grid: [height, width],
            all_channels,
        }
    }

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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_as_wide_as_their_share_of_the_channels() {
        let blocks = [(4, [40, 12, 12]), (10, [192, 6, 6])];
        let fine = SourceLevel::new(&blocks[..1], 232);
        let widths = [1, 8, 64, 128, 1024].map(|width| fine.width(width));
        assert_eq!(widths, [1, 8, 16, 24, 184]);
        assert_eq!(fine.width(usize::MAX), usize::MAX / 232 * 40 / 8 * 8 + 8);
        let all = SourceLevel::new(&blocks, 232);
        assert_eq!((all.channels(), all.grid), (232, [6, 6]));
        assert_eq!([3, 100, usize::MAX].map(|width| all.width(width)), [3, 100, usize::MAX]);
    }
}
