//! PFM and B-PFM as mapping networks of a system: how they are trained, stored and loaded.

use burn::backend::Autodiff;
use nfbmr_backend::Backend;
use nfbmr_bmr::{Bpfm, BpfmConfig};

use super::Setup;
use super::composed::{StoredMapper, batches, measure};
use super::settings::unusable;
use crate::error::{ModelError, Phase, PipelineError};
use crate::features::Samples;
use crate::file::Learned;
use crate::score::MeanResiduals;
use crate::train::{Draw, Session, TrainingConfig, TrainingPhase, Workers, fit};

/// The name of the networks in a model file.
const BPFM: &str = "bpfm";

/// A mapping network between source and target features of so many channels.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mapping {
    pub(super) source: usize,
    pub(super) target: usize,
    pub(super) network: BpfmConfig,
}

impl Mapping {
    pub(super) fn parameters(&self) -> usize {
        self.network.parameters(self.source, self.target)
    }

    /// Trains the network on source features y and target features z. A step takes its batch whole, since batch
    /// normalisation knows no parts of it.
    pub(super) fn train<B: Backend>(
        &self,
        y: &dyn Samples<B>,
        z: &dyn Samples<B>,
        config: &TrainingConfig,
        setup: &Setup<'_, B>,
        session: &mut Session<'_, '_>,
    ) -> Result<(Bpfm<B>, MeanResiduals), PipelineError> {
        let [weights, seed] = [Draw::BmrWeights, Draw::BmrOrder].map(|draw| draw.seed(setup.seed));
        let Self { source, target, network } = self;
        let bpfm = Bpfm::<Autodiff<B>>::new(network, *source, *target, weights, setup.device)?;
        let phase = TrainingPhase { phase: Phase::Bpfm, images: y.len(), config, seed };
        let bpfm = fit(bpfm, &phase, &Workers::none(), session, |bpfm, batch| {
            let [y, z] = batches(y, z, batch)?;
            Ok(bpfm.loss(y, z)?.total())
        })?;
        let residuals = measure(&bpfm, y, z)?;
        Ok((bpfm, residuals))
    }

    pub(super) fn load<B: Backend>(
        &self,
        learned: &mut Learned,
        level: usize,
        setup: &Setup<'_, B>,
    ) -> Result<Bpfm<B>, ModelError> {
        let bpfm = Bpfm::new(&self.network, self.source, self.target, 0, setup.device);
        learned.load_level(BPFM, level, bpfm.map_err(unusable)?)
    }
}

impl<B: Backend> StoredMapper<B> for Bpfm<B> {
    fn store(&self, level: usize, learned: &mut Learned) {
        learned.put_level(BPFM, level, self);
    }
}
