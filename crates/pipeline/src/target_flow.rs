use burn::backend::Autodiff;
use burn::tensor::Tensor;
use nfbmr_backend::Backend;
use nfbmr_flow::Flow;
use nfbmr_whitening::Whitening;

use crate::config::PipelineConfig;
use crate::draw::Draw;
use crate::error::PipelineError;
use crate::samples::{Samples, SharedSamples, derive};
use crate::session::Session;
use crate::source_level::SourceLevel;
use crate::train::train_flow;

/// A flow with the whitening before it and the permutations it was made with.
#[derive(Clone, Debug)]
pub struct TargetFlow<B: Backend> {
    pub(crate) whitening: Option<Whitening<B>>,
    pub(crate) permutations: Vec<Vec<usize>>,
    pub(crate) flow: Flow<B>,
}

impl<B: Backend> TargetFlow<B> {
    /// Source features `[N, C, H, W]` of its level as the flow and the mapping network see them: whitened, where
    /// the configuration says so.
    ///
    /// # Errors
    /// [`PipelineError::Whitening`] for another shape than that of the level.
    pub fn whiten(&self, y: Tensor<B, 4>) -> Result<Tensor<B, 4>, PipelineError> {
        match &self.whitening {
            Some(whitening) => Ok(whitening.forward(y)?),
            None => Ok(y),
        }
    }

    /// The flow, which takes white features.
    pub fn flow(&self) -> &Flow<B> {
        &self.flow
    }

    /// Target features of source features, which are white already.
    pub(crate) fn targets(
        &self,
        y: &SharedSamples<B>,
        keep: bool,
    ) -> Result<SharedSamples<B>, PipelineError> {
        let flow = self.flow.clone();
        derive(y, keep, move |y| Ok(flow.forward(y)?.z))
    }

    /// Trains a flow on source features that `whitening` has whitened.
    pub(crate) fn train(
        config: &PipelineConfig,
        whitening: Option<Whitening<B>>,
        level: &SourceLevel,
        y: &dyn Samples<B>,
        device: &B::Device,
        session: &mut Session<'_, '_>,
    ) -> Result<Self, PipelineError> {
        let seed = |draw: Draw| draw.seed(config.seed);
        let (own, channels) = (config.flow_of(level), level.channels());
        let permutations = Flow::<B>::random_permutations(&own, channels, seed(Draw::Permutations));
        let weights = seed(Draw::FlowWeights);
        let flow = Flow::<Autodiff<B>>::new(&own, &permutations, channels, weights, device)?;
        let order = seed(Draw::FlowOrder);
        let mut flow = train_flow(flow, y, &config.flow_training, order, session)?;
        if !config.low_memory {
            flow.prepare();
        }
        Ok(Self { whitening, permutations, flow })
    }
}
