//! What tests of several systems do: training on given features, and what comes of it. Compiled for tests alone.

use std::ops::ControlFlow;

use burn::tensor::{Distribution, Tensor};
use nfbmr_backend::Cpu;

use super::{Features, Head, Settings, Setup, Shared, SharedHead, SystemConfig, Training};
use crate::error::PipelineError;
use crate::features::{Extraction, FeatureLevel, SharedSamples};
use crate::progress::Progress;
use crate::score::Maps;
use crate::train::Session;

/// Features of each level, drawn from a normal distribution of such a mean and standard deviation.
pub(super) fn normal(
    extraction: &Extraction,
    images: usize,
    [mean, deviation]: [f64; 2],
) -> Vec<Tensor<Cpu, 4>> {
    let level = |level: &FeatureLevel| {
        let [channels, height, width] = level.shape();
        let shape = [images, channels, height, width];
        Tensor::random(shape, Distribution::Normal(mean, deviation), &Default::default())
    };
    extraction.source.levels.iter().map(level).collect()
}

/// Trains a system on images of one kind, by their features of each level.
pub(super) fn train(
    system: &SystemConfig,
    extraction: &Extraction,
    source: Vec<SharedSamples<Cpu>>,
    progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<SharedHead<Cpu>, PipelineError> {
    let kinds = vec![0; source.first().map_or(0, |level| level.len())];
    let device = Default::default();
    let trained = system.train(Training {
        extraction,
        features: &Features { source, target: Vec::new(), in_memory: true, kinds },
        target_cnn: None,
        shared: &mut Shared::default(),
        setup: Setup { seed: 0, low_memory: false, kinds: 1, device: &device },
        session: &mut Session { progress, checkpoint: None, level: (0, 1) },
    })?;
    Ok(trained.head)
}

/// The values of each map, and the scores, of a system with scores of its own.
pub(super) fn detect(
    head: &dyn Head<Cpu>,
    y: Vec<Tensor<Cpu, 4>>,
    size: [usize; 2],
) -> (Vec<f32>, Vec<f32>) {
    let images = Tensor::zeros([y[0].dims()[0], 3, size[0], size[1]], &Default::default());
    let (mut maps, mut scores) = (Vec::new(), Vec::new());
    for found in head.maps(&images, y).unwrap() {
        let Maps::Scored { map, score } = found else { panic!("maps without a score") };
        assert_eq!([map.height, map.width], size.map(|side| side as u32));
        maps.extend(map.values);
        scores.push(score);
    }
    (maps, scores)
}
