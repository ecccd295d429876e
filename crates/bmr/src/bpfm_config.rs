//! The shape of PFM and B-PFM, what it costs and what it can't be: numbers alone, no tensors.

use serde::{Deserialize, Serialize};

/// The shape of a [`Bpfm`](crate::Bpfm), and what it does to its features.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BpfmConfig {
    /// Channels L between the two halves of a map; the published code has 200, 400 and 900 for features of
    /// stride 8, 16 and 32.
    pub latent: usize,
    /// PFM or B-PFM.
    pub directions: Directions,
    /// Whether features are divided by their Euclidean norm over the channels, position by position,
    /// before they are mapped and compared: so for two CNNs, not for a CNN and a flow.
    pub l2_normalize: bool,
}

/// The spaces that a [`Bpfm`](crate::Bpfm) maps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Directions {
    /// Source to target alone: PFM.
    Forward,
    /// Source to target and target to source: B-PFM.
    Both,
}

impl BpfmConfig {
    /// The published B-PFM for two CNNs at stride 8: L = 200, both directions, features normalised.
    pub fn published() -> Self {
        Self { latent: 200, directions: Directions::Both, l2_normalize: true }
    }

    /// Number of trainable parameters of a network between `source` and `target` channels, the shared
    /// convolution counted once; `usize::MAX` if it is larger. The running statistics, two for each
    /// channel of a batch normalisation, aren't among them.
    pub fn parameters(&self, source: usize, target: usize) -> usize {
        let conv = |[c_in, c_out]: [usize; 2]| c_in.saturating_add(1).saturating_mul(c_out);
        let norm = |[_, c_out]: [usize; 2]| c_out.saturating_mul(2);
        let branches = self.branches(source, target).map(|[conv1, conv2, conv4, conv5]| {
            let normed = [conv1, conv2, conv4];
            let normed = normed.map(|layer| conv(layer).saturating_add(norm(layer)));
            normed.into_iter().fold(conv(conv5), usize::saturating_add)
        });
        branches.fold(conv(self.shared()), usize::saturating_add)
    }

    /// Multiplications, each with its addition, of all convolutions over `positions` of an image; the
    /// shared one runs once in each direction.
    pub fn multiply_adds(&self, source: usize, target: usize, positions: usize) -> f64 {
        let product = |[c_in, c_out]: [usize; 2]| c_in as f64 * c_out as f64;
        let branches = self.branches(source, target);
        let branches = branches
            .map(|layers| product(self.shared()) + layers.into_iter().map(product).sum::<f64>());
        branches.sum::<f64>() * positions as f64
    }

    /// Input and output channels of the convolutions of one direction, less the shared one.
    pub(crate) fn layers(&self, c_in: usize, c_out: usize) -> [[usize; 2]; 4] {
        let wide = |channels: usize| (channels / 2).saturating_add(self.latent);
        let [code, latent] = self.shared();
        [[c_in, wide(c_in)], [wide(c_in), code], [latent, wide(c_out)], [wide(c_out), c_out]]
    }

    /// Input and output channels of the shared convolution.
    pub(crate) fn shared(&self) -> [usize; 2] {
        [self.latent.saturating_mul(2), self.latent]
    }

    fn branches(&self, source: usize, target: usize) -> impl Iterator<Item = [[usize; 2]; 4]> {
        let backward = match self.directions {
            Directions::Forward => None,
            Directions::Both => Some(self.layers(target, source)),
        };
        [self.layers(source, target)].into_iter().chain(backward)
    }

    pub(crate) fn check(&self, source: usize, target: usize) -> Result<(), BpfmError> {
        match source.min(target).min(self.latent) {
            0 => Err(BpfmError::Config {
                source_channels: source,
                target_channels: target,
                latent: self.latent,
            }),
            _ => Ok(()),
        }
    }
}

/// What a pre-trained feature mapping network can't do.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BpfmError {
    /// A configuration without meaning.
    #[error(
        "B-PFM configuration: latent and the features' channels must be 1 or more, found {latent}, and \
         {source_channels} and {target_channels} channels"
    )]
    Config {
        /// Channels of the source features.
        source_channels: usize,
        /// Channels of the target features.
        target_channels: usize,
        /// Channels between the two halves of a map.
        latent: usize,
    },
    /// Features of another shape than expected.
    #[error(
        "B-PFM: expected y with {source_channels} and z with {target_channels} channels over the same \
         positions, found {y:?} and {z:?}"
    )]
    Shape {
        /// Channels of the network's source features.
        source_channels: usize,
        /// Channels of the network's target features.
        target_channels: usize,
        /// Shape of the source features given.
        y: [usize; 4],
        /// Shape of the target features given.
        z: [usize; 4],
    },
    /// Too few positions in a training batch for a variance.
    #[error("B-PFM: training takes batches of 2 positions or more, found features {y:?}")]
    Batch {
        /// Shape of the source features given.
        y: [usize; 4],
    },
}
