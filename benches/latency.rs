//! Latency of detection and of its parts; `cargo bench`, with `--features ndarray` for both backends.
//!
//! The networks are untrained and the images generated: neither changes the time. B5 weights, which
//! aren't embedded, are drawn at random.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::Duration;

use burn::tensor::{Distribution, Tensor};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use image::DynamicImage;
use nfbmr::backbone::{Backbone, BackboneError, Storage, WeightProblem, Weights};
use nfbmr::backend::Backend;
use nfbmr::bmr::Bmr;
use nfbmr::data::synthetic::{Kind, PartClass, generate};
use nfbmr::flow::Flow;
use nfbmr::pipeline::{FeatureExtractor, Pipeline};
use nfbmr::{BackboneWeights, PipelineConfig, weights};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Side of the camera image.
const CAMERA: u32 = 640;

fn image(index: u64) -> DynamicImage {
    generate(Kind::Part(PartClass::Gear), 0, index, None, CAMERA).unwrap().image.into()
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
    BackboneWeights::new(weights.to_safetensors(Storage::F16).unwrap())
}

fn untrained<B: Backend>(mut config: PipelineConfig, weights: &BackboneWeights) -> Pipeline<B> {
    config.flow_training.epochs = 0;
    config.bmr_training.epochs = 0;
    let images = [image(0), image(1)];
    let device = Default::default();
    Pipeline::train(&config, Some(weights), images.as_slice(), &device, &mut |_| {
        ControlFlow::Continue(())
    })
    .unwrap()
}

/// The name of a configuration, with its configuration and weights.
fn preset<B: Backend>(name: &str) -> (PipelineConfig, BackboneWeights) {
    match name {
        "default" => (PipelineConfig::default(), weights::embedded().unwrap().clone()),
        _ => (PipelineConfig::paper(), random_weights::<B>(&PipelineConfig::paper())),
    }
}

/// `detect` of one image and, if asked for, `detect_batch` of eight.
fn detect<B: Backend>(c: &mut Criterion, backend: &str, name: &str, batches: &[usize]) {
    let (config, weights) = preset::<B>(name);
    let pipeline = untrained::<B>(config, &weights);
    let images: Vec<_> = (0..8).map(image).collect();
    let mut group = c.benchmark_group(format!("{name}/{backend}"));
    group.sample_size(10).warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(5));
    for &batch in batches {
        group.bench_function(BenchmarkId::new("detect", batch), |b| {
            b.iter(|| black_box(pipeline.detect_batch(&images[..batch]).unwrap()));
        });
    }
    group.finish();
}

/// The networks one by one, batch 1.
fn parts<B: Backend>(c: &mut Criterion, backend: &str, name: &str) {
    let device = B::Device::default();
    let (config, weights) = preset::<B>(name);
    let weights = Weights::from_safetensors(weights.as_bytes()).unwrap();
    let backbone = Backbone::<B>::load(&config.backbone, &weights, &device).unwrap();
    let [channels, height, width] = config.validate().unwrap();
    let permutations = Flow::<B>::random_permutations(&config.flow, channels, 0);
    let flow = Flow::<B>::new(&config.flow, &permutations, channels, 0, &device).unwrap();
    let bmr = Bmr::<B>::new(&config.bmr, channels, 0, &device).unwrap();
    let side = config.input_size as usize;
    let x = Tensor::<B, 4>::random([1, 3, side, side], Distribution::Default, &device);
    let y = Tensor::<B, 4>::random([1, channels, height, width], Distribution::Default, &device);

    let mut group = c.benchmark_group(format!("{name}/{backend}"));
    group.sample_size(10).warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(3));
    // Reading the result back waits for the device.
    group.bench_function("backbone", |b| {
        b.iter(|| black_box(backbone.extract(x.clone()).unwrap().into_data()));
    });
    group.bench_function("flow", |b| {
        b.iter(|| black_box(flow.forward(y.clone()).unwrap().z.into_data()));
    });
    group.bench_function("bmr", |b| {
        b.iter(|| black_box(bmr.forward(y.clone(), y.clone()).unwrap().y.into_data()));
    });
    group.finish();
}

fn latency(c: &mut Criterion) {
    #[cfg(feature = "flex")]
    {
        type Cpu = nfbmr::backend::Cpu;
        detect::<Cpu>(c, "flex", "default", &[1, 8]);
        parts::<Cpu>(c, "flex", "default");
        detect::<Cpu>(c, "flex", "paper", &[1, 8]);
        parts::<Cpu>(c, "flex", "paper");
    }
    #[cfg(feature = "ndarray")]
    {
        type NdArray = nfbmr::backend::NdArray;
        detect::<NdArray>(c, "ndarray", "default", &[1]);
        parts::<NdArray>(c, "ndarray", "default");
    }
}

criterion_group!(benches, latency);
criterion_main!(benches);
