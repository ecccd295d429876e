//! PFM and B-PFM: the networks and their loss. Shapes and errors are in `bpfm_config`.

use burn::module::Module;
use burn::tensor::Tensor;
use nfbmr_backend::{Activation, Backend, Conv2d};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::batch_norm::ConvNorm;
use crate::bpfm_config::{BpfmConfig, BpfmError, Directions};
use crate::residual::Loss;

/// Features of one space, and those that were mapped to it from the other.
#[derive(Clone, Debug)]
pub struct Compared<B: Backend> {
    /// The features as they were compared `[B, C, H, W]`: L2-normalised where the configuration says so.
    pub features: Tensor<B, 4>,
    /// What they should be, judging by the other space; the same shape.
    pub mapped: Tensor<B, 4>,
}

/// What a [`Bpfm`] compares; [`residual_map`](crate::residual_map) makes a term of the anomaly map (14) of
/// each.
#[derive(Clone, Debug)]
pub struct Comparison<B: Backend> {
    /// y and ŷ (10), which a PFM doesn't have.
    pub source: Option<Compared<B>>,
    /// z and ẑ (9).
    pub target: Compared<B>,
}

/// The pre-trained feature mapping networks PFM and B-PFM, whose place [`Bmr`](crate::Bmr) takes.
///
/// Source and target features may differ in their channels, as those of two CNNs do. Each direction is
/// five 1 x 1 convolutions, c_in -> c_in/2 + L -> 2L -> L -> c_out/2 + L -> c_out. Batch normalisation and
/// ReLU follow the first, second and fourth; nothing follows the third, which both directions share, and
/// the last, as in the published code. That code has a sixth, L -> 2L after the shared one, which the
/// paper doesn't count.
///
/// # Training
/// On an autodiff backend every [`forward`](Self::forward) and [`loss`](Self::loss) normalises by the
/// mean and variance of its batch and moves the running statistics a tenth of the way to them, as PyTorch
/// does in training; on a plain backend the running statistics are used. A step must take its batch
/// whole, on this network: parts of it have other means and variances, and statistics that move in a
/// copy are lost. The running statistics are part of the state dictionary. A clone shares them, as in
/// burn's own layers; `valid` copies them.
#[derive(Module, Debug)]
pub struct Bpfm<B: Backend> {
    target: Branch<B>,
    source: Option<Branch<B>>,
    shared: Conv2d<B>,
    source_channels: usize,
    target_channels: usize,
    l2_normalize: bool,
}

impl<B: Backend> Bpfm<B> {
    /// An untrained network between features of `source_channels` and `target_channels`, weights drawn
    /// from `seed`.
    ///
    /// # Errors
    /// [`BpfmError::Config`].
    pub fn new(
        config: &BpfmConfig,
        source_channels: usize,
        target_channels: usize,
        seed: u64,
        device: &B::Device,
    ) -> Result<Self, BpfmError> {
        config.check(source_channels, target_channels)?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut branch = |c_in, c_out| Branch::new(config.layers(c_in, c_out), &mut rng, device);
        let target = branch(source_channels, target_channels);
        let source = match config.directions {
            Directions::Forward => None,
            Directions::Both => Some(branch(target_channels, source_channels)),
        };
        let [c_in, c_out] = config.shared();
        let shared = Conv2d::new(c_in, c_out, 1, &mut rng, device);
        let l2_normalize = config.l2_normalize;
        Ok(Self { target, source, shared, source_channels, target_channels, l2_normalize })
    }

    /// Maps y `[B, C_y, H, W]` to the target space (9), and in a B-PFM z `[B, C_z, H, W]` to the source
    /// space (10).
    ///
    /// # Errors
    /// [`BpfmError::Shape`], and in training [`BpfmError::Batch`].
    pub fn forward(&self, y: Tensor<B, 4>, z: Tensor<B, 4>) -> Result<Comparison<B>, BpfmError> {
        let Comparison { source, target } = self.compare(y, z)?;
        let batch_major = |Compared { features, mapped }| Compared {
            features: features.swap_dims(0, 1),
            mapped: mapped.swap_dims(0, 1),
        };
        Ok(Comparison { source: source.map(batch_major), target: batch_major(target) })
    }

    /// The losses (11) and (12) of source features `[B, C_y, H, W]` and target features `[B, C_z, H, W]`;
    /// (11) is 0 in a PFM.
    ///
    /// # Errors
    /// [`BpfmError::Shape`], and in training [`BpfmError::Batch`].
    pub fn loss(&self, y: Tensor<B, 4>, z: Tensor<B, 4>) -> Result<Loss<B>, BpfmError> {
        let device = y.device();
        let Comparison { source, target } = self.compare(y, z)?;
        let loss = |Compared { features, mapped }| (mapped - features).square().mean();
        let source = source.map_or_else(|| Tensor::zeros([1], &device), loss);
        Ok(Loss { source, target: loss(target) })
    }

    /// Channel-major `[C, B, H, W]`, see [`Conv2d`].
    fn compare(&self, y: Tensor<B, 4>, z: Tensor<B, 4>) -> Result<Comparison<B>, BpfmError> {
        self.check_shapes(&y, &z)?;
        let (y, z) = (self.features(y), self.features(z));
        let target = self.target.forward(y.clone(), &self.shared);
        let target = Compared { features: z.clone(), mapped: target };
        let source = self.source.as_ref().map(|source| source.forward(z, &self.shared));
        let source = source.map(|mapped| Compared { features: y, mapped });
        Ok(Comparison { source, target })
    }

    /// Channel-major features as they are mapped and compared.
    fn features(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let x = x.swap_dims(0, 1);
        match self.l2_normalize {
            true => {
                // PyTorch's bound, which keeps features that are all 0 as they are.
                let norm = x.clone().square().sum_dim(0).sqrt().clamp_min(1e-12);
                x / norm
            }
            false => x,
        }
    }

    fn check_shapes(&self, y: &Tensor<B, 4>, z: &Tensor<B, 4>) -> Result<(), BpfmError> {
        let &Self { source_channels, target_channels, .. } = self;
        let training = B::ad_enabled(&y.device());
        let (y, z) = (y.dims(), z.dims());
        let [batch, _, height, width] = y;
        if y != [batch, source_channels, height, width]
            || z != [batch, target_channels, height, width]
        {
            Err(BpfmError::Shape { source_channels, target_channels, y, z })
        } else if training && batch * height * width < 2 {
            Err(BpfmError::Batch { y })
        } else {
            Ok(())
        }
    }
}

/// One direction, less the third convolution, which is shared.
#[derive(Module, Debug)]
struct Branch<B: Backend> {
    conv1: ConvNorm<B>,
    conv2: ConvNorm<B>,
    conv4: ConvNorm<B>,
    conv5: Conv2d<B>,
}

impl<B: Backend> Branch<B> {
    fn new(layers: [[usize; 2]; 4], rng: &mut impl RngExt, device: &B::Device) -> Self {
        let [conv1, conv2, conv4, [c_in, c_out]] = layers;
        let mut conv_norm = |[c_in, c_out]: [usize; 2]| ConvNorm::new(c_in, c_out, rng, device);
        Self {
            conv1: conv_norm(conv1),
            conv2: conv_norm(conv2),
            conv4: conv_norm(conv4),
            conv5: Conv2d::new(c_in, c_out, 1, rng, device),
        }
    }

    fn forward(&self, x: Tensor<B, 4>, shared: &Conv2d<B>) -> Tensor<B, 4> {
        let x = self.conv2.forward(self.conv1.forward(x));
        let x = self.conv4.forward(shared.forward(x, Activation::Identity, None));
        self.conv5.forward(x, Activation::Identity, None)
    }
}
