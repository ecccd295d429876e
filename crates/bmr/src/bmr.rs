//! BMR: its shape, its network and its loss. It knows nothing of B-PFM but the losses that both have.

use burn::module::Module;
use burn::tensor::Tensor;
use nfbmr_backend::{Activation, Backend, Conv2d};
use nfbmr_onnx::{Graph, Value};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::residual::{Loss, add_residual_map};

/// The shape of a [`Bmr`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BmrConfig {
    /// Channels of the residual stream; 1024 in the paper.
    pub latent: usize,
    /// Channels inside a residual block: `latent` read literally, `latent / 4` for a bottleneck as in
    /// ResNet, nine times cheaper.
    pub inner: usize,
    /// Residual blocks on either side of the shared one, n; 2 in the paper.
    pub blocks: usize,
}

impl BmrConfig {
    /// The paper's network: latent = inner = 1024, n = 2.
    pub fn paper() -> Self {
        Self { latent: 1024, inner: 1024, blocks: 2 }
    }

    /// Number of trainable parameters of a network over `channels` channels, the shared block counted
    /// once; `usize::MAX` if it is larger.
    pub fn parameters(&self, channels: usize) -> usize {
        let conv = |c_in: usize, c_out: usize, window: usize| {
            c_in.saturating_mul(window).saturating_add(1).saturating_mul(c_out)
        };
        let (latent, inner) = (self.latent, self.inner);
        let block = conv(latent, inner, 1)
            .saturating_add(conv(inner, inner, 9))
            .saturating_add(conv(inner, latent, 1));
        let ends = conv(channels, latent, 1).saturating_add(conv(latent, channels, 1));
        let blocks = self.blocks.saturating_mul(4).saturating_add(1).saturating_mul(block);
        ends.saturating_mul(2).saturating_add(blocks)
    }

    /// Multiplications, each with its addition, of all convolutions over `positions` of an image; the
    /// shared block runs once in each direction.
    pub fn multiply_adds(&self, channels: usize, positions: usize) -> f64 {
        let (latent, inner) = (self.latent as f64, self.inner as f64);
        let blocks =
            (2.0 * self.blocks as f64 + 1.0) * (2.0 * latent * inner + 9.0 * inner * inner);
        2.0 * (2.0 * channels as f64 * latent + blocks) * positions as f64
    }

    fn check(&self, channels: usize) -> Result<(), BmrError> {
        let &Self { latent, inner, .. } = self;
        match channels.min(latent).min(inner) {
            0 => Err(BmrError::Config { channels, latent, inner }),
            _ => Ok(()),
        }
    }
}

/// What a bidirectional mapping network can't do.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BmrError {
    /// A configuration without meaning.
    #[error(
        "BMR configuration: latent and inner must be 1 or more, found {latent} and {inner} (for \
         features of {channels} channels)"
    )]
    Config {
        /// Channels of the features.
        channels: usize,
        /// Channels of the residual stream.
        latent: usize,
        /// Channels inside a residual block.
        inner: usize,
    },
    /// Features of another shape than expected.
    #[error("BMR: expected y and z of one shape with {channels} channels, found {y:?} and {z:?}")]
    Shape {
        /// Channels of the network.
        channels: usize,
        /// Shape of the source features given.
        y: [usize; 4],
        /// Shape of the target features given.
        z: [usize; 4],
    },
}

/// Both features as mapped from each other.
#[derive(Clone, Debug)]
pub struct Mapped<B: Backend> {
    /// ŷ = SMNN(z) `[B, C, H, W]`.
    pub y: Tensor<B, 4>,
    /// ẑ = TMNN(y) `[B, C, H, W]`.
    pub z: Tensor<B, 4>,
}

/// SMNN and TMNN with the residual block they share.
///
/// Each is a 1 x 1 convolution C -> latent, n residual blocks, the shared block, n residual blocks and a
/// 1 x 1 convolution latent -> C.
#[derive(Module, Debug)]
pub struct Bmr<B: Backend> {
    target: Branch<B>,
    source: Branch<B>,
    shared: ResidualBlock<B>,
    channels: usize,
}

impl<B: Backend> Bmr<B> {
    /// An untrained network over `channels` channels, weights drawn from `seed`.
    ///
    /// # Errors
    /// [`BmrError::Config`].
    pub fn new(
        config: &BmrConfig,
        channels: usize,
        seed: u64,
        device: &B::Device,
    ) -> Result<Self, BmrError> {
        config.check(channels)?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        Ok(Self {
            target: Branch::new(config, channels, &mut rng, device),
            source: Branch::new(config, channels, &mut rng, device),
            shared: ResidualBlock::new(config, &mut rng, device),
            channels,
        })
    }

    /// Maps y to the target and z to the source space, both `[B, C, H, W]`.
    ///
    /// # Errors
    /// [`BmrError::Shape`].
    pub fn forward(&self, y: Tensor<B, 4>, z: Tensor<B, 4>) -> Result<Mapped<B>, BmrError> {
        self.check_shapes(&y, &z)?;
        let mapped = self.map(y.swap_dims(0, 1), z.swap_dims(0, 1));
        Ok(Mapped { y: mapped.y.swap_dims(0, 1), z: mapped.z.swap_dims(0, 1) })
    }

    /// The losses (11) and (12) of source and target features `[B, C, H, W]`.
    ///
    /// # Errors
    /// [`BmrError::Shape`].
    pub fn loss(&self, y: Tensor<B, 4>, z: Tensor<B, 4>) -> Result<Loss<B>, BmrError> {
        self.check_shapes(&y, &z)?;
        let (y, z) = (y.swap_dims(0, 1), z.swap_dims(0, 1));
        let mapped = self.map(y.clone(), z.clone());
        Ok(Loss { source: (mapped.y - y).square().mean(), target: (mapped.z - z).square().mean() })
    }

    /// Brings the weights into the form that the backend computes with; for a network that is trained no
    /// further.
    pub fn prepare(&mut self) {
        self.target.prepare();
        self.source.prepare();
        self.shared.prepare();
    }

    /// In a graph, the residuals of y and z `[N, C, H, W]` by position `[N, H, W]`: of the source
    /// and of the target direction.
    pub fn add_residuals_to(&self, graph: &mut Graph, y: &Value, z: &Value) -> [Value; 2] {
        let mapped_y = self.source.add_to(graph, z, &self.shared);
        let mapped_z = self.target.add_to(graph, y, &self.shared);
        [add_residual_map(graph, y, &mapped_y), add_residual_map(graph, z, &mapped_z)]
    }

    /// Channel-major `[C, B, H, W]`, see [`Conv2d`].
    fn map(&self, y: Tensor<B, 4>, z: Tensor<B, 4>) -> Mapped<B> {
        Mapped { y: self.source.forward(z, &self.shared), z: self.target.forward(y, &self.shared) }
    }

    fn check_shapes(&self, y: &Tensor<B, 4>, z: &Tensor<B, 4>) -> Result<(), BmrError> {
        let (y, z) = (y.dims(), z.dims());
        match y == z && y[1] == self.channels {
            true => Ok(()),
            false => Err(BmrError::Shape { channels: self.channels, y, z }),
        }
    }
}

/// One direction, less the shared block in its middle.
#[derive(Module, Debug)]
struct Branch<B: Backend> {
    input: Conv2d<B>,
    before: Vec<ResidualBlock<B>>,
    after: Vec<ResidualBlock<B>>,
    output: Conv2d<B>,
}

impl<B: Backend> Branch<B> {
    fn new(config: &BmrConfig, channels: usize, rng: &mut impl RngExt, device: &B::Device) -> Self {
        let blocks = |rng: &mut _| {
            let block = |_| ResidualBlock::new(config, rng, device);
            (0..config.blocks).map(block).collect()
        };
        Self {
            input: Conv2d::new(channels, config.latent, 1, rng, device),
            before: blocks(rng),
            after: blocks(rng),
            output: Conv2d::new(config.latent, channels, 1, rng, device),
        }
    }

    fn forward(&self, x: Tensor<B, 4>, shared: &ResidualBlock<B>) -> Tensor<B, 4> {
        let blocks = self.before.iter().chain([shared]).chain(&self.after);
        let x = self.input.forward(x, Activation::Identity, None);
        let x = blocks.fold(x, |x, block| block.forward(x));
        self.output.forward(x, Activation::Identity, None)
    }

    fn add_to(&self, graph: &mut Graph, x: &Value, shared: &ResidualBlock<B>) -> Value {
        let blocks = self.before.iter().chain([shared]).chain(&self.after);
        let x = self.input.add_to(graph, x, Activation::Identity);
        let x = blocks.fold(x, |x, block| block.add_to(graph, &x));
        self.output.add_to(graph, &x, Activation::Identity)
    }

    fn prepare(&mut self) {
        self.input.prepare();
        self.before.iter_mut().chain(&mut self.after).for_each(ResidualBlock::prepare);
        self.output.prepare();
    }
}

/// x + relu(conv1x1(relu(conv3x3(relu(conv1x1(x)))))).
#[derive(Module, Debug)]
struct ResidualBlock<B: Backend> {
    conv1: Conv2d<B>,
    conv2: Conv2d<B>,
    conv3: Conv2d<B>,
}

impl<B: Backend> ResidualBlock<B> {
    fn new(config: &BmrConfig, rng: &mut impl RngExt, device: &B::Device) -> Self {
        let (latent, inner) = (config.latent, config.inner);
        Self {
            conv1: Conv2d::new(latent, inner, 1, rng, device),
            conv2: Conv2d::new(inner, inner, 3, rng, device),
            conv3: Conv2d::new(inner, latent, 1, rng, device),
        }
    }

    fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let inner = self.conv1.forward(x.clone(), Activation::Relu, None);
        let inner = self.conv2.forward(inner, Activation::Relu, None);
        self.conv3.forward(inner, Activation::Relu, Some(x))
    }

    fn add_to(&self, graph: &mut Graph, x: &Value) -> Value {
        let layers = [&self.conv1, &self.conv2, &self.conv3];
        let inner = layers
            .iter()
            .fold(x.clone(), |inner, layer| layer.add_to(graph, &inner, Activation::Relu));
        graph.add(&inner, x)
    }

    fn prepare(&mut self) {
        [&mut self.conv1, &mut self.conv2, &mut self.conv3].into_iter().for_each(Conv2d::prepare);
    }
}
