//! TOML into JSON, entry by entry.

use serde_json::{Map, Value};

use crate::to_toml::NONE;

/// Puts a value in its place; of tables, each of its entries.
pub(crate) fn merge(into: &mut Value, value: toml::Value) {
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
