//! Untrained detectors to time: what a network has learnt doesn't change its speed.

use std::ops::ControlFlow;

use image::DynamicImage;
use nfbmr::{BackboneWeights, PipelineConfig, SystemConfig, weights};
use nfbmr_backbone::{Backbone, BackboneError, Storage, WeightProblem, Weights};
use nfbmr_backend::Backend;
use nfbmr_pipeline::Pipeline;
use nfbmr_synthetic::{Kind, PartClass, generate};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A generated image of a part.
pub fn image(index: u64, side: u32) -> DynamicImage {
    generate(Kind::Part(PartClass::Gear), 0, index, None, side).unwrap().image.into()
}

/// The preset's configuration and weights: Lite0's are embedded, B5's are drawn at random.
pub fn preset<B: Backend>(name: &str) -> (PipelineConfig, BackboneWeights) {
    match name {
        "default" => (PipelineConfig::default(), weights::embedded().unwrap().clone()),
        _ => (PipelineConfig::paper(), random_weights::<B>(&PipelineConfig::paper())),
    }
}

/// Random weights of the right shapes: those a backbone says it misses.
fn random_weights<B: Backend>(config: &PipelineConfig) -> BackboneWeights {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut weights = Weights::new();
    let missing = Backbone::<B>::load(&config.backbone, &weights, &Default::default());
    let Err(BackboneError::Weights { problems, .. }) = missing else {
        panic!("a backbone without weights")
    };
    for problem in problems {
        let WeightProblem::Missing { name, expected } = problem else { panic!("{problem}") };
        let count: usize = expected.iter().product();
        let fan_in = (count / expected[0]) as f32;
        let values = match expected.len() {
            1 => vec![1.0; count],
            _ => (0..count).map(|_| rng.random_range(-1.0..1.0) / fan_in.sqrt()).collect(),
        };
        weights.insert(name, expected, values).unwrap();
    }
    BackboneWeights::new(weights.to_safetensors(Storage::F32).unwrap())
}

/// Sets the epochs of both networks of `nf-bmr`.
pub fn trained_for(config: &mut PipelineConfig, epochs: usize) {
    if let SystemConfig::NfBmr(own) = &mut config.system {
        own.flow_training.epochs = epochs;
        own.bmr_training.epochs = epochs;
    }
}

/// A detector whose flow and mapping network are as they were drawn.
pub fn untrained<B: Backend>(
    mut config: PipelineConfig,
    weights: &BackboneWeights,
    side: u32,
    device: &B::Device,
) -> Pipeline<B> {
    trained_for(&mut config, 0);
    let images = [image(0, side), image(1, side)];
    Pipeline::train(&config, Some(weights), images.as_slice(), device, &mut |_| {
        ControlFlow::Continue(())
    })
    .unwrap()
}
