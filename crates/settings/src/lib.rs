//! From a preset, a weights file, TOML and single settings to the configuration of a training.
//!
//! A [`Source`] is a TOML file, a line `key=value` or a JSON object. [`Settings`] lays sources over a
//! [`Preset`], one after the other, and what is wrong is said of the source that it comes from. [`to_toml`] writes a
//! configuration as a file that reads back as the same.
//!
//! ```
//! use nfbmr_settings::{Settings, Source};
//!
//! # fn main() -> Result<(), nfbmr_settings::SettingError> {
//! let sources = vec![Source::line("input_size=256")?, Source::line("flow_training.epochs=20")?];
//! let config = Settings { sources, ..Settings::default() }.resolve()?;
//! assert_eq!(config.input_size, 256);
//!
//! let sources = vec![Source::line("input_size=many")?];
//! let error = Settings { sources, ..Settings::default() }.resolve().unwrap_err();
//! assert!(error.to_string().starts_with("--set input_size=many: input_size: "));
//! # Ok(())
//! # }
//! ```

#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod error;
mod merge;
mod preset;
mod settings;
mod source;
mod to_toml;
mod words;

pub use error::SettingError;
pub use preset::{Preset, UnknownPreset};
pub use settings::Settings;
pub use source::Source;
pub use to_toml::to_toml;
