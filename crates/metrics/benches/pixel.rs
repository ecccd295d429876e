//! Pixel metrics of a test set as large as MVTec AD's bottles: 83 images of 640 x 640.
//!
//! `cargo bench -p nfbmr-metrics`

use criterion::{Criterion, criterion_group, criterion_main};
use nfbmr_metrics::PixelHistogram;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SIDE: u32 = 640;
const IMAGES: usize = 83;
/// The stride of the networks.
const CELL: u32 = 32;

/// Random scores at every 32nd pixel, three times as high in the defect, a square; linear between.
fn image(rng: &mut ChaCha8Rng) -> (Vec<f32>, Vec<bool>) {
    let inside = |x: u32, y: u32| (200..300).contains(&x) && (200..300).contains(&y);
    let cells = SIDE / CELL + 1;
    let coarse: Vec<f32> = (0..cells * cells)
        .map(|i| {
            let gain = if inside(i % cells * CELL, i / cells * CELL) { 3.0 } else { 1.0 };
            gain * rng.random_range(-3.0f32..0.0).exp2()
        })
        .collect();
    let score = |x: u32, y: u32| {
        let at = |x: u32, y: u32| coarse[(y * cells + x) as usize];
        let (i, j) = (x / CELL, y / CELL);
        let (u, v) = ((x % CELL) as f32 / CELL as f32, (y % CELL) as f32 / CELL as f32);
        let row = |j| at(i, j) * (1.0 - u) + at(i + 1, j) * u;
        row(j) * (1.0 - v) + row(j + 1) * v
    };
    (0..SIDE * SIDE).map(|i| (i % SIDE, i / SIDE)).map(|(x, y)| (score(x, y), inside(x, y))).unzip()
}

fn metrics(criterion: &mut Criterion) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let images: Vec<_> = (0..4).map(|_| image(&mut rng)).collect();
    let fill = || {
        let mut histogram = PixelHistogram::new();
        for (map, mask) in images.iter().cycle().take(IMAGES) {
            histogram.add(map, SIDE, SIDE, Some(mask)).expect("maps and masks of one size");
        }
        histogram
    };
    let mut group = criterion.benchmark_group("pixel");
    group.sample_size(10);
    group.bench_function("add 83 images", |bencher| bencher.iter(fill));
    let histogram = fill();
    group.bench_function("auroc", |bencher| bencher.iter(|| histogram.auroc()));
    group.bench_function("aupro", |bencher| bencher.iter(|| histogram.aupro(0.3)));
    group.bench_function("f1_max", |bencher| bencher.iter(|| histogram.f1_max()));
}

criterion_group!(benches, metrics);
criterion_main!(benches);
