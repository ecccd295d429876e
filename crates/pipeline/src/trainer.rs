use burn::tensor::Tensor;
use nfbmr_backbone::Backbone;
use nfbmr_backend::Backend;
use nfbmr_cache::FeatureCache;
use nfbmr_flow::FlowConfig;

use crate::config::{PipelineConfig, TrainingConfig};
use crate::error::PipelineError;
use crate::features::{Extractor, extract_features};
use crate::head::{Head, TargetFlow};
use crate::images::Images;
use crate::pipeline::Pipeline;
use crate::progress::ProgressFn;
use crate::weights::BackboneWeights;

/// The features of a set of images, on which any number of systems and seeds are trained.
///
/// The backbone runs once over the images; a flow that several systems ask for is trained once.
#[derive(Debug)]
pub struct Trainer<B: Backend> {
    config: PipelineConfig,
    weights: BackboneWeights,
    backbone: Backbone<B>,
    channels: usize,
    y: Vec<Tensor<B, 4>>,
    flows: Vec<(FlowKey, TargetFlow<B>)>,
    device: B::Device,
}

/// All that a flow depends on, besides the features.
#[derive(Clone, Debug, PartialEq)]
struct FlowKey {
    flow: FlowConfig,
    training: TrainingConfig,
    seed: u64,
    low_memory: bool,
}

impl FlowKey {
    fn of(config: &PipelineConfig) -> Self {
        Self {
            flow: config.flow.clone(),
            training: config.flow_training.clone(),
            seed: config.seed,
            low_memory: config.low_memory,
        }
    }
}

impl<B: Backend> Trainer<B> {
    /// Extracts the features of images of good parts, or takes them from the cache, and keeps them in
    /// memory.
    ///
    /// # Errors
    /// A device that isn't there, a configuration without meaning, weights that don't fit it, images that
    /// can't be read or can't train, a cache that can't be read or written, or the caller's interruption.
    pub fn new<'a>(
        config: &PipelineConfig,
        weights: Option<&BackboneWeights>,
        images: impl Into<Images<'a>>,
        cache: Option<&FeatureCache>,
        device: &B::Device,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Self, PipelineError> {
        B::probe(device)?;
        let [channels, _, _] = config.validate()?;
        let weights = weights.ok_or(PipelineError::NoWeights)?;
        let backbone = Backbone::load(&config.backbone, &weights.parse()?, device)?;
        let extractor = Extractor { backbone: &backbone, weights, config, cache, device };
        let y = extract_features(&extractor, images.into(), progress)?;
        Ok(Self {
            config: config.clone(),
            weights: weights.clone(),
            backbone,
            channels,
            y,
            flows: Vec::new(),
            device: device.clone(),
        })
    }

    /// The source features of the images, each `[1, C, H, W]`.
    pub fn features(&self) -> &[Tensor<B, 4>] {
        &self.y
    }

    /// Trains a system. The same configuration, images, backend and thread count give the same model,
    /// whatever was trained before.
    ///
    /// # Errors
    /// [`PipelineError::Config`] for a configuration without meaning, or of another backbone or input than
    /// the features', a loss that isn't finite, or the caller's interruption.
    pub fn train(
        &mut self,
        config: &PipelineConfig,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Pipeline<B>, PipelineError> {
        config.validate()?;
        let inputs = |config: &PipelineConfig| (config.backbone, config.input_size, config.fit);
        if inputs(config) != inputs(&self.config) {
            let problem =
                "expected the backbone, input_size and fit that the features were made with";
            return Err(PipelineError::Config(problem.to_owned()));
        }
        let Self { channels, y, flows, device, .. } = self;
        let key = FlowKey::of(config);
        let flow = |progress: &mut ProgressFn<'_>| {
            if let Some((_, flow)) = flows.iter().find(|(known, _)| *known == key) {
                return Ok(flow.clone());
            }
            let flow = TargetFlow::train(config, *channels, y, device, progress)?;
            flows.push((key, flow.clone()));
            Ok(flow)
        };
        let head = Head::train(config, *channels, y, flow, device, progress)?;
        tracing::info!(system = %config.system, images = y.len(), "trained");
        Ok(Pipeline {
            config: config.clone(),
            weights: self.weights.clone(),
            backbone: self.backbone.clone(),
            head,
            device: device.clone(),
        })
    }
}
