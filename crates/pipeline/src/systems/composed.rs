//! A target space and a mapping network for each of its levels: what NF-BMR and its older kin are.

use std::fmt::Debug;
use std::sync::Arc;

use burn::backend::Autodiff;
use burn::tensor::Tensor;
use nfbmr_backend::Backend;
use nfbmr_bmr::Bmr;
use nfbmr_onnx::Graph;

use super::flows::{GraphTarget, store};
use super::kind_units;
use super::spaces::kinds_of;
use super::{BidirectionalMapper, Head, Residuals, Spaces, Target, TargetFlow, TargetSpace};
use crate::error::{ModelError, PipelineError};
use crate::features::{GraphLevel, Samples};
use crate::file::Learned;
use crate::score::{
    Fusion, GraphMap, GraphMaps, LevelMaps, Maps, MeanResiduals, Pooling, Rule, ScoreMap, Units,
};

/// The name of the mean residuals in a model file.
const MEAN_RESIDUALS: &str = "mean_residuals";

/// A target space, and what maps each of its levels and the source space to each other.
#[derive(Clone, Debug)]
pub(super) struct Composed<S, M> {
    pub(super) space: S,
    /// By level.
    pub(super) mappers: Vec<M>,
    /// By level, or one for all.
    pub(super) mean_residuals: Vec<MeanResiduals>,
    pub(super) rule: Arc<Rule>,
    /// Whether the maps of all levels are one before the rule sees them, their mean.
    pub(super) joined: bool,
}

impl<B: Backend, M> Composed<Vec<TargetFlow<B>>, M> {
    /// Of the flow, the mapping network and the mean residuals of each level, whose maps the rule sees one by one.
    pub(super) fn of_flows(
        flows: Vec<TargetFlow<B>>,
        mappers: Vec<M>,
        mean_residuals: Vec<MeanResiduals>,
        fusion: Fusion,
        pooling: Pooling,
        kind_units: Vec<f64>,
    ) -> Self {
        let units = |(flow, residuals): (&TargetFlow<B>, &MeanResiduals)| {
            Units::new(Some(*residuals), Some(flow.flow().channels()))
        };
        let units = flows.iter().zip(&mean_residuals).map(units).collect();
        let rule = Rule { fusion, pooling, units, kind_units }.into();
        Self { space: flows, mappers, mean_residuals, rule, joined: false }
    }
}

/// A target space that a model file holds.
pub(super) trait StoredSpace<B: Backend>: TargetSpace<B> + Debug {
    fn store(&self, learned: &mut Learned) -> Result<(), ModelError>;

    /// By level, of a space that has them.
    fn flows(&self) -> &[TargetFlow<B>] {
        &[]
    }
}

/// A mapping network that a model file holds.
pub(super) trait StoredMapper<B: Backend>: BidirectionalMapper<B> + Debug + Sized {
    fn store(&self, level: usize, learned: &mut Learned);

    /// Those of all levels, if they are residual networks.
    fn bmrs(all: &[Self]) -> &[Bmr<B>] {
        let _ = all;
        &[]
    }
}

impl<B: Backend> StoredSpace<B> for Vec<TargetFlow<B>> {
    fn store(&self, learned: &mut Learned) -> Result<(), ModelError> {
        store(self, learned)
    }

    fn flows(&self) -> &[TargetFlow<B>] {
        self
    }
}

impl<B: Backend, S: StoredSpace<B>, M: StoredMapper<B>> Head<B> for Composed<S, M> {
    fn maps(
        &self,
        images: &Tensor<B, 4>,
        y: Vec<Tensor<B, 4>>,
    ) -> Result<Vec<Maps>, PipelineError> {
        let levels = self.space.target(images, y)?;
        let kinds = kinds_of(&levels);
        let levels = self.mappers.iter().zip(levels);
        let level = |(mapper, level): (&M, Target<B>)| {
            let Target { source: y, features: z, likelihood, kinds: _ } = level;
            let Residuals { source, target } = mapper.residuals(y, z)?;
            Ok(LevelMaps { source, target: Some(target), likelihood })
        };
        let levels = levels.map(level).collect::<Result<_, PipelineError>>()?;
        let image = |(levels, kind)| {
            let levels = if self.joined { vec![LevelMaps::mean(levels)?] } else { levels };
            Ok(Maps::Levels { levels, rule: self.rule.clone(), kind })
        };
        by_image(levels).into_iter().zip(kinds).map(image).collect()
    }

    fn add_to(&self, graph: &mut Graph, y: &[GraphLevel], _: u32) -> Option<GraphMaps> {
        let (flows, bmrs) = (self.space.flows(), M::bmrs(&self.mappers));
        if flows.is_empty() || bmrs.is_empty() {
            return None;
        }
        let (mut levels, mut kind) = (Vec::new(), None);
        for ((flow, bmr), y) in flows.iter().zip(bmrs).zip(y) {
            let target = flow.add_to(graph, &y.features);
            graph.part("mapping");
            let GraphTarget { source, features, likelihood, kinds } = target;
            let [source, target] = bmr.add_residuals_to(graph, &source, &features);
            let maps = [source, target, likelihood];
            let [source, target, likelihood] = maps.map(|map| Some(GraphMap::new(map, y.grid)));
            levels.push(LevelMaps { source, target, likelihood });
            kind = kinds;
        }
        Some(GraphMaps::Levels { levels, rule: self.rule.clone(), kind })
    }

    fn store(&self, learned: &mut Learned) -> Result<(), ModelError> {
        self.space.store(learned)?;
        kind_units::store(&self.rule.kind_units, learned)?;
        learned.put_constant(MEAN_RESIDUALS, &self.mean_residuals)?;
        let mappers = self.mappers.iter().enumerate();
        mappers.for_each(|(level, mapper)| mapper.store(level, learned));
        Ok(())
    }

    fn spaces(
        &self,
        images: &Tensor<B, 4>,
        y: Vec<Tensor<B, 4>>,
    ) -> Result<Spaces<B>, PipelineError> {
        spaces(&self.space, images, y)
    }

    fn flows(&self) -> &[TargetFlow<B>] {
        self.space.flows()
    }

    fn bmrs(&self) -> &[Bmr<B>] {
        M::bmrs(&self.mappers)
    }

    fn mean_residuals(&self) -> &[MeanResiduals] {
        &self.mean_residuals
    }
}

/// The features of images in both spaces.
pub(super) fn spaces<B: Backend>(
    space: &impl TargetSpace<B>,
    images: &Tensor<B, 4>,
    y: Vec<Tensor<B, 4>>,
) -> Result<Spaces<B>, PipelineError> {
    let (mut source, mut target) = (Vec::new(), Vec::new());
    for level in space.target(images, y)? {
        source.push(level.source);
        target.push(level.features);
    }
    Ok(Spaces { source, target: Some(target) })
}

/// The maps of all levels, image by image.
pub(super) fn by_image<B: Backend>(
    levels: Vec<LevelMaps<Tensor<B, 3>>>,
) -> Vec<Vec<LevelMaps<ScoreMap>>> {
    let mut levels: Vec<_> = levels.into_iter().map(|level| level.by_image().into_iter()).collect();
    let next = || {
        let image: Vec<_> = levels.iter_mut().filter_map(Iterator::next).collect();
        (!image.is_empty()).then_some(image)
    };
    std::iter::from_fn(next).collect()
}

/// Mean residuals of a trained network over the images it was trained on.
pub(super) fn measure<B: Backend>(
    mapper: &impl BidirectionalMapper<B>,
    y: &dyn Samples<B>,
    z: &dyn Samples<B>,
) -> Result<MeanResiduals, PipelineError> {
    let (mut source, mut target) = (0.0, 0.0);
    for index in 0..y.len() {
        let residuals = mapper.residuals(y.get(index)?, z.get(index)?)?;
        let mean = |map: Tensor<B, 3>| f64::from(map.mean().into_scalar());
        source += residuals.source.map_or(1.0, mean);
        target += mean(residuals.target);
    }
    let count = y.len().max(1) as f64;
    // A residual of exactly 0 would divide by zero.
    let positive = |mean: f64| mean.max(f64::from(f32::MIN_POSITIVE));
    Ok(MeanResiduals { source: positive(source / count), target: positive(target / count) })
}

/// The mean residuals of so many levels.
pub(super) fn load_residuals(
    learned: &mut Learned,
    levels: usize,
) -> Result<Vec<MeanResiduals>, ModelError> {
    let residuals: Vec<MeanResiduals> = learned.take_constant(MEAN_RESIDUALS)?;
    if residuals.len() != levels {
        let found = residuals.len();
        return Err(ModelError::Levels { name: "mean residuals", expected: levels, found });
    }
    let positive = |mean: f64| mean.is_finite() && mean > 0.0;
    match residuals.iter().find(|own| !(positive(own.source) && positive(own.target))) {
        Some(&MeanResiduals { source, target }) => {
            Err(ModelError::MeanResiduals { source_mean: source, target_mean: target })
        }
        None => Ok(residuals),
    }
}

/// The batch of y and z of some samples, for a network under training.
pub(super) fn batches<B: Backend>(
    y: &dyn Samples<B>,
    z: &dyn Samples<B>,
    batch: &[usize],
) -> Result<[Tensor<Autodiff<B>, 4>; 2], PipelineError> {
    Ok([Tensor::from_inner(y.batch(batch)?), Tensor::from_inner(z.batch(batch)?)])
}
