//! What trainings on the same features share: whitened features, and flows that several systems ask for.

use nfbmr_backend::Backend;
use nfbmr_whitening::{Whitening, WhiteningConfig, WhiteningFit};

use super::{Features, FlowSpace, Setup, TargetFlow};
use crate::error::{Phase, PipelineError};
use crate::features::{FeatureLevel, SharedSamples, derive};
use crate::progress::Reporter;
use crate::train::Session;

/// Images whose statistics are collected together.
const CHUNK: usize = 8;

/// What is kept from one training to the next on the same features.
#[derive(Debug)]
pub(crate) struct Shared<B: Backend> {
    whitened: Option<Whitened<B>>,
    flows: Vec<(FlowKey, TargetFlow<B>)>,
}

/// The features as they are whitened, by level.
#[derive(Debug)]
struct Whitened<B: Backend> {
    config: WhiteningConfig,
    whitenings: Vec<Whitening<B>>,
    y: Vec<SharedSamples<B>>,
}

/// All that a flow depends on, besides the features.
#[derive(Clone, Debug, PartialEq)]
struct FlowKey {
    level: usize,
    space: FlowSpace,
    seed: u64,
    low_memory: bool,
}

impl<B: Backend> Default for Shared<B> {
    fn default() -> Self {
        Self { whitened: None, flows: Vec::new() }
    }
}

impl<B: Backend> Shared<B> {
    /// The source features of each level as a flow sees them: whitened, where the space says so, and kept in
    /// memory, or made each time.
    pub(crate) fn white(
        &mut self,
        space: &FlowSpace,
        levels: &[FeatureLevel],
        features: &Features<B>,
        setup: &Setup<'_, B>,
        session: &mut Session<'_, '_>,
    ) -> Result<Vec<SharedSamples<B>>, PipelineError> {
        let Features { source: y, in_memory, kinds, .. } = features;
        let Some(config) = &space.whitening else { return Ok(y.clone()) };
        if let Some(known) = self.whitened.as_ref().filter(|known| known.config == *config) {
            return Ok(known.y.clone());
        }
        let (mut whitenings, mut white) = (Vec::new(), Vec::new());
        for (index, (level, y)) in levels.iter().zip(y).enumerate() {
            let reporter = Reporter::new(Phase::Whitening, 1, y.len(), &mut *session.progress);
            let mut reporter = reporter.of_level((index, levels.len()));
            let channels = &level.block_channels;
            let mut fit = WhiteningFit::new(config, channels, level.grid, setup.kinds)?;
            for kind in 0..setup.kinds {
                let own = (0..y.len()).filter(|&sample| kinds.get(sample) == Some(&kind));
                for chunk in own.collect::<Vec<usize>>().chunks(CHUNK) {
                    fit.add(y.batch(chunk)?, kind)?;
                    reporter.advance(chunk.len())?;
                }
            }
            let whitening = fit.finish(setup.device)?;
            let forward = whitening.clone();
            white.push(derive(y, *in_memory, move |y| Ok(forward.forward(y)?))?);
            whitenings.push(whitening);
        }
        self.whitened = Some(Whitened { config: config.clone(), whitenings, y: white.clone() });
        Ok(white)
    }

    /// The trained flow of a level, of white features.
    pub(crate) fn flow(
        &mut self,
        space: &FlowSpace,
        index: usize,
        level: &FeatureLevel,
        y: &SharedSamples<B>,
        setup: &Setup<'_, B>,
        session: &mut Session<'_, '_>,
    ) -> Result<TargetFlow<B>, PipelineError> {
        let Setup { seed, low_memory, .. } = *setup;
        let key = FlowKey { level: index, space: space.clone(), seed, low_memory };
        if let Some((_, flow)) = self.flows.iter().find(|(known, _)| *known == key) {
            return Ok(flow.clone());
        }
        let whitened = self.whitened.as_ref().filter(|_| space.whitening.is_some());
        let whitening = whitened.and_then(|known| known.whitenings.get(index).cloned());
        let flow = TargetFlow::train(space, level, whitening, &**y, setup, session)?;
        self.flows.push((key, flow.clone()));
        Ok(flow)
    }
}
