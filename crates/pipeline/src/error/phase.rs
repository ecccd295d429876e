//! The stages of training and calibration.

use std::fmt;

/// A stage of training, or calibration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Images held out are read and told apart.
    Contents,
    /// What the configuration leaves open is chosen, alignment and augmentation; in place of images the choices are
    /// counted.
    Choices,
    /// The backbone runs once over the training images.
    Features,
    /// The statistics that whiten features are collected.
    Whitening,
    /// The flow is trained.
    Flow,
    /// The bidirectional mapping network is trained.
    Bmr,
    /// The mapping network B-PFM is trained.
    Bpfm,
    /// The memory of PatchCore or the distributions of PaDiM are fitted, or the features of SPADE gathered; in
    /// place of images their steps are counted.
    Fit,
    /// Good images are scored for thresholds.
    Calibration,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Contents => "contents",
            Self::Choices => "choices",
            Self::Features => "features",
            Self::Whitening => "whitening",
            Self::Flow => "flow",
            Self::Bmr => "bmr",
            Self::Bpfm => "bpfm",
            Self::Fit => "fit",
            Self::Calibration => "calibration",
        })
    }
}
