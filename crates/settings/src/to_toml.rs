//! A configuration as text: TOML to read and JSON to merge into.

use nfbmr::PipelineConfig;
use serde_json::{Map, Value};

use crate::error::SettingError;

/// In TOML, which has no null: an optional setting left out.
pub(crate) const NONE: &str = "none";

/// By way of text, in which 32-bit numbers are as short as people write them.
pub(crate) fn to_json(config: &PipelineConfig) -> Result<Map<String, Value>, SettingError> {
    let json = serde_json::to_string(config).and_then(|text| serde_json::from_str(&text));
    json.map_err(SettingError::unprintable)
}

/// A configuration as TOML that [`Source::file`](crate::Source::file) reads.
///
/// # Errors
/// [`SettingError::Setting`] where TOML can't say it.
pub fn to_toml(config: &PipelineConfig) -> Result<String, SettingError> {
    let json = Value::Object(to_json(config)?);
    toml::to_string(&without_null(json)).map_err(SettingError::unprintable)
}

/// With the word that stands for null.
pub(crate) fn without_null(value: Value) -> Value {
    match value {
        Value::Null => NONE.into(),
        Value::Array(values) => values.into_iter().map(without_null).collect(),
        Value::Object(entries) => {
            Value::Object(entries.into_iter().map(|(k, v)| (k, without_null(v))).collect())
        }
        value => value,
    }
}
