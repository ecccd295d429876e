//! Sources over a preset: one configuration.

use nfbmr::config::BackboneConfig;
use nfbmr::{PipelineConfig, System};
use serde_json::{Map, Value};

use crate::error::SettingError;
use crate::merge::merge;
use crate::preset::Preset;
use crate::source::{SYSTEM, Source};
use crate::to_toml::to_json;
use crate::words::in_words;

/// Where the settings of a training come from; each goes before the one above it.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The configuration to start from.
    pub preset: Preset,
    /// The network that a weights file records.
    pub weights: Option<BackboneConfig>,
    /// Files, lines and objects, the last one to win.
    pub sources: Vec<Source>,
    /// The system.
    pub system: Option<System>,
    /// The network that a weights file of the second CNN records.
    pub target_weights: Option<BackboneConfig>,
    /// The seed.
    pub seed: Option<u64>,
}

impl Settings {
    /// The configuration.
    ///
    /// # Errors
    /// [`SettingError::Setting`] for a setting that doesn't exist or has a value that it can't have,
    /// [`SettingError::Pipeline`] for settings that don't go together.
    pub fn resolve(self) -> Result<PipelineConfig, SettingError> {
        let mut config = self.preset.config();
        if let Some(recorded) = self.weights {
            let block = config.backbone.block;
            config.backbone = BackboneConfig { block, ..recorded };
        }
        config = with(config, self.sources, self.system)?;
        if let Some(recorded) = self.target_weights {
            config = config.with_target_cnn(recorded)?;
        }
        config.seed = self.seed.unwrap_or(config.seed);
        config.validate()?;
        Ok(config)
    }
}

/// The configuration with settings in their places, of the system named last, `system` if that is given. They are
/// read together, as some make sense only so; what is wrong is said of the source that it comes from.
fn with(
    config: PipelineConfig,
    sources: Vec<Source>,
    system: Option<System>,
) -> Result<PipelineConfig, SettingError> {
    let mut named = config.system.system();
    for source in &sources {
        named = source.system().transpose()?.unwrap_or(named);
    }
    let named = system.unwrap_or(named);
    let config = config.with_system(named)?;
    let mut all = to_json(&config)?;
    let settings = all.get(SYSTEM).and_then(|system| system.get(named.name())?.as_object());
    let settings: Map<String, Value> = settings.cloned().unwrap_or_default();
    let sources: Vec<Source> =
        sources.into_iter().map(|source| source.in_full(named, &settings)).collect();
    for (key, value) in sources.iter().flat_map(Source::entries) {
        merge(all.entry(key).or_insert(Value::Null), value.clone());
    }
    serde_path_to_error::deserialize(Value::Object(all)).map_err(|error| {
        let path = error.path();
        let source = sources.iter().max_by_key(|source| source.depth(path));
        let (problem, hint) = in_words(&error.inner().to_string(), path);
        SettingError::Setting {
            origin: source.map_or("configuration", Source::origin).to_owned(),
            problem: format!("{path}: {problem}"),
            hint,
        }
    })
}
