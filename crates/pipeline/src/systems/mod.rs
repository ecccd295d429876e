//! The systems: one file each, with its settings, what it needs, its training, its maps and what it stores, and
//! one line in the registry below. Knows features, training, scores and files, and nothing of images.

mod bpfm;
mod composed;
mod cs_flow;
mod differnet;
mod features;
mod flows;
mod kind_units;
mod nf;
mod nf_bmr;
mod nf_bpfm;
mod padim;
mod patchcore;
mod registry;
mod settings;
mod setup;
mod shared;
mod spaces;
mod spade;
mod target_cnn;
#[cfg(test)]
mod testing;
mod two_cnns;

pub(crate) use features::Features;
pub(crate) use flows::FlowSpace;
pub use flows::TargetFlow;
pub use registry::{System, SystemConfig};
pub(crate) use settings::{
    Head, LearnedSize, Settings, SharedHead, Spaces, Trained, Training, only,
};
pub(crate) use setup::Setup;
pub(crate) use shared::Shared;
pub use spaces::{BidirectionalMapper, Residuals, Target, TargetSpace};

/// The settings of every system.
pub mod settings_of {
    pub use nfbmr_peers::{PadimConfig, PatchCoreConfig};

    pub use super::cs_flow::CsFlowConfig;
    pub use super::differnet::DifferNetConfig;
    pub use super::flows::Scales;
    pub use super::nf::NfConfig;
    pub use super::nf_bmr::NfBmrConfig;
    pub use super::nf_bpfm::NfBpfmConfig;
    pub use super::spade::SpadeConfig;
    pub use super::target_cnn::TargetCnnConfig;
    pub use super::two_cnns::{
        BidirectionalPfmConfig, MultiBlockPfmConfig, PfmConfig, TwoCnnsConfig,
    };
}
