//! `pfm`, `bpfm` and `mb-pfm`: the features of two CNNs mapped to each other.

use std::sync::Arc;

use nfbmr_backend::Backend;
use nfbmr_bmr::{Bpfm, BpfmConfig, Directions};
use serde::{Deserialize, Serialize};

use super::bpfm::Mapping;
use super::composed::{Composed, StoredSpace, load_residuals};
use super::nf_bmr::NfBmrConfig;
use super::settings::unusable;
use super::target_cnn::TargetCnnConfig;
use super::{LearnedSize, Settings, Setup, SharedHead, Trained, Training};
use crate::error::{ModelError, PipelineError};
use crate::features::{Blocks, Cnn, CnnLevels, Extraction, FeatureLevel, LevelSpec};
use crate::file::Learned;
use crate::score::{Fusion, MeanResiduals, Pooling, Rule, Units};
use crate::train::TrainingConfig;

/// The settings of a system that maps two CNNs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TwoCnnsConfig {
    /// The second CNN, without which there is nothing to map.
    #[serde(default)]
    pub target_cnn: Option<TargetCnnConfig>,
    /// How the mapping networks are trained.
    pub bpfm_training: TrainingConfig,
    /// How the residuals of both directions become one map.
    pub fusion: Fusion,
    /// How a map becomes an image score.
    pub pooling: Pooling,
}

impl Default for TwoCnnsConfig {
    /// The training of the default preset, without a second CNN.
    fn default() -> Self {
        let NfBmrConfig { bmr_training: bpfm_training, fusion, pooling, .. } =
            NfBmrConfig::default();
        Self { target_cnn: None, bpfm_training, fusion, pooling }
    }
}

/// The settings of `pfm`: source to target alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PfmConfig(pub TwoCnnsConfig);

/// The settings of `bpfm`: both directions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BidirectionalPfmConfig(pub TwoCnnsConfig);

/// The settings of `mb-pfm`: both directions, block by block.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MultiBlockPfmConfig(pub TwoCnnsConfig);

/// What tells the three systems apart.
trait TwoCnns: Clone + std::fmt::Debug + PartialEq {
    /// The spaces that are mapped to.
    const DIRECTIONS: Directions;
    /// Whether each block is mapped by itself, at its own resolution.
    const BY_BLOCK: bool;

    fn config(&self) -> &TwoCnnsConfig;
    fn config_mut(&mut self) -> &mut TwoCnnsConfig;

    fn specs(blocks: &Blocks) -> Vec<LevelSpec> {
        match Self::BY_BLOCK {
            true => blocks.each(),
            false => vec![LevelSpec::new(&blocks.blocks)],
        }
    }

    /// The mapping network of each level.
    fn mappings(&self, source: &[FeatureLevel], target: &[FeatureLevel]) -> Vec<Mapping> {
        let target_cnn = self.config().target_cnn.as_ref();
        let (latents, l2_normalize) =
            target_cnn.map_or((&[][..], true), |cnn| (&cnn.latents, cnn.l2_normalize));
        let levels = source.iter().zip(target).enumerate();
        let mapping = |(index, (source, target)): (usize, (&FeatureLevel, &FeatureLevel))| {
            let latent = latents.get(index).or(latents.last()).copied().unwrap_or_default();
            let network = BpfmConfig { latent, directions: Self::DIRECTIONS, l2_normalize };
            Mapping { source: source.channels(), target: target.channels(), network }
        };
        levels.map(mapping).collect()
    }

    fn head<B: Backend>(
        &self,
        space: Cnn<B>,
        mappers: Vec<Bpfm<B>>,
        mean_residuals: MeanResiduals,
    ) -> Composed<Cnn<B>, Bpfm<B>> {
        let TwoCnnsConfig { fusion, pooling, .. } = *self.config();
        let units = vec![Units::new(Some(mean_residuals), None)];
        let (mean_residuals, rule) =
            (vec![mean_residuals], Rule { fusion, pooling, units, kind_units: Vec::new() }.into());
        // As published, each block counts by the size of its residuals.
        Composed { space, mappers, mean_residuals, rule, joined: true }
    }
}

impl TwoCnns for PfmConfig {
    const DIRECTIONS: Directions = Directions::Forward;
    const BY_BLOCK: bool = false;

    fn config(&self) -> &TwoCnnsConfig {
        &self.0
    }

    fn config_mut(&mut self) -> &mut TwoCnnsConfig {
        &mut self.0
    }
}

impl TwoCnns for BidirectionalPfmConfig {
    const DIRECTIONS: Directions = Directions::Both;
    const BY_BLOCK: bool = false;

    fn config(&self) -> &TwoCnnsConfig {
        &self.0
    }

    fn config_mut(&mut self) -> &mut TwoCnnsConfig {
        &mut self.0
    }
}

impl TwoCnns for MultiBlockPfmConfig {
    const DIRECTIONS: Directions = Directions::Both;
    const BY_BLOCK: bool = true;

    fn config(&self) -> &TwoCnnsConfig {
        &self.0
    }

    fn config_mut(&mut self) -> &mut TwoCnnsConfig {
        &mut self.0
    }
}

impl<T: TwoCnns> Settings for T {
    fn check(&self, blocks: &Blocks) -> Result<(), PipelineError> {
        let config = self.config();
        config.bpfm_training.check("bpfm_training")?;
        config.pooling.check()?;
        let target = self.target(blocks)?;
        let target = target.ok_or_else(|| {
            PipelineError::Config(
                "a system that maps two CNNs: expected target_cnn, found none".to_owned(),
            )
        })?;
        if config.target_cnn.as_ref().is_some_and(|cnn| cnn.latents.is_empty()) {
            return problem(
                "target_cnn.latents must have one value or more, found none".to_owned(),
            );
        }
        let source = blocks.levels(&T::specs(blocks))?;
        if source.levels.len() != target.levels.len() {
            let of = |cnn: &CnnLevels| -> Vec<usize> {
                cnn.levels.iter().flat_map(|level| level.blocks.clone()).collect()
            };
            let (found, expected) = (of(&target), of(&source));
            return problem(format!(
                "`mb-pfm` maps blocks one to one: expected as many blocks of the target CNN as of the \
                 source, found {found:?} and {expected:?}"
            ));
        }
        for (source, target) in source.levels.iter().zip(&target.levels) {
            if source.grid != target.grid {
                let (source, target) = (source.shape(), target.shape());
                return problem(format!(
                    "expected features of both CNNs over the same grid, found {source:?} of the source and \
                     {target:?} of the target: choose blocks of the same stride"
                ));
            }
        }
        Ok(())
    }

    fn levels(&self, blocks: &Blocks) -> Result<Vec<LevelSpec>, PipelineError> {
        Ok(T::specs(blocks))
    }

    fn target(&self, blocks: &Blocks) -> Result<Option<CnnLevels>, PipelineError> {
        let Some(TargetCnnConfig { backbone, earlier_blocks, .. }) = &self.config().target_cnn
        else {
            return Ok(None);
        };
        let target = Blocks::new("target_cnn.", *backbone, earlier_blocks, blocks.side)?;
        Ok(Some(target.levels(&T::specs(&target))?))
    }

    fn target_cnn_mut(&mut self) -> Option<&mut Option<TargetCnnConfig>> {
        Some(&mut self.config_mut().target_cnn)
    }

    fn size(&self, extraction: &Extraction) -> LearnedSize {
        let target = extraction.target.as_ref().map_or(&[][..], |target| &target.levels);
        let mappings = self.mappings(&extraction.source.levels, target);
        let parameters = mappings.iter().map(Mapping::parameters);
        LearnedSize { parameters: parameters.fold(0, usize::saturating_add), statistics: 0 }
    }

    fn train<B: Backend>(
        &self,
        training: Training<'_, '_, '_, B>,
    ) -> Result<Trained<B>, PipelineError> {
        let Training { features, setup, session, .. } = training;
        let target = training.target_cnn.ok_or(PipelineError::NoTargetWeights)?;
        let mappings = self.mappings(&training.extraction.source.levels, target.levels());
        let spaces = features.source.iter().zip(&features.target);
        let count = mappings.len();
        let (mut networks, mut residuals) = (Vec::new(), Vec::new());
        for (index, (mapping, (y, z))) in mappings.iter().zip(spaces).enumerate() {
            session.level = (index, count);
            let config = &self.config().bpfm_training;
            let (network, own) = mapping.train(&**y, &**z, config, &setup, session)?;
            networks.push(network);
            residuals.push(own);
        }
        let residuals = MeanResiduals::mean(&residuals);
        Ok(Trained::new(self.head(target.clone(), networks, residuals)))
    }

    fn load<B: Backend>(
        &self,
        learned: &mut Learned,
        extraction: &Extraction,
        target: Option<Cnn<B>>,
        setup: &Setup<'_, B>,
    ) -> Result<SharedHead<B>, ModelError> {
        let target = target.ok_or_else(|| unusable(PipelineError::NoTargetWeights))?;
        let mappings = self.mappings(&extraction.source.levels, target.levels());
        let residuals = MeanResiduals::mean(&load_residuals(learned, 1)?);
        let networks = mappings.iter().enumerate();
        let networks = networks.map(|(level, mapping)| mapping.load(learned, level, setup));
        let networks = networks.collect::<Result<_, ModelError>>()?;
        Ok(Arc::new(self.head(target, networks, residuals)))
    }
}

fn problem<T>(problem: String) -> Result<T, PipelineError> {
    Err(PipelineError::Config(problem))
}

impl<B: Backend> StoredSpace<B> for Cnn<B> {
    /// Its weights are a file of their own.
    fn store(&self, _: &mut Learned) -> Result<(), ModelError> {
        Ok(())
    }
}
