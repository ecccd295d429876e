use burn::module::Module;
use burn::tensor::Tensor;
use nfbmr_backend::Backend;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::coupling::Coupling;

/// The shape of a [`Flow`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowConfig {
    /// Number of coupling blocks; the paper uses 4.
    pub couplings: usize,
    /// Channels between the two convolutions of a subnetwork; the paper uses 1024.
    pub hidden: usize,
    /// Side of the convolution windows, odd; 3 in the paper preset.
    pub kernel: usize,
    /// Bound of the log-scale: s = clamp · 0.636 · atan(s_raw / clamp), so |s| < clamp.
    pub clamp: f64,
}

impl FlowConfig {
    /// The paper's flow: 4 couplings, 1024 hidden channels, 3 x 3 windows, clamp 3.
    pub fn paper() -> Self {
        Self { couplings: 4, hidden: 1024, kernel: 3, clamp: 3.0 }
    }

    /// Number of trainable parameters of a flow over `channels` channels; `usize::MAX` if it is larger.
    pub fn parameters(&self, channels: usize) -> usize {
        let conv = |c_in: usize, c_out: usize| {
            let window = self.kernel.saturating_mul(self.kernel);
            c_in.saturating_mul(window).saturating_add(1).saturating_mul(c_out)
        };
        let subnet = |c_in: usize, c_out: usize| {
            let conv2 = conv(self.hidden, c_out.saturating_mul(2));
            conv(c_in, self.hidden).saturating_add(conv2).saturating_add(1)
        };
        let (half, rest) = (channels / 2, channels - channels / 2);
        let coupling = subnet(half, rest).saturating_add(subnet(rest, half));
        self.couplings.saturating_mul(coupling)
    }

    /// Multiplications, each with its addition, of all convolutions over `positions` of an image.
    pub fn multiply_adds(&self, channels: usize, positions: usize) -> f64 {
        let window = (self.kernel as f64).powi(2);
        // Both subnetworks of a coupling together read and predict all channels once.
        let coupling = window * self.hidden as f64 * (channels as f64 * 3.0);
        self.couplings as f64 * coupling * positions as f64
    }

    fn check(&self, channels: usize) -> Result<(), FlowError> {
        let problem = if channels < 2 {
            format!("a flow needs 2 channels or more to couple, found {channels}")
        } else if self.couplings == 0 || self.hidden == 0 {
            let Self { couplings, hidden, .. } = self;
            format!("couplings and hidden must be 1 or more, found {couplings} and {hidden}")
        } else if self.kernel.is_multiple_of(2) {
            format!("kernel must be odd, found {}", self.kernel)
        } else if !(self.clamp.is_finite() && self.clamp > 0.0) {
            format!("clamp must be positive, found {}", self.clamp)
        } else {
            return Ok(());
        };
        Err(FlowError::Config(problem))
    }
}

/// What a flow can't do.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FlowError {
    /// A configuration without meaning.
    #[error("flow configuration: {0}")]
    Config(String),
    /// A list of permutations that isn't one of the channels per coupling block.
    #[error("permutations: expected {couplings}, each of the channels 0..{channels}")]
    Permutations {
        /// Coupling blocks configured.
        couplings: usize,
        /// Channels of the features.
        channels: usize,
    },
    /// Features of another channel count than the flow's.
    #[error("flow: expected features of {expected} channels, found {found}")]
    Channels {
        /// Channels of the flow.
        expected: usize,
        /// Channels of the features given.
        found: usize,
    },
}

/// The image of source features under a [`Flow`].
#[derive(Clone, Debug)]
pub struct FlowOutput<B: Backend> {
    /// Target features `[B, C, H, W]`.
    pub z: Tensor<B, 4>,
    /// 0.5·Σ_c z² at each position `[B, H, W]`.
    pub energy: Tensor<B, 3>,
    /// log|det dz/dy| as a sum over the channels at each position `[B, H, W]`; the sum over the
    /// positions is the log-determinant of an image.
    pub log_det: Tensor<B, 3>,
}

/// A RealNVP flow y -> z of equal shape, made of affine coupling blocks.
///
/// Each block permutes the channels by a fixed random permutation, splits them in halves (of an odd
/// number the second half gets the extra channel) and computes
///
/// ```text
/// z2 = exp(s1(y1)) * y2 + b1(y1)      (4)
/// z1 = exp(s2(z2)) * y1 + b2(z2)      (5)
/// ```
///
/// The paper prints s2(y2) in (5); conditioned on the transformed z2 the block has a closed inverse
/// and a triangular Jacobian.
#[derive(Module, Debug)]
pub struct Flow<B: Backend> {
    couplings: Vec<Coupling<B>>,
    channels: usize,
}

impl<B: Backend> Flow<B> {
    /// An untrained flow: the identity up to permutation. Weights are drawn from `seed`.
    ///
    /// # Errors
    /// [`FlowError::Config`] or [`FlowError::Permutations`].
    pub fn new(
        config: &FlowConfig,
        permutations: &[Vec<usize>],
        channels: usize,
        seed: u64,
        device: &B::Device,
    ) -> Result<Self, FlowError> {
        config.check(channels)?;
        let permutes = |order: &Vec<usize>| {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            sorted.into_iter().eq(0..channels)
        };
        if permutations.len() != config.couplings || !permutations.iter().all(permutes) {
            return Err(FlowError::Permutations { couplings: config.couplings, channels });
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let couplings = permutations
            .iter()
            .map(|order| Coupling::new(order, config, &mut rng, device))
            .collect();
        Ok(Self { couplings, channels })
    }

    /// One random channel permutation per coupling block, for [`Self::new`]; stored with a model.
    pub fn random_permutations(config: &FlowConfig, channels: usize, seed: u64) -> Vec<Vec<usize>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let permutation = |_| {
            let mut order: Vec<usize> = (0..channels).collect();
            order.shuffle(&mut rng);
            order
        };
        (0..config.couplings).map(permutation).collect()
    }

    /// Channels C of the features.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Maps source features `[B, C, H, W]` to the target space.
    ///
    /// # Errors
    /// [`FlowError::Channels`].
    pub fn forward(&self, y: Tensor<B, 4>) -> Result<FlowOutput<B>, FlowError> {
        self.check_channels(&y)?;
        let [batch, channels, height, width] = y.dims();
        let log_det = Tensor::zeros([1, batch, height, width], &y.device());
        // Channel-major inside, see `nfbmr_backend::ops`.
        let state = Tensor::cat(vec![y.swap_dims(0, 1), log_det], 0);
        let state = self.couplings.iter().fold(state, |state, block| block.forward(state));
        let z = state.clone().narrow(0, 0, channels);
        let log_det = state.narrow(0, channels, 1);
        let energy = z.clone().square().sum_dim(0) * 0.5;
        Ok(FlowOutput {
            z: z.swap_dims(0, 1),
            energy: energy.squeeze_dim(0),
            log_det: log_det.squeeze_dim(0),
        })
    }

    /// Maps target features `[B, C, H, W]` back to the source space.
    ///
    /// # Errors
    /// [`FlowError::Channels`].
    pub fn inverse(&self, z: Tensor<B, 4>) -> Result<Tensor<B, 4>, FlowError> {
        self.check_channels(&z)?;
        let blocks = self.couplings.iter().rev();
        let y = blocks.fold(z.swap_dims(0, 1), |z, coupling| coupling.inverse(z));
        Ok(y.swap_dims(0, 1))
    }

    /// Brings the weights into the form that the backend computes with; for a flow that is trained no
    /// further.
    pub fn prepare(&mut self) {
        self.couplings.iter_mut().for_each(Coupling::prepare);
    }

    fn check_channels(&self, x: &Tensor<B, 4>) -> Result<(), FlowError> {
        match x.dims()[1] {
            found if found == self.channels => Ok(()),
            found => Err(FlowError::Channels { expected: self.channels, found }),
        }
    }
}
