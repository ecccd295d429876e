//! The cross-scale flow: coupling blocks one after the other, its output and its loss.

use burn::module::Module;
use burn::tensor::Tensor;
use nfbmr_backend::Backend;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::CrossScaleConfig;
use super::coupling::{CrossCoupling, per_image};
use crate::error::FlowError;
use crate::permutations;

/// The image of features of several scales under a [`CrossScaleFlow`].
#[derive(Clone, Debug)]
pub struct CrossScaleOutput<B: Backend> {
    /// Target features `[B, C, H, W]` of each scale, the largest first.
    pub z: Vec<Tensor<B, 4>>,
    /// log|det dz/dy| of each image over all scales together `[B]`.
    pub log_det: Tensor<B, 1>,
}

/// A flow y -> z over features of several scales of an image, whose coupling blocks look at all scales together:
/// Rudolph, Wehrbein, Rosenhahn and Wandt (WACV 2022), "Fully Convolutional Cross-Scale-Flows for Image-based Defect
/// Detection".
///
/// Each block permutes the channels by a fixed random permutation, splits them in halves (of an odd number the second
/// half gets the extra channel) and computes at each scale i, with y₁ and y₂ those of all scales,
///
/// ```text
/// z₁ᵢ = exp(s2ᵢ(y₂)) * y₁ᵢ + b2ᵢ(y₂)
/// z₂ᵢ = exp(s1ᵢ(z₁)) * y₂ᵢ + b1ᵢ(z₁)
/// ```
#[derive(Module, Debug)]
pub struct CrossScaleFlow<B: Backend> {
    couplings: Vec<CrossCoupling<B>>,
    channels: usize,
    #[module(skip)]
    grids: Vec<[usize; 2]>,
}

impl<B: Backend> CrossScaleFlow<B> {
    /// An untrained flow over features of `channels` channels and these rows and columns by scale, the largest
    /// first: the identity up to permutation. Weights are drawn from `seed`.
    ///
    /// # Errors
    /// [`FlowError::Config`] or [`FlowError::Permutations`].
    pub fn new(
        config: &CrossScaleConfig,
        permutations: &[Vec<usize>],
        channels: usize,
        grids: &[[usize; 2]],
        seed: u64,
        device: &B::Device,
    ) -> Result<Self, FlowError> {
        config.check(channels, grids)?;
        let CrossScaleConfig { kernels, hidden, clamp } = config;
        permutations::check(permutations, kernels.len(), channels)?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let coupling = |(order, &kernel): (&Vec<usize>, &usize)| {
            CrossCoupling::new(order, grids.len(), [kernel, *hidden], *clamp, &mut rng, device)
        };
        let couplings = permutations.iter().zip(kernels).map(coupling).collect();
        Ok(Self { couplings, channels, grids: grids.to_vec() })
    }

    /// One random channel permutation per coupling block, for [`Self::new`]; stored with a model.
    pub fn random_permutations(
        config: &CrossScaleConfig,
        channels: usize,
        seed: u64,
    ) -> Vec<Vec<usize>> {
        permutations::random(config.kernels.len(), channels, seed)
    }

    /// Maps features `[B, C, H, W]` of each scale to the target space.
    ///
    /// # Errors
    /// [`FlowError::Shapes`].
    pub fn forward(&self, y: Vec<Tensor<B, 4>>) -> Result<CrossScaleOutput<B>, FlowError> {
        let found: Vec<_> = y.iter().map(Tensor::dims).collect();
        let batch = found.first().map_or(0, |&[batch, ..]| batch);
        let shape = |&[height, width]: &[usize; 2]| [batch, self.channels, height, width];
        let expected: Vec<_> = self.grids.iter().map(shape).collect();
        if found != expected {
            return Err(FlowError::Shapes { expected, found });
        }
        let device = y.first().map(Tensor::device).unwrap_or_default();
        // Channel-major inside, see `nfbmr_backend::ops`.
        let y = y.into_iter().map(|y| y.swap_dims(0, 1)).collect();
        let none = Tensor::zeros([batch], &device);
        let (z, log_det) = self.couplings.iter().fold((y, none), |(y, log_det), block| {
            let (z, own) = block.forward(y);
            (z, log_det + own)
        });
        Ok(CrossScaleOutput { z: z.into_iter().map(|z| z.swap_dims(0, 1)).collect(), log_det })
    }

    /// Brings the weights into the form that the backend computes with; for a flow that is trained no
    /// further.
    pub fn prepare(&mut self) {
        self.couplings.iter_mut().for_each(CrossCoupling::prepare);
    }
}

impl<B: Backend> CrossScaleOutput<B> {
    /// The mean of z² over all of each image `[B]`: over channels, positions and scales.
    pub fn mean_square(&self) -> Tensor<B, 1> {
        let squares = self.z.iter().map(|z| per_image(z.clone().square().swap_dims(0, 1)));
        Tensor::stack::<2>(squares.collect(), 0).sum_dim(0).squeeze_dim(0) / self.dimensions()
    }

    /// The loss: 0.5·‖z‖² − log|det dz/dy| of an image, over all scales, divided by its dimensions and averaged over
    /// the batch; `[1]`, in nats per dimension and without the constant 0.5·ln 2π.
    pub fn nll(&self) -> Tensor<B, 1> {
        (self.mean_square() * 0.5 - self.log_det.clone() / self.dimensions()).mean()
    }

    /// Of an image.
    fn dimensions(&self) -> f64 {
        let scales = self.z.iter().map(|z| z.dims()[1..].iter().product::<usize>());
        scales.sum::<usize>() as f64
    }
}
