//! What is wrong with settings, and where.

use std::io;
use std::path::PathBuf;

use nfbmr::PipelineError;

/// What is wrong with settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingError {
    /// A file that can't be read, or isn't UTF-8.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why it can't be.
        source: io::Error,
    },
    /// A file that isn't TOML.
    #[error("expected TOML in {}, found {source}", .path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// What is there.
        source: toml::de::Error,
    },
    /// A line that isn't `key=value`.
    #[error("expected `--set key=value`, found {found:?}")]
    Line {
        /// The line.
        found: String,
    },
    /// A setting that doesn't exist, or has a value that it can't have.
    #[error("{origin}: {problem}")]
    Setting {
        /// The source that it comes from.
        origin: String,
        /// The setting, and what is wrong with it.
        problem: String,
        /// What to do, where an example tells it best.
        hint: Option<&'static str>,
    },
    /// Settings that don't go together.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
}

impl SettingError {
    /// Of a configuration that can't be written as text.
    pub(crate) fn unprintable(problem: impl ToString) -> Self {
        let origin = "configuration".to_owned();
        Self::Setting { origin, problem: problem.to_string(), hint: None }
    }
}
