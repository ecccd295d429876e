//! The configurations to start from, by name.

use std::fmt;
use std::str::FromStr;

use nfbmr::PipelineConfig;

/// A configuration to start from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Preset {
    /// [`PipelineConfig::default`].
    #[default]
    Default,
    /// [`PipelineConfig::fast`].
    Fast,
    /// [`PipelineConfig::accurate`].
    Accurate,
    /// [`PipelineConfig::paper`].
    Paper,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Default, Self::Fast, Self::Accurate, Self::Paper];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Fast => "fast",
            Self::Accurate => "accurate",
            Self::Paper => "paper",
        }
    }

    /// The configuration.
    pub fn config(self) -> PipelineConfig {
        match self {
            Self::Default => PipelineConfig::default(),
            Self::Fast => PipelineConfig::fast(),
            Self::Accurate => PipelineConfig::accurate(),
            Self::Paper => PipelineConfig::paper(),
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no preset has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the preset default, fast, accurate or paper, found {0:?}")]
pub struct UnknownPreset(pub String);

impl FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(name: &str) -> Result<Self, UnknownPreset> {
        let own = Self::ALL.into_iter().find(|preset| preset.name() == name);
        own.ok_or_else(|| UnknownPreset(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for preset in Preset::ALL {
            assert_eq!(preset.to_string().parse(), Ok(preset));
        }
        let error = "Fast".parse::<Preset>().unwrap_err().to_string();
        assert!(Preset::ALL.iter().all(|preset| error.contains(preset.name())), "{error}");
        assert!(error.ends_with("found \"Fast\""), "{error}");
    }
}
