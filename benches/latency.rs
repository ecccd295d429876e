//! Latency of loading a model, of detection and of its parts: `cargo bench`, with `--features ndarray`
//! for both CPU backends. `tests/gpu` runs it on a GPU.
//!
//! The networks are untrained and the images generated: neither changes the time. B5 weights, which
//! aren't embedded, are drawn at random.

use std::hint::black_box;
use std::time::Duration;

use burn::tensor::{Distribution, Tensor};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use image::{DynamicImage, Rgb, RgbImage};
use nfbmr::{BackboneWeights, StoredBackbone};
use nfbmr_backend::Backend;
use nfbmr_pipeline::{FeatureExtractor, Pipeline};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[path = "../examples/support/untrained.rs"]
mod untrained;

use untrained::{image, preset, untrained};

/// Side of the camera image.
const CAMERA: u32 = 640;

/// A preset on a backend: loading, detection in batches of these sizes, and the networks one by one.
fn measure<B: Backend>(c: &mut Criterion, backend: &str, name: &str, batches: &[usize]) {
    let (config, weights) = preset::<B>(name);
    let pipeline = untrained::<B>(config, &weights, CAMERA, &Default::default());
    let mut group = c.benchmark_group(format!("{name}/{backend}"));
    group.sample_size(10).warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(3));
    load(&mut group, &pipeline, &weights);
    detect(&mut group, &pipeline, batches);
    parts(&mut group, &pipeline);
    group.finish();
}

/// Reading a model file, and reading it with the first detection, which is the slowest.
fn load<B: Backend>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    pipeline: &Pipeline<B>,
    weights: &BackboneWeights,
) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.nfbmr");
    pipeline.save(&path, StoredBackbone::Referred).unwrap();
    let image = image(0, CAMERA);
    let load = || Pipeline::<B>::load(&path, Some(weights), &Default::default()).unwrap();
    group.bench_function("load", |b| b.iter(|| black_box(load())));
    group.bench_function("load and detect", |b| {
        b.iter(|| black_box(load().detect(&image).unwrap()));
    });
}

/// `detect_batch` of camera images, resizing included.
fn detect<B: Backend>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    pipeline: &Pipeline<B>,
    batches: &[usize],
) {
    let images: Vec<_> = (0..8).map(|index| image(index, CAMERA)).collect();
    for &batch in batches {
        group.bench_function(BenchmarkId::new("detect", batch), |b| {
            b.iter(|| black_box(pipeline.detect_batch(&images[..batch]).unwrap()));
        });
    }
    // Whatever an image shows, it takes the same time: denormal numbers, which would be slow, don't come up.
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let noise = RgbImage::from_fn(CAMERA, CAMERA, |_, _| Rgb(rng.random()));
    let flat = |grey| RgbImage::from_pixel(CAMERA, CAMERA, Rgb([grey; 3]));
    for (name, image) in [("black", flat(0)), ("white", flat(255)), ("noise", noise)] {
        let image = DynamicImage::from(image);
        group.bench_function(format!("detect {name}"), |b| {
            b.iter(|| black_box(pipeline.detect(&image).unwrap()));
        });
    }
}

/// The networks one by one, those of all levels together, batch 1. Reading the result back waits for the device.
fn parts<B: Backend>(group: &mut BenchmarkGroup<'_, WallTime>, pipeline: &Pipeline<B>) {
    let device = B::Device::default();
    let side = pipeline.config().input_size as usize;
    let x = Tensor::<B, 4>::random([1, 3, side, side], Distribution::Default, &device);
    let y = pipeline.source().extract(x.clone()).unwrap();
    group.bench_function("backbone", |b| {
        b.iter(|| {
            let levels = pipeline.source().extract(x.clone()).unwrap();
            levels.into_iter().for_each(|y| drop(black_box(y.into_data())));
        });
    });
    group.bench_function("flow", |b| {
        b.iter(|| {
            for (target, y) in pipeline.flows().iter().zip(&y) {
                black_box(target.flow().forward(y.clone()).unwrap().z.into_data());
            }
        });
    });
    group.bench_function("bmr", |b| {
        b.iter(|| {
            for (bmr, y) in pipeline.bmrs().iter().zip(&y) {
                black_box(bmr.forward(y.clone(), y.clone()).unwrap().y.into_data());
            }
        });
    });
}

fn latency(c: &mut Criterion) {
    #[cfg(feature = "flex")]
    for name in ["default", "paper"] {
        measure::<nfbmr_backend::Cpu>(c, "flex", name, &[1, 8]);
    }
    #[cfg(feature = "ndarray")]
    measure::<nfbmr_backend::NdArray>(c, "ndarray", "default", &[1]);
    #[cfg(feature = "cuda")]
    if nfbmr_backend::Cuda::probe(&Default::default()).is_ok() {
        for name in ["default", "paper"] {
            measure::<nfbmr_backend::Cuda>(c, "cuda", name, &[1, 8]);
        }
    }
}

criterion_group!(benches, latency);
criterion_main!(benches);
