//! Every system there is. A system is added by a line at the end of this file.

use std::fmt;
use std::str::FromStr;

use nfbmr_backend::Backend;
use nfbmr_whitening::WhiteningConfig;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::settings::{LearnedSize, Settings, SharedHead, Trained, Training};
use super::target_cnn::TargetCnnConfig;
use super::{cs_flow, differnet, nf, nf_bmr, nf_bpfm, setup, spade, two_cnns};
use crate::error::{ModelError, PipelineError};
use crate::features::{Blocks, Cnn, CnnLevels, Extraction, FeatureLevel, LevelSpec};
use crate::file::Learned;

macro_rules! registry {
    ($($(#[doc = $doc:literal])+ $name:literal: $system:ident($settings:ty),)+) => {
        /// A detector by its name: what it learns of the features of normal images, and how it scores.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        #[non_exhaustive]
        pub enum System {
            $($(#[doc = $doc])+ $system,)+
        }

        impl System {
            /// Every system.
            pub const ALL: &'static [Self] = &[$(Self::$system),+];

            /// The name, as users give it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$system => $name,)+
                }
            }

            /// The settings of the default preset.
            pub fn settings(self) -> SystemConfig {
                match self {
                    $(Self::$system => SystemConfig::$system(Default::default()),)+
                }
            }
        }

        /// A system with its settings.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum SystemConfig {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $system($settings),)+
        }

        impl SystemConfig {
            /// Which system it is.
            pub fn system(&self) -> System {
                match self {
                    $(Self::$system(_) => System::$system,)+
                }
            }
        }

        $(impl From<$settings> for SystemConfig {
            fn from(settings: $settings) -> Self {
                Self::$system(settings)
            }
        })+

        impl Settings for SystemConfig {
            fn check(&self, blocks: &Blocks) -> Result<(), PipelineError> {
                match self {
                    $(Self::$system(own) => own.check(blocks),)+
                }
            }

            fn levels(&self, blocks: &Blocks) -> Result<Vec<LevelSpec>, PipelineError> {
                match self {
                    $(Self::$system(own) => own.levels(blocks),)+
                }
            }

            fn localises(&self) -> bool {
                match self {
                    $(Self::$system(own) => own.localises(),)+
                }
            }

            fn target(&self, blocks: &Blocks) -> Result<Option<CnnLevels>, PipelineError> {
                match self {
                    $(Self::$system(own) => own.target(blocks),)+
                }
            }

            fn target_cnn_mut(&mut self) -> Option<&mut Option<TargetCnnConfig>> {
                match self {
                    $(Self::$system(own) => own.target_cnn_mut(),)+
                }
            }

            fn size(&self, extraction: &Extraction) -> LearnedSize {
                match self {
                    $(Self::$system(own) => own.size(extraction),)+
                }
            }

            fn feature_copies(&self) -> u64 {
                match self {
                    $(Self::$system(own) => own.feature_copies(),)+
                }
            }

            fn multiply_adds(&self, levels: &[FeatureLevel]) -> [f64; 2] {
                match self {
                    $(Self::$system(own) => own.multiply_adds(levels),)+
                }
            }

            fn whitening(&self) -> Option<&WhiteningConfig> {
                match self {
                    $(Self::$system(own) => own.whitening(),)+
                }
            }

            fn train<B: Backend>(
                &self,
                training: Training<'_, '_, '_, B>,
            ) -> Result<Trained<B>, PipelineError> {
                match self {
                    $(Self::$system(own) => own.train(training),)+
                }
            }

            fn load<B: Backend>(
                &self,
                learned: &mut Learned,
                extraction: &Extraction,
                target: Option<Cnn<B>>,
                setup: &setup::Setup<'_, B>,
            ) -> Result<SharedHead<B>, ModelError> {
                match self {
                    $(Self::$system(own) => own.load(learned, extraction, target, setup),)+
                }
            }
        }
    };
}

/// The settings of how the mapping network of a system is trained.
const MAPPING_TRAINING: [&str; 2] = ["bmr_training", "bpfm_training"];

impl SystemConfig {
    /// Whether the system tells where a defect is: otherwise it gives a score and no anomaly map.
    pub fn localises(&self) -> bool {
        Settings::localises(self)
    }

    /// The settings of another system: those of this one where the names agree, the training of a mapping network
    /// too, else those of the default preset.
    ///
    /// # Errors
    /// [`PipelineError::Config`] for a setting that isn't a finite number.
    pub fn with_system(&self, system: System) -> Result<Self, PipelineError> {
        if self.system() == system {
            return Ok(self.clone());
        }
        let failed = |error: serde_json::Error| {
            PipelineError::Config(format!("the settings of `{}`: {error}", self.system()))
        };
        // Each is an object of one entry, the system's.
        let settings = |config: &Self| {
            let value = serde_json::to_value(config)?;
            Ok(value.get(config.system().name()).cloned().unwrap_or_default())
        };
        let own = settings(self).map_err(failed)?;
        let mut other = settings(&system.settings()).map_err(failed)?;
        if let (Value::Object(other), Value::Object(own)) = (&mut other, own) {
            for (mut name, value) in own {
                // Of either kind of mapping network.
                if !other.contains_key(&name) && MAPPING_TRAINING.contains(&&*name) {
                    let known =
                        MAPPING_TRAINING.into_iter().find(|known| other.contains_key(*known));
                    name = known.unwrap_or_default().to_owned();
                }
                if other.contains_key(&name) {
                    other.insert(name, value);
                }
            }
        }
        let tagged = serde_json::Map::from_iter([(system.name().to_owned(), other)]);
        serde_json::from_value(tagged.into()).map_err(failed)
    }
}

impl Default for SystemConfig {
    /// `nf-bmr`, with the settings of the default preset.
    fn default() -> Self {
        System::NfBmr.settings()
    }
}

impl FromStr for System {
    type Err = PipelineError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().copied().find(|system| system.name() == name);
        found.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|system| system.name()).collect();
            let names = names.join("`, `");
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

registry! {
    /// `nf`: the flow alone, scored by its negative log-likelihood.
    "nf": Nf(nf::NfConfig),
    /// `nf+bpfm`: source and target features mapped to each other by the older, plain networks.
    "nf+bpfm": NfBpfm(nf_bpfm::NfBpfmConfig),
    /// `nf-bmr`: source and target features mapped to each other by residual networks.
    "nf-bmr": NfBmr(nf_bmr::NfBmrConfig),
    /// `pfm`: the features of one CNN mapped to those of another.
    "pfm": Pfm(two_cnns::PfmConfig),
    /// `bpfm`: the features of two CNNs mapped to each other.
    "bpfm": Bpfm(two_cnns::BidirectionalPfmConfig),
    /// `mb-pfm`: the features of two CNNs mapped to each other block by block, each at its own resolution.
    "mb-pfm": MbPfm(two_cnns::MultiBlockPfmConfig),
    /// `patchcore`: the distance to the nearest of a memory of normal features.
    "patchcore": PatchCore(nfbmr_peers::PatchCoreConfig),
    /// `padim`: the Mahalanobis distance to the normal features at the same position.
    "padim": Padim(nfbmr_peers::PadimConfig),
    /// `spade`: the distance to the nearest features of the training images most like the image.
    "spade": Spade(spade::SpadeConfig),
    /// `cs-flow`: a flow over features of the image in three sizes.
    "cs-flow": CsFlow(cs_flow::CsFlowConfig),
    /// `differnet`: a flow over one vector of an image in three sizes; it gives a score and no map.
    "differnet": DifferNet(differnet::DifferNetConfig),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for &system in System::ALL {
            assert_eq!(system.to_string().parse::<System>().unwrap(), system);
            assert_eq!(system.settings().system(), system);
        }
        let error = "NF".parse::<System>().unwrap_err().to_string();
        assert!(error.contains("`nf`, `nf+bpfm`") && error.contains("\"NF\""), "{error}");
    }

    #[test]
    fn settings_are_kept_by_name() {
        let mut own = nf_bmr::NfBmrConfig::paper();
        own.flow.hidden = 7;
        own.bmr.latent = 9;
        let SystemConfig::Nf(nf) = SystemConfig::from(own.clone()).with_system(System::Nf).unwrap()
        else {
            panic!("another system")
        };
        assert_eq!((&nf.flow, &nf.whitening, nf.pooling), (&own.flow, &None, own.pooling));
        let SystemConfig::NfBpfm(bpfm) =
            SystemConfig::from(own.clone()).with_system(System::NfBpfm).unwrap()
        else {
            panic!("another system")
        };
        assert_eq!(bpfm.bpfm_training, own.bmr_training);
        let SystemConfig::NfBmr(back) = SystemConfig::from(nf).with_system(System::NfBmr).unwrap()
        else {
            panic!("another system")
        };
        assert_eq!((back.flow.hidden, back.bmr), (7, nf_bmr::NfBmrConfig::default().bmr));
    }

    /// A setting of another system is refused, not left aside.
    #[test]
    fn settings_belong_to_their_system() {
        let json = |text: &str| serde_json::from_str::<SystemConfig>(text);
        assert!(json(r#"{"padim": {"features": 5}}"#).is_ok());
        let error = json(r#"{"padim": {"features": 5, "flow": {}}}"#).unwrap_err().to_string();
        assert!(error.contains("unknown field `flow`"), "{error}");
        let error = json(r#"{"padim": {"features": 5}, "nf": {}}"#).unwrap_err().to_string();
        assert!(!error.is_empty());
    }
}
