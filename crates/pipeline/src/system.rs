use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::PipelineError;

/// A detector by its name: what it learns of the features of normal images, and how it scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum System {
    /// `nf`: the flow alone, scored by its negative log-likelihood.
    Nf,
    /// `nf+bpfm`: source and target features mapped to each other by the older, plain networks.
    NfBpfm,
    /// `nf-bmr`: source and target features mapped to each other by residual networks.
    #[default]
    NfBmr,
    /// `pfm`: the features of one CNN mapped to those of another.
    Pfm,
    /// `bpfm`: the features of two CNNs mapped to each other.
    Bpfm,
    /// `mb-pfm`: the features of two CNNs mapped to each other block by block, each at its own resolution.
    MbPfm,
    /// `patchcore`: the distance to the nearest of a memory of normal features.
    PatchCore,
    /// `padim`: the Mahalanobis distance to the normal features at the same position.
    Padim,
}

impl System {
    /// Every system.
    pub const ALL: [Self; 8] = [
        Self::Nf,
        Self::NfBpfm,
        Self::NfBmr,
        Self::Pfm,
        Self::Bpfm,
        Self::MbPfm,
        Self::PatchCore,
        Self::Padim,
    ];

    /// The name, as users give it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nf => "nf",
            Self::NfBpfm => "nf+bpfm",
            Self::NfBmr => "nf-bmr",
            Self::Pfm => "pfm",
            Self::Bpfm => "bpfm",
            Self::MbPfm => "mb-pfm",
            Self::PatchCore => "patchcore",
            Self::Padim => "padim",
        }
    }

    /// Whether its target space is that of a flow.
    pub(crate) const fn has_flow(self) -> bool {
        matches!(self, Self::Nf | Self::NfBpfm | Self::NfBmr)
    }

    /// Whether its target space is that of a second CNN.
    pub(crate) const fn has_target_cnn(self) -> bool {
        matches!(self, Self::Pfm | Self::Bpfm | Self::MbPfm)
    }
}

impl FromStr for System {
    type Err = PipelineError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|system| system.name() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join("`, `");
            PipelineError::Config(format!("system must be one of `{names}`, found {name:?}"))
        })
    }
}

impl TryFrom<String> for System {
    type Error = PipelineError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse()
    }
}

impl From<System> for String {
    fn from(system: System) -> Self {
        system.to_string()
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for system in System::ALL {
            assert_eq!(system.to_string().parse::<System>().unwrap(), system);
        }
        let error = "NF".parse::<System>().unwrap_err().to_string();
        assert!(error.contains("`nf`, `nf+bpfm`") && error.contains("\"NF\""), "{error}");
    }
}
