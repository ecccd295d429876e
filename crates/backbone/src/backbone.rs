//! The network on a device: loading and running it. Above it is nothing but the crate's root.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use nfbmr_backend::{Activation, Backend};
use nfbmr_onnx::{Graph, Value};

use crate::block::Block;
use crate::check;
use crate::config::BackboneConfig;
use crate::conv::Conv;
use crate::error::BackboneError;
use crate::host::HostConv;
use crate::network::RGB;
use crate::normalization::Normalization;
use crate::weights::Weights;

/// A frozen EfficientNet up to one of its blocks.
///
/// The weights are not parameters: nothing in here is trained.
#[derive(Clone, Debug)]
pub struct Backbone<B: Backend> {
    config: BackboneConfig,
    activation: Activation,
    stem: Conv<B>,
    blocks: Vec<Block<B>>,
    channels: usize,
}

impl<B: Backend> Backbone<B> {
    /// Takes the tensors up to the configured block, folds batch normalisation into the
    /// convolutions and puts them on the device. Other tensors are ignored.
    ///
    /// # Errors
    /// As [`BackboneConfig::validate`] and [`Weights::config`]; [`BackboneError::Weights`] lists
    /// every tensor that is missing, has another shape than the network needs or holds unusable
    /// values, and every detail in which the configuration is not the one that the weights record.
    pub fn load(
        config: &BackboneConfig,
        weights: &Weights,
        device: &B::Device,
    ) -> Result<Self, BackboneError> {
        let names = check::names(config, weights)?;
        let host = names.map(|layer| HostConv::read(layer, weights, config.batch_norm_eps));
        let geometries = config.geometries();
        #[expect(clippy::indexing_slicing, reason = "the stem's geometry is always there")]
        let stem = Conv::new(host.stem, geometries[0], device);
        let blocks = host.blocks.into_iter().zip(geometries.iter().skip(1));
        let blocks = blocks.map(|(block, &geometry)| Block::upload(block, geometry, device));
        Ok(Self {
            config: *config,
            activation: if config.variant.is_lite() { Activation::Relu6 } else { Activation::Silu },
            stem,
            blocks: blocks.collect(),
            channels: config.channels()?,
        })
    }

    /// Features `[batch, channels, h, w]` of normalised images `[batch, 3, height, width]`.
    ///
    /// # Errors
    /// [`BackboneError::Input`] if the batch is empty or the images do not have three channels,
    /// otherwise as [`BackboneConfig::output_shape`].
    pub fn forward(&self, x: Tensor<B, 4>) -> Result<Tensor<B, 4>, BackboneError> {
        self.check(&x)?;
        let stem = self.stem.forward(x.swap_dims(0, 1), self.activation);
        let y = self.blocks.iter().fold(stem, |x, block| block.forward(x, self.activation));
        Ok(y.swap_dims(0, 1))
    }

    /// The outputs of several blocks for the same images, in the order of `blocks`.
    ///
    /// # Errors
    /// [`BackboneError::NotLoaded`] for a block after the last one loaded, otherwise as
    /// [`forward`](Self::forward).
    pub fn forward_blocks(
        &self,
        x: Tensor<B, 4>,
        blocks: &[usize],
    ) -> Result<Vec<Tensor<B, 4>>, BackboneError> {
        let last = self.config.block;
        if let Some(&found) = blocks.iter().find(|&&block| block > last) {
            return Err(BackboneError::NotLoaded { last, found });
        }
        self.check(&x)?;
        let Some(&deepest) = blocks.iter().max() else { return Ok(Vec::new()) };
        let mut x = self.stem.forward(x.swap_dims(0, 1), self.activation);
        let mut kept = BTreeMap::new();
        for (index, block) in self.blocks.iter().enumerate().take(deepest + 1) {
            x = block.forward(x, self.activation);
            if blocks.contains(&index) {
                kept.insert(index, x.clone().swap_dims(0, 1));
            }
        }
        Ok(blocks.iter().filter_map(|block| kept.get(block).cloned()).collect())
    }

    /// [`Self::forward_blocks`] in a graph, of normalised images `[N, 3, height, width]` of so many
    /// rows and columns.
    ///
    /// # Errors
    /// [`BackboneError::NotLoaded`] for a block after the last one loaded, otherwise as
    /// [`BackboneConfig::output_shape`].
    pub fn add_to(
        &self,
        graph: &mut Graph,
        x: &Value,
        [height, width]: [usize; 2],
        blocks: &[usize],
    ) -> Result<Vec<Value>, BackboneError> {
        let last = self.config.block;
        if let Some(&found) = blocks.iter().find(|&&block| block > last) {
            return Err(BackboneError::NotLoaded { last, found });
        }
        self.config.output_shape(height, width)?;
        let stem = self.stem.params([0, 0, height, width], self.activation).add_to(graph, x);
        let mut x = (stem, self.stem.output([height, width]));
        let mut kept = BTreeMap::new();
        let deepest = blocks.iter().max().map_or(0, |deepest| deepest + 1);
        for (index, block) in self.blocks.iter().enumerate().take(deepest) {
            x = block.add_to(graph, x, self.activation);
            kept.insert(index, x.0.clone());
        }
        Ok(blocks.iter().filter_map(|block| kept.get(block).cloned()).collect())
    }

    /// The configuration it was loaded with.
    pub fn config(&self) -> &BackboneConfig {
        &self.config
    }

    /// The normalisation that images need before [`forward`](Self::forward).
    pub fn normalization(&self) -> Normalization {
        self.config.normalization
    }

    /// Channels of the output.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// burn panics on shapes that do not fit, so they are checked before.
    fn check(&self, x: &Tensor<B, 4>) -> Result<(), BackboneError> {
        let [batch, channels, height, width] = x.dims();
        if batch == 0 || channels != RGB {
            return Err(BackboneError::Input { found: x.dims() });
        }
        self.config.output_shape(height, width).map(|_| ())
    }
}
