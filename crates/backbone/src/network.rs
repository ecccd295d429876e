//! One thing for each convolution of a network, whatever it is. Knows the layers alone.

use crate::architecture::BlockSpec;

/// Channels of the image.
pub(crate) const RGB: usize = 3;

/// Something for each convolution of a network: its names, or its values.
pub(crate) struct Network<T> {
    pub(crate) stem: T,
    pub(crate) blocks: Vec<BlockLayers<T>>,
}

/// The convolutions of one block.
pub(crate) struct BlockLayers<T> {
    pub(crate) spec: BlockSpec,
    pub(crate) expand: Option<T>,
    pub(crate) depthwise: T,
    /// Reduce and expand.
    pub(crate) squeeze_excite: Option<[T; 2]>,
    pub(crate) project: T,
}

impl<T> Network<T> {
    /// Every convolution in the order of the computation.
    pub(crate) fn layers(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.stem).chain(self.blocks.iter().flat_map(BlockLayers::layers))
    }

    pub(crate) fn map<U>(&self, f: impl Fn(&T) -> U) -> Network<U> {
        let block = |block: &BlockLayers<T>| BlockLayers {
            spec: block.spec,
            expand: block.expand.as_ref().map(&f),
            depthwise: f(&block.depthwise),
            squeeze_excite: block.squeeze_excite.as_ref().map(|pair| pair.each_ref().map(&f)),
            project: f(&block.project),
        };
        Network { stem: f(&self.stem), blocks: self.blocks.iter().map(block).collect() }
    }
}

impl<T> BlockLayers<T> {
    fn layers(&self) -> impl Iterator<Item = &T> {
        let squeeze_excite = self.squeeze_excite.iter().flatten();
        let before = self.expand.iter().chain([&self.depthwise]);
        before.chain(squeeze_excite).chain([&self.project])
    }
}
