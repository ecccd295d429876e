use burn::backend::Autodiff;
use nfbmr_backend::Backend;
use nfbmr_bmr::{Bmr, Bpfm};

use crate::config::PipelineConfig;
use crate::draw::Draw;
use crate::error::PipelineError;
use crate::mapper::Mapper;
use crate::samples::SharedSamples;
use crate::score::Normalization;
use crate::session::Session;
use crate::source_level::SourceLevel;
use crate::system::System;
use crate::target_flow::TargetFlow;
use crate::train::{measure_normalization, train_bmr, train_bpfm};

/// A flow, and what maps its space and the source features to each other.
#[derive(Clone, Debug)]
pub(crate) struct Mapping<B: Backend> {
    pub(crate) flow: TargetFlow<B>,
    pub(crate) mapper: Mapper<B>,
    pub(crate) normalization: Normalization,
}

impl<B: Backend> Mapping<B> {
    /// Trains what maps source features y, white already, and their targets to each other.
    pub(crate) fn train(
        config: &PipelineConfig,
        flow: TargetFlow<B>,
        level: &SourceLevel,
        y: &SharedSamples<B>,
        in_memory: bool,
        device: &B::Device,
        session: &mut Session<'_, '_>,
    ) -> Result<Self, PipelineError> {
        let [weights, order] =
            [Draw::BmrWeights, Draw::BmrOrder].map(|draw| draw.seed(config.seed));
        let (training, channels) = (&config.bmr_training, level.channels());
        let z = flow.targets(y, in_memory)?;
        let mapper = match config.system {
            System::NfBpfm => {
                let bpfm = config.bpfm_of(level);
                let bpfm = Bpfm::<Autodiff<B>>::new(&bpfm, channels, channels, weights, device)?;
                Mapper::Bpfm(train_bpfm(bpfm, &**y, &*z, training, order, session)?.into())
            }
            _ => {
                let bmr = config.bmr_of(level);
                let bmr = Bmr::<Autodiff<B>>::new(&bmr, channels, weights, device)?;
                let mut bmr = train_bmr(bmr, &**y, &*z, training, order, session)?;
                if !config.low_memory {
                    bmr.prepare();
                }
                Mapper::Bmr(bmr.into())
            }
        };
        let normalization = measure_normalization(&mapper, &**y, &*z)?;
        Ok(Self { flow, mapper, normalization })
    }
}
