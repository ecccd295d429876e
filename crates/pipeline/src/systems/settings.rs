//! What a system is: settings that say what it needs, train it and load it, and the head that comes of them.

use std::fmt::Debug;
use std::sync::Arc;

use burn::tensor::Tensor;
use nfbmr_backend::Backend;
use nfbmr_bmr::Bmr;
use nfbmr_onnx::Graph;
use nfbmr_whitening::WhiteningConfig;

use super::target_cnn::TargetCnnConfig;
use super::{Features, FlowSpace, Setup, Shared, TargetFlow};
use crate::error::{ModelError, PipelineError};
use crate::features::{
    Blocks, Cnn, CnnLevels, Extraction, FeatureLevel, GraphLevel, LevelSpec, SharedSamples,
};
use crate::file::Learned;
use crate::score::{GraphMaps, Maps, MeanResiduals};
use crate::train::Session;

/// The settings of a system. To add one: a file here with its settings, this trait for them and a head, and a line
/// in the registry.
pub(crate) trait Settings: Clone + Debug + PartialEq {
    /// Checks what the types leave open.
    fn check(&self, blocks: &Blocks) -> Result<(), PipelineError>;

    /// The levels that the features of the blocks are put together to, the finest first, and the scale of the
    /// input that each sees; one of all blocks by default.
    fn levels(&self, blocks: &Blocks) -> Result<Vec<LevelSpec>, PipelineError> {
        Ok(vec![LevelSpec::new(&blocks.blocks)])
    }

    /// Whether the system tells where a defect is: otherwise it gives a score and no map.
    fn localises(&self) -> bool {
        true
    }

    /// The second CNN of a system that has one, of as many levels as the first.
    fn target(&self, blocks: &Blocks) -> Result<Option<CnnLevels>, PipelineError> {
        let _ = blocks;
        Ok(None)
    }

    /// The setting of the second CNN, of a system that maps two.
    fn target_cnn_mut(&mut self) -> Option<&mut Option<TargetCnnConfig>> {
        None
    }

    /// What the system learns, of these features.
    fn size(&self, extraction: &Extraction) -> LearnedSize {
        let _ = extraction;
        LearnedSize::default()
    }

    /// How often the features of an image are in memory in training.
    fn feature_copies(&self) -> u64 {
        1
    }

    /// Multiplications, each with its addition, of the flow and of the mapping network over an image.
    fn multiply_adds(&self, levels: &[FeatureLevel]) -> [f64; 2] {
        let _ = levels;
        [0.0; 2]
    }

    /// How the features are whitened, of a system that does so. It is what tells kinds of images apart.
    fn whitening(&self) -> Option<&WhiteningConfig> {
        None
    }

    /// Trains the system on features.
    fn train<B: Backend>(
        &self,
        training: Training<'_, '_, '_, B>,
    ) -> Result<Trained<B>, PipelineError>;

    /// The head from what [`Head::store`] gave. The configuration is valid, and what it learns no larger than
    /// the file; `target` is the second CNN where the system has one.
    fn load<B: Backend>(
        &self,
        learned: &mut Learned,
        extraction: &Extraction,
        target: Option<Cnn<B>>,
        setup: &Setup<'_, B>,
    ) -> Result<SharedHead<B>, ModelError>;
}

/// Numbers that a system learns; `usize::MAX` if they are more. None for one whose size follows from its images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LearnedSize {
    /// Parameters of networks, which are trained by gradients.
    pub(crate) parameters: usize,
    /// Means and matrices.
    pub(crate) statistics: usize,
}

/// A trained system without its feature extractor.
pub(crate) trait Head<B: Backend>: Debug + Send + Sync {
    /// The maps of each of the images `[N, 3, S, S]` (0 to 1), whose source features are `y`, level by level.
    fn maps(&self, images: &Tensor<B, 4>, y: Vec<Tensor<B, 4>>)
    -> Result<Vec<Maps>, PipelineError>;

    /// [`Self::maps`] in a graph, of images of this side by their source features; `None` for a
    /// system that isn't put into graphs.
    fn add_to(&self, graph: &mut Graph, y: &[GraphLevel], side: u32) -> Option<GraphMaps> {
        let _ = (graph, y, side);
        None
    }

    /// Adds everything learnt to what a model file holds.
    fn store(&self, learned: &mut Learned) -> Result<(), ModelError>;

    /// The features of images in both spaces, level by level.
    fn spaces(
        &self,
        images: &Tensor<B, 4>,
        y: Vec<Tensor<B, 4>>,
    ) -> Result<Spaces<B>, PipelineError> {
        let _ = images;
        Ok(Spaces { source: y, target: None })
    }

    /// By level, of a system that has them.
    fn flows(&self) -> &[TargetFlow<B>] {
        &[]
    }

    /// By level, of a system that has them.
    fn bmrs(&self) -> &[Bmr<B>] {
        &[]
    }

    /// By level, of a system that maps.
    fn mean_residuals(&self) -> &[MeanResiduals] {
        &[]
    }
}

pub(crate) type SharedHead<B> = Arc<dyn Head<B>>;

/// Features in the source space and, for a system that has one, in the target space, by level.
pub(crate) struct Spaces<B: Backend> {
    pub(crate) source: Vec<Tensor<B, 4>>,
    pub(crate) target: Option<Vec<Tensor<B, 4>>>,
}

/// A training of a system.
pub(crate) struct Training<'a, 'b, 'c, B: Backend> {
    pub(crate) extraction: &'a Extraction,
    pub(crate) features: &'a Features<B>,
    /// The second CNN, where the system has one.
    pub(crate) target_cnn: Option<&'a Cnn<B>>,
    pub(crate) shared: &'a mut Shared<B>,
    pub(crate) setup: Setup<'a, B>,
    pub(crate) session: &'a mut Session<'b, 'c>,
}

/// What a training gives.
pub(crate) struct Trained<B: Backend> {
    pub(crate) head: SharedHead<B>,
    /// The score of each sample by the statistics of the others, of a system that has such statistics.
    pub(crate) left_out: Option<Vec<f64>>,
}

impl<B: Backend> Trained<B> {
    pub(crate) fn new(head: impl Head<B> + 'static) -> Self {
        Self { head: Arc::new(head), left_out: None }
    }
}

impl<B: Backend> Training<'_, '_, '_, B> {
    /// The levels of the source features.
    pub(crate) fn levels(&self) -> &[FeatureLevel] {
        &self.extraction.source.levels
    }

    /// The source features of the only level, or of the first of several.
    pub(crate) fn first(&self) -> Result<&SharedSamples<B>, PipelineError> {
        let none = || PipelineError::Config("expected features, found none".to_owned());
        self.features.source.first().ok_or_else(none)
    }

    /// The source features of each level as a flow sees them.
    pub(crate) fn white(
        &mut self,
        space: &FlowSpace,
    ) -> Result<Vec<SharedSamples<B>>, PipelineError> {
        let levels = &self.extraction.source.levels;
        self.shared.white(space, levels, self.features, &self.setup, self.session)
    }

    /// The trained flow of a level, of white features.
    pub(crate) fn flow(
        &mut self,
        space: &FlowSpace,
        index: usize,
        y: &SharedSamples<B>,
    ) -> Result<TargetFlow<B>, PipelineError> {
        let levels = &self.extraction.source.levels;
        let none = || PipelineError::Config(format!("expected features of level {index}"));
        let level = levels.get(index).ok_or_else(none)?;
        self.session.level = (index, levels.len());
        self.shared.flow(space, index, level, y, &self.setup, self.session)
    }
}

/// A detector that is refused with the network it doesn't fit.
pub(crate) fn unusable(error: impl Into<PipelineError>) -> ModelError {
    ModelError::Unusable(Box::new(error.into()))
}

/// The features of the only level there is.
pub(crate) fn only<B: Backend>(y: Vec<Tensor<B, 4>>) -> Result<Tensor<B, 4>, PipelineError> {
    let none = || PipelineError::Config("expected features of one level, found none".to_owned());
    y.into_iter().next().ok_or_else(none)
}
