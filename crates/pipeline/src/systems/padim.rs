//! `padim`: the Mahalanobis distance to the normal features at the same position.

use std::sync::Arc;

use burn::tensor::Tensor;
use nfbmr_backend::Backend;
use nfbmr_onnx::Graph;
use nfbmr_peers::{Padim, PadimConfig, Upsampling, smooth};

use super::settings::unusable;
use super::{Head, Settings, Setup, SharedHead, Trained, Training, only};
use crate::error::{ModelError, PipelineError};
use crate::features::{Blocks, Cnn, Extraction, GraphLevel, all};
use crate::file::Learned;
use crate::progress::fit_progress;
use crate::score::{GraphMap, GraphMaps, Maps, scored};
use crate::train::Draw;

/// The name of the distributions in a model file.
const PADIM: &str = "padim";

impl Settings for PadimConfig {
    fn check(&self, _: &Blocks) -> Result<(), PipelineError> {
        Ok(self.validate()?)
    }

    fn train<B: Backend>(
        &self,
        training: Training<'_, '_, '_, B>,
    ) -> Result<Trained<B>, PipelineError> {
        let (y, seed) = (all(&**training.first()?)?, Draw::Peer.seed(training.setup.seed));
        let mut report = fit_progress(training.session.progress);
        Ok(Trained::new(Padim::fit(self, &y, seed, &mut report)?))
    }

    fn load<B: Backend>(
        &self,
        learned: &mut Learned,
        _: &Extraction,
        _: Option<Cnn<B>>,
        setup: &Setup<'_, B>,
    ) -> Result<SharedHead<B>, ModelError> {
        let detector = Padim::from_state(learned.take(PADIM), setup.device);
        Ok(Arc::new(detector.map_err(unusable)?))
    }
}

impl<B: Backend> Head<B> for Padim<B> {
    fn maps(
        &self,
        images: &Tensor<B, 4>,
        y: Vec<Tensor<B, 4>>,
    ) -> Result<Vec<Maps>, PipelineError> {
        let [_, _, height, width] = images.dims();
        let found = self.score(only(y)?, [height, width])?;
        let map = smooth(found.map, [height, width], Upsampling::Bilinear)?;
        Ok(scored(map, found.score))
    }

    fn add_to(&self, graph: &mut Graph, y: &[GraphLevel], side: u32) -> Option<GraphMaps> {
        graph.part("padim");
        let [map, score] =
            y.first().map(|y| self.add_to(graph, &y.features, [side as usize; 2]))?;
        Some(GraphMaps::Scored { map: GraphMap::new(map, [side as usize; 2]), score })
    }

    fn store(&self, learned: &mut Learned) -> Result<(), ModelError> {
        learned.put(PADIM, self.state());
        Ok(())
    }
}
