//! The flow: coupling blocks one after the other.

use burn::module::Module;
use burn::tensor::Tensor;
use nfbmr_backend::Backend;
use nfbmr_onnx::{Graph, Value};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::config::FlowConfig;
use crate::coupling::Coupling;
use crate::error::FlowError;
use crate::permutations;

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
        permutations::check(permutations, config.couplings, channels)?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let couplings = permutations
            .iter()
            .map(|order| Coupling::new(order, config, &mut rng, device))
            .collect();
        Ok(Self { couplings, channels })
    }

    /// One random channel permutation per coupling block, for [`Self::new`]; stored with a model.
    pub fn random_permutations(config: &FlowConfig, channels: usize, seed: u64) -> Vec<Vec<usize>> {
        permutations::random(config.couplings, channels, seed)
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

    /// [`Self::forward`] in a graph, of source features `[N, C, H, W]`: target features, and the
    /// negative log-likelihood by position `[N, H, W]`.
    pub fn add_to(&self, graph: &mut Graph, y: &Value) -> [Value; 2] {
        let (mut z, mut log_det) = (y.clone(), None);
        for block in &self.couplings {
            let (next, own) = block.add_to(graph, &z);
            z = next;
            log_det = Some(match log_det {
                Some(sum) => graph.add(&sum, &own),
                None => own,
            });
        }
        let energy = graph.square(&z);
        let energy = graph.sum(&energy, 1);
        let energy = graph.scale(&energy, 0.5);
        let likelihood = match log_det {
            Some(log_det) => graph.sub(&energy, &log_det),
            None => energy,
        };
        [z, likelihood]
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
