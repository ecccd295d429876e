//! The settings of the command line.

use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use nfbmr::config::BackboneConfig;
use nfbmr::{PipelineConfig, System};
use nfbmr_settings::{Preset, SettingError, Settings, Source};

use crate::error::CliError;
use crate::numbers::whole;

/// Where the settings of a training come from; each goes before the one above it.
#[derive(clap::Args)]
pub struct ConfigArgs {
    /// The settings to start from: `default` suits most parts on a CPU, `fast` looks at a smaller image and
    /// `accurate`, for small defects and in twice the time, at a larger one; `paper` is the published
    /// configuration and takes a GPU and weights of EfficientNet-B5.
    #[arg(long, value_parser = preset(), default_value_t)]
    preset: Preset,
    /// What is learnt of good parts: `nf-bmr`, or for comparison `nf`, `nf+bpfm`, `patchcore`, `padim`, `spade`, `cs-flow`, `differnet` and
    /// others; as `--set system=NAME`.
    #[arg(long, value_name = "NAME")]
    system: Option<System>,
    /// TOML file with settings in place of the preset's.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A setting in place of the file's, such as `input_size=256`; may be repeated. Those of the system need no more
    /// than their own name: `flow_training.epochs=20` is `system.nf-bmr.flow_training.epochs=20`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Seed of the training, as `--set seed=N`; it draws the images held out as well.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u64>)]
    seed: Option<u64>,
}

/// Names of presets, which the help lists.
fn preset() -> impl TypedValueParser<Value = Preset> {
    PossibleValuesParser::new(Preset::ALL.map(Preset::name)).try_map(|name| name.parse())
}

impl ConfigArgs {
    /// The file of settings, if one is named.
    pub fn file(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// The configuration; `weights` is what a weights file records of its network, and `target_weights` that of the
    /// second CNN.
    pub fn resolve(
        &self,
        weights: Option<BackboneConfig>,
        target_weights: Option<BackboneConfig>,
    ) -> Result<PipelineConfig, CliError> {
        let (preset, system, seed) = (self.preset, self.system, self.seed);
        let sources = self.sources()?;
        Ok(Settings { preset, weights, sources, system, target_weights, seed }.resolve()?)
    }

    /// What the file and the command line set, the last one to win.
    fn sources(&self) -> Result<Vec<Source>, SettingError> {
        let file = self.config.iter().map(|path| Source::file(path));
        let lines = self.settings.iter().map(|setting| Source::line(setting));
        file.chain(lines).collect()
    }
}
