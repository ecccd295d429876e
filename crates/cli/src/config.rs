//! From a preset, a weights file, a TOML file and `--set` to the configuration of a training.

use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use nfbmr::config::BackboneConfig;
use nfbmr::{PipelineConfig, System};
use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use crate::error::CliError;
use crate::numbers::whole;

/// The setting that names the system and has its settings.
const SYSTEM: &str = "system";

/// The setting that a name alone stands for the motion of.
const ALIGNMENT: &str = "alignment";
const MOTION: &str = "motion";

/// In TOML, which has no null: an optional setting left out.
const NONE: &str = "none";

/// Where the settings of a training come from; each goes before the one above it.
#[derive(clap::Args)]
pub struct ConfigArgs {
    /// The settings to start from: `default` suits most parts on a CPU, `fast` looks at a smaller image and
    /// `accurate`, for small defects and in twice the time, at a larger one; `paper` is the published
    /// configuration and takes a GPU and weights of EfficientNet-B5.
    #[arg(long, value_enum, default_value_t = Preset::Default)]
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

#[derive(Clone, Copy, ValueEnum)]
enum Preset {
    Default,
    Fast,
    Accurate,
    Paper,
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
        let mut config = match self.preset {
            Preset::Default => PipelineConfig::default(),
            Preset::Fast => PipelineConfig::fast(),
            Preset::Accurate => PipelineConfig::accurate(),
            Preset::Paper => PipelineConfig::paper(),
        };
        if let Some(recorded) = weights {
            let block = config.backbone.block;
            config.backbone = BackboneConfig { block, ..recorded };
        }
        config = with(config, self.sources()?, self.system)?;
        if let Some(recorded) = target_weights {
            config = config.with_target_cnn(recorded)?;
        }
        config.seed = self.seed.unwrap_or(config.seed);
        config.validate()?;
        Ok(config)
    }

    /// What the file and the command line set, the last one to win.
    fn sources(&self) -> Result<Vec<Source>, CliError> {
        let mut sources = Vec::new();
        if let Some(path) = &self.config {
            let text = fs::read(path)
                .and_then(nfbmr_files::text)
                .map_err(|source| CliError::Read { path: path.clone(), source })?;
            let table = toml::from_str(&text)
                .map_err(|source| CliError::Toml { path: path.clone(), source })?;
            sources.push(Source { origin: path.display().to_string(), table });
        }
        for setting in &self.settings {
            let table = table_of(setting)?;
            sources.push(Source { origin: format!("--set {setting}"), table });
        }
        for Source { origin, table } in &sources {
            if let Some((path, found)) =
                table.iter().find_map(|(key, value)| not_finite(key, value))
            {
                let problem = format!("{path}: expected a finite number, found {found}");
                return Err(CliError::Setting { origin: origin.clone(), problem, hint: None });
            }
        }
        Ok(sources)
    }
}

/// Some settings, and where they come from.
struct Source {
    origin: String,
    table: toml::Table,
}

impl Source {
    /// How many of the keys that lead to a setting are here.
    fn depth(&self, path: &serde_path_to_error::Path) -> usize {
        let mut table = Some(&self.table);
        let keys = path.iter().map_while(|segment| match segment {
            Segment::Map { key } => Some(key),
            Segment::Enum { variant } => Some(variant),
            _ => None,
        });
        let found = |key: &String| {
            let value = table?.get(key)?;
            table = value.as_table();
            Some(())
        };
        keys.map_while(found).count()
    }

    /// The system that is named here, by its name or as the table of its settings.
    fn system(&self) -> Option<Result<System, CliError>> {
        let name = match self.table.get(SYSTEM)? {
            toml::Value::String(name) => name,
            toml::Value::Table(settings) => settings.keys().next()?,
            _ => return None,
        };
        Some(name.parse().map_err(|error: nfbmr::PipelineError| CliError::Setting {
            origin: self.origin.clone(),
            problem: error.to_string(),
            hint: None,
        }))
    }

    /// The same with the settings of the system in their place, below its name.
    fn in_full(mut self, system: System, settings: &Map<String, Value>) -> Self {
        if self.table.get(SYSTEM).is_some_and(toml::Value::is_str) {
            self.table.remove(SYSTEM);
        }
        // A name alone is the motion; a tolerance that is set beside it stays.
        if let Some(alignment) = self.table.get_mut(ALIGNMENT)
            && alignment.is_str()
        {
            let motion = (MOTION.to_owned(), alignment.clone());
            *alignment = toml::Table::from_iter([motion]).into();
        }
        let (own, mut table): (toml::Table, toml::Table) =
            self.table.into_iter().partition(|(key, _)| settings.contains_key(key));
        if !own.is_empty() {
            let of_system = table.entry(SYSTEM).or_insert_with(|| toml::Table::new().into());
            if let Some(of_system) = of_system.as_table_mut() {
                let empty = || toml::Value::from(toml::Table::new());
                let place = of_system.entry(system.name()).or_insert_with(empty);
                if let Some(place) = place.as_table_mut() {
                    place.extend(own);
                }
            }
        }
        Self { table, ..self }
    }
}

/// `key.key=value` as the table it stands for. A value that isn't TOML is text.
fn table_of(setting: &str) -> Result<toml::Table, CliError> {
    let malformed = || CliError::Set { found: setting.to_owned() };
    let (path, text) = setting.split_once('=').ok_or_else(malformed)?;
    let text = text.trim();
    let parsed = toml::from_str::<toml::Table>(&format!("value = {text}")).ok();
    let value =
        parsed.filter(|parsed| parsed.len() == 1).and_then(|mut table| table.remove("value"));
    let mut value = value.unwrap_or_else(|| text.into());
    for key in path.split('.').rev() {
        let key = key.trim();
        if key.is_empty() {
            return Err(malformed());
        }
        value = toml::Table::from_iter([(key.to_owned(), value)]).into();
    }
    match value {
        toml::Value::Table(table) => Ok(table),
        _ => Err(malformed()),
    }
}

/// The configuration with settings in their places, of the system named last, `system` if that is given. They are
/// read together, as some make sense only so; what is wrong is said of the source that it comes from.
fn with(
    config: PipelineConfig,
    sources: Vec<Source>,
    system: Option<System>,
) -> Result<PipelineConfig, CliError> {
    let mut named = config.system.system();
    for source in &sources {
        named = source.system().transpose()?.unwrap_or(named);
    }
    let named = system.unwrap_or(named);
    let config = config.with_system(named)?;
    let mut all = to_json(&config)?;
    let settings = all.get(SYSTEM).and_then(|system| system.get(named.name())?.as_object());
    let settings = settings.cloned().unwrap_or_default();
    let sources: Vec<Source> =
        sources.into_iter().map(|source| source.in_full(named, &settings)).collect();
    for (key, value) in sources.iter().flat_map(|source| source.table.clone()) {
        merge(all.entry(key).or_insert(Value::Null), value);
    }
    serde_path_to_error::deserialize(Value::Object(all)).map_err(|error| {
        let path = error.path();
        let source = sources.iter().max_by_key(|source| source.depth(path));
        let (problem, hint) = in_words(&error.inner().to_string(), path);
        CliError::Setting {
            origin: source.map_or("configuration".to_owned(), |source| source.origin.clone()),
            problem: format!("{path}: {problem}"),
            hint,
        }
    })
}

/// What is wrong with a setting, without the names of types, and what to do where an example tells it best.
fn in_words(problem: &str, path: &serde_path_to_error::Path) -> (String, Option<&'static str>) {
    if problem.contains("unit variant, expected") {
        let example = match path.iter().next_back() {
            Some(Segment::Enum { variant }) if variant == "letterbox" => {
                "`--set fit.letterbox.fill=[0,0,0]` is the colour beside the image"
            }
            Some(Segment::Enum { variant }) if variant == "top_fraction" => {
                "`--set pooling.top_fraction=0.02` is the share of the pixels"
            }
            Some(Segment::Enum { variant }) if variant == "same_static" => {
                "`--set backbone.padding.same_static.native=224` is the side of the network's images"
            }
            _ => "name what it takes as well: `--set KEY.NAME=VALUE`",
        };
        return (
            "expected what it takes besides its name, found nothing".to_owned(),
            Some(example),
        );
    }
    const TYPES: [(&str, &str); 7] = [
        ("u8", "a whole number from 0 to 255"),
        ("u16", "a whole number from 0 to 65535"),
        ("u32", "a whole number from 0 to 4294967295"),
        ("u64", "a whole number of 0 or more"),
        ("usize", "a whole number of 0 or more"),
        ("f32", "a number"),
        ("f64", "a number"),
    ];
    let plain = TYPES.iter().find_map(|(name, words)| {
        let start = problem.strip_suffix(name)?.strip_suffix("expected ")?;
        Some(format!("{start}expected {words}"))
    });
    (plain.unwrap_or_else(|| problem.to_owned()), None)
}

/// The first number of a setting that is infinite or none, with its keys.
fn not_finite(key: &str, value: &toml::Value) -> Option<(String, f64)> {
    match value {
        toml::Value::Float(number) if !number.is_finite() => Some((key.to_owned(), *number)),
        toml::Value::Array(values) => values.iter().find_map(|value| not_finite(key, value)),
        toml::Value::Table(table) => {
            table.iter().find_map(|(below, value)| not_finite(&format!("{key}.{below}"), value))
        }
        _ => None,
    }
}

/// By way of text, in which 32-bit numbers are as short as people write them.
fn to_json(config: &PipelineConfig) -> Result<Map<String, Value>, CliError> {
    let json = serde_json::to_string(config).and_then(|text| serde_json::from_str(&text));
    json.map_err(|error| unprintable(&error))
}

fn unprintable(problem: &dyn std::fmt::Display) -> CliError {
    CliError::Setting {
        origin: "configuration".to_owned(),
        problem: problem.to_string(),
        hint: None,
    }
}

/// Puts a value in its place; of tables, each of its entries.
fn merge(into: &mut Value, value: toml::Value) {
    match value {
        toml::Value::Table(table) => {
            if !into.is_object() {
                *into = Value::Object(Map::new());
            }
            if let Value::Object(entries) = into {
                for (key, value) in table {
                    merge(entries.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        toml::Value::Array(values) => {
            let json = |value| {
                let mut json = Value::Null;
                merge(&mut json, value);
                json
            };
            *into = values.into_iter().map(json).collect();
        }
        toml::Value::String(text) if text == NONE => *into = Value::Null,
        toml::Value::String(text) => *into = text.into(),
        toml::Value::Integer(number) => *into = number.into(),
        toml::Value::Float(number) => *into = number.into(),
        toml::Value::Boolean(flag) => *into = flag.into(),
        toml::Value::Datetime(date) => *into = date.to_string().into(),
    }
}

/// A configuration as TOML that `--config` reads.
pub fn to_toml(config: &PipelineConfig) -> Result<String, CliError> {
    let json = Value::Object(to_json(config)?);
    toml::to_string(&without_null(json)).map_err(|error| unprintable(&error))
}

fn without_null(value: Value) -> Value {
    match value {
        Value::Null => NONE.into(),
        Value::Array(values) => values.into_iter().map(without_null).collect(),
        Value::Object(entries) => {
            Value::Object(entries.into_iter().map(|(k, v)| (k, without_null(v))).collect())
        }
        value => value,
    }
}
