//! What training chooses by good images alone, where the configuration leaves it open: how parts are laid over each
//! other, and which copies of the images are trained on. Knows the configuration and the feature extractor.

mod alignment;
mod augmentation;
mod kinds;
mod painted;

use std::sync::Arc;

use nfbmr_backend::Backend;
use nfbmr_pose::Template;
use serde::{Deserialize, Serialize};

pub use alignment::{AlignmentChoice, AlignmentReason, AlignmentTrial};
pub use augmentation::{AugmentationChoice, AugmentationReason, AugmentationTrial};
pub use kinds::{KindsChoice, KindsReason, KindsTrial};
pub(crate) use kinds::{Looked, choose_kinds};

use crate::config::PipelineConfig;
use crate::error::{Phase, PipelineError};
use crate::features::Cnn;
use crate::input::{AlignmentMotion, Augmentation, Images};
use crate::progress::{ProgressFn, Reporter};

/// What was chosen, and by which figures; a model file records it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Choices {
    /// Of [`AlignmentMotion::Auto`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alignment: Option<AlignmentChoice>,
    /// Of [`Augmentation::Auto`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augmentation: Option<AugmentationChoice>,
    /// Of a number of kinds that is open, or is more than one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<KindsChoice>,
}

/// A configuration that leaves nothing open, and what was learnt to make it.
pub(crate) struct Chosen {
    pub(crate) config: PipelineConfig,
    pub(crate) template: Option<Arc<Template>>,
    pub(crate) choices: Choices,
}

/// Chooses what a configuration leaves open, and learns the template of its alignment.
///
/// # Errors
/// An image that can't be read, unless those are to be skipped, or the caller's interruption.
pub(crate) fn choose<B: Backend>(
    config: &PipelineConfig,
    source: &Cnn<B>,
    images: &Images<'_>,
    device: &B::Device,
    progress: &mut ProgressFn<'_>,
) -> Result<Chosen, PipelineError> {
    let mut chosen = Chosen { config: config.clone(), template: None, choices: Choices::default() };
    let open = [
        config.alignment.motion != AlignmentMotion::Off,
        config.augmentation == Augmentation::Auto,
    ];
    let steps = open.into_iter().filter(|open| *open).count();
    let mut reporter = Reporter::new(Phase::Choices, 1, steps, progress);
    // Bad files are told when features are extracted.
    let mut skipped = Vec::new();
    if config.alignment.motion != AlignmentMotion::Off {
        let (motion, template, choice) =
            alignment::choose(config, source, images.again(&mut skipped), device)?;
        chosen.config.alignment.motion = motion;
        chosen.template = template.map(Arc::new);
        chosen.choices.alignment = choice;
        reporter.advance(1)?;
    }
    if config.augmentation == Augmentation::Auto {
        let mut input = chosen.config.extraction()?.input;
        input.template = chosen.template.clone();
        let choice = augmentation::choose(input, source, images.again(&mut skipped), device)?;
        chosen.config.augmentation = choice.chosen;
        chosen.choices.augmentation = Some(choice);
        reporter.advance(1)?;
    }
    Ok(chosen)
}
