//! Some settings and where they come from: a TOML file, a line or a JSON object.

use std::fs;
use std::path::Path;

use nfbmr::System;
use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use crate::error::SettingError;
use crate::to_toml::without_null;

/// The setting that names the system and has its settings.
pub(crate) const SYSTEM: &str = "system";

/// The setting that a name alone stands for the motion of.
const ALIGNMENT: &str = "alignment";
const MOTION: &str = "motion";

/// Some settings, and where they come from. All their numbers are finite.
#[derive(Clone, Debug)]
pub struct Source {
    origin: String,
    table: toml::Table,
}

impl Source {
    /// Of a TOML file.
    ///
    /// # Errors
    /// [`SettingError::Read`], [`SettingError::Toml`], and [`SettingError::Setting`] for a number that isn't finite.
    pub fn file(path: &Path) -> Result<Self, SettingError> {
        let text = fs::read(path)
            .and_then(nfbmr_files::text)
            .map_err(|source| SettingError::Read { path: path.to_owned(), source })?;
        let table = toml::from_str(&text)
            .map_err(|source| SettingError::Toml { path: path.to_owned(), source })?;
        Self::table(path.display().to_string(), table)
    }

    /// Of `key.key=value`, the value as TOML has it; one that isn't TOML is text.
    ///
    /// # Errors
    /// [`SettingError::Line`], and [`SettingError::Setting`] for a number that isn't finite.
    pub fn line(setting: &str) -> Result<Self, SettingError> {
        Self::table(format!("--set {setting}"), table_of(setting)?)
    }

    /// Of a JSON object; `origin` is what messages call it.
    ///
    /// # Errors
    /// [`SettingError::Setting`] for a number that TOML doesn't have.
    pub fn json(origin: &str, entries: Map<String, Value>) -> Result<Self, SettingError> {
        let table = toml::Table::try_from(without_null(Value::Object(entries)));
        let table = table.map_err(|error| SettingError::Setting {
            origin: origin.to_owned(),
            problem: error.to_string(),
            hint: None,
        })?;
        Self::table(origin.to_owned(), table)
    }

    /// Of a table whose numbers are finite.
    fn table(origin: String, table: toml::Table) -> Result<Self, SettingError> {
        let wrong = table.iter().find_map(|(key, value)| not_finite(key, value));
        if let Some((path, found)) = wrong {
            let problem = format!("{path}: expected a finite number, found {found}");
            return Err(SettingError::Setting { origin, problem, hint: None });
        }
        Ok(Self { origin, table })
    }

    /// What messages call it.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// The settings of the first level.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&String, &toml::Value)> {
        self.table.iter()
    }

    /// How many of the keys that lead to a setting are here.
    pub(crate) fn depth(&self, path: &serde_path_to_error::Path) -> usize {
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
    pub(crate) fn system(&self) -> Option<Result<System, SettingError>> {
        let name = match self.table.get(SYSTEM)? {
            toml::Value::String(name) => name,
            toml::Value::Table(settings) => settings.keys().next()?,
            _ => return None,
        };
        Some(name.parse().map_err(|error: nfbmr::PipelineError| SettingError::Setting {
            origin: self.origin.clone(),
            problem: error.to_string(),
            hint: None,
        }))
    }

    /// The same with the settings of the system in their place, below its name.
    pub(crate) fn in_full(mut self, system: System, settings: &Map<String, Value>) -> Self {
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
fn table_of(setting: &str) -> Result<toml::Table, SettingError> {
    let malformed = || SettingError::Line { found: setting.to_owned() };
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
