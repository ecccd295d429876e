//! `patchcore`: the distance to the nearest of a memory of normal features.

use std::sync::Arc;

use burn::tensor::Tensor;
use nfbmr_backend::Backend;
use nfbmr_onnx::Graph;
use nfbmr_peers::{PatchCore, PatchCoreConfig, Upsampling, smooth};

use super::settings::unusable;
use super::{Head, Settings, Setup, SharedHead, Trained, Training, only};
use crate::error::{ModelError, PipelineError};
use crate::features::{Blocks, Cnn, Extraction, GraphLevel, all};
use crate::file::Learned;
use crate::progress::fit_progress;
use crate::score::{GraphMap, GraphMaps, Maps, scored};
use crate::train::Draw;

/// The name of the memory in a model file.
const PATCHCORE: &str = "patchcore";

impl Settings for PatchCoreConfig {
    fn check(&self, _: &Blocks) -> Result<(), PipelineError> {
        Ok(self.validate()?)
    }

    fn train<B: Backend>(
        &self,
        training: Training<'_, '_, '_, B>,
    ) -> Result<Trained<B>, PipelineError> {
        let (y, seed) = (all(&**training.first()?)?, Draw::Peer.seed(training.setup.seed));
        let mut report = fit_progress(training.session.progress);
        Ok(Trained::new(PatchCore::fit(self, &y, seed, &mut report)?))
    }

    fn load<B: Backend>(
        &self,
        learned: &mut Learned,
        _: &Extraction,
        _: Option<Cnn<B>>,
        setup: &Setup<'_, B>,
    ) -> Result<SharedHead<B>, ModelError> {
        let detector = PatchCore::from_state(self, learned.take(PATCHCORE), setup.device);
        Ok(Arc::new(detector.map_err(unusable)?))
    }
}

impl<B: Backend> Head<B> for PatchCore<B> {
    fn maps(
        &self,
        images: &Tensor<B, 4>,
        y: Vec<Tensor<B, 4>>,
    ) -> Result<Vec<Maps>, PipelineError> {
        let [_, _, height, width] = images.dims();
        let found = self.score(only(y)?)?;
        let map = smooth(found.map, [height, width], Upsampling::Nearest)?;
        Ok(scored(map, found.score))
    }

    fn add_to(&self, graph: &mut Graph, y: &[GraphLevel], side: u32) -> Option<GraphMaps> {
        graph.part("patchcore");
        let [map, score] =
            y.first().map(|y| self.add_to(graph, &y.features, y.grid, [side as usize; 2]))?;
        Some(GraphMaps::Scored { map: GraphMap::new(map, [side as usize; 2]), score })
    }

    fn store(&self, learned: &mut Learned) -> Result<(), ModelError> {
        learned.put(PATCHCORE, self.state());
        Ok(())
    }
}
