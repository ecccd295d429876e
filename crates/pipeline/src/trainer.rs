use burn::tensor::Tensor;
use nfbmr_backend::Backend;
use nfbmr_cache::FeatureCache;
use nfbmr_flow::FlowConfig;
use nfbmr_whitening::{Whitening, WhiteningConfig, WhiteningFit};

use crate::config::{PipelineConfig, TrainingConfig};
use crate::error::PipelineError;
use crate::features::{Extractor, extract_features};
use crate::fingerprint::TrainedOn;
use crate::head::{Head, TargetFlow};
use crate::images::Images;
use crate::pipeline::Pipeline;
use crate::progress::{Phase, ProgressFn, Reporter};
use crate::source::SourceNetwork;
use crate::weights::BackboneWeights;

/// Images whose statistics are collected together.
const CHUNK: usize = 8;

/// The features of a set of images, on which any number of systems and seeds are trained.
///
/// The backbone runs once over the images; a flow that several systems ask for is trained once.
#[derive(Debug)]
pub struct Trainer<B: Backend> {
    config: PipelineConfig,
    weights: BackboneWeights,
    source: SourceNetwork<B>,
    /// Channels, rows and columns.
    shape: [usize; 3],
    y: Vec<Tensor<B, 4>>,
    trained_on: TrainedOn,
    whitened: Option<Whitened<B>>,
    flows: Vec<(FlowKey, TargetFlow<B>)>,
    device: B::Device,
}

/// The features as they are whitened.
#[derive(Debug)]
struct Whitened<B: Backend> {
    config: WhiteningConfig,
    whitening: Whitening<B>,
    y: Vec<Tensor<B, 4>>,
}

/// All that a flow depends on, besides the features.
#[derive(Clone, Debug, PartialEq)]
struct FlowKey {
    whitening: Option<WhiteningConfig>,
    flow: FlowConfig,
    training: TrainingConfig,
    seed: u64,
    low_memory: bool,
}

impl FlowKey {
    fn of(config: &PipelineConfig) -> Self {
        Self {
            whitening: config.whitening.clone(),
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
        let shape = config.validate()?;
        let weights = weights.ok_or(PipelineError::NoWeights)?;
        let source = SourceNetwork::load(config, &weights.parse()?, device)?;
        let extractor = Extractor { source: &source, weights, config, cache, device };
        let (y, trained_on) = extract_features(&extractor, images.into(), progress)?;
        Ok(Self {
            config: config.clone(),
            weights: weights.clone(),
            source,
            shape,
            y,
            trained_on,
            whitened: None,
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
    /// the features', features that can't be whitened, a loss that isn't finite, or the caller's
    /// interruption.
    pub fn train(
        &mut self,
        config: &PipelineConfig,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Pipeline<B>, PipelineError> {
        config.validate()?;
        let inputs = |config: &PipelineConfig| {
            (config.backbone, config.blocks(), config.input_size, config.fit)
        };
        if inputs(config) != inputs(&self.config) {
            let problem =
                "expected the backbone, earlier_blocks, input_size and fit of the features";
            return Err(PipelineError::Config(problem.to_owned()));
        }
        let whitening = config.whitening.as_ref().filter(|_| config.system.has_flow());
        if let Some(whitening) = whitening
            && self.whitened.as_ref().is_none_or(|known| known.config != *whitening)
        {
            self.whitened = Some(self.whiten(whitening, progress)?);
        }
        let Self { shape: [channels, _, _], y, whitened, flows, device, .. } = self;
        let (whitening, y) = match whitened {
            Some(Whitened { whitening: known, y, .. }) if whitening.is_some() => (Some(known), y),
            _ => (None, y),
        };
        let key = FlowKey::of(config);
        let flow = |progress: &mut ProgressFn<'_>| {
            if let Some((_, flow)) = flows.iter().find(|(known, _)| *known == key) {
                return Ok(flow.clone());
            }
            let whitening = whitening.cloned();
            let flow = TargetFlow::train(config, whitening, *channels, y, device, progress)?;
            flows.push((key, flow.clone()));
            Ok(flow)
        };
        let head = Head::train(config, *channels, y, flow, device, progress)?;
        tracing::info!(system = %config.system, images = y.len(), "trained");
        Ok(Pipeline {
            config: config.clone(),
            weights: self.weights.clone(),
            source: self.source.clone(),
            head,
            trained_on: Some(self.trained_on.clone()),
            calibration: None,
            device: device.clone(),
        })
    }

    /// Collects the statistics of the features, and whitens them.
    fn whiten(
        &self,
        config: &WhiteningConfig,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Whitened<B>, PipelineError> {
        let [_, height, width] = self.shape;
        let mut reporter = Reporter::new(Phase::Whitening, 1, self.y.len(), progress);
        let channels = self.config.block_channels()?;
        let mut fit = WhiteningFit::new(config, &channels, [height, width])?;
        for chunk in self.y.chunks(CHUNK) {
            fit.add(Tensor::cat(chunk.to_vec(), 0))?;
            reporter.advance(chunk.len())?;
        }
        let whitening = fit.finish(&self.device)?;
        let y = self.y.iter().map(|y| whitening.forward(y.clone())).collect::<Result<_, _>>()?;
        Ok(Whitened { config: config.clone(), whitening, y })
    }
}
