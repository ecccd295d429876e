//! Draws two small data sets, trains on their good images and shows what is found.
//!
//! `cargo run --release --example quickstart` needs no data and no network. It writes to `out/`: the
//! images, a model file per set and a picture of image, mask and heatmap side by side.

use std::error::Error;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use image::RgbImage;
use nfbmr::data::{LabelledImage, Layout, Limits, OnBadFile, datasets, load_image, load_rgb8};
use nfbmr::evaluation::evaluate;
use nfbmr::{Detection, Pipeline, PipelineConfig};
use nfbmr_synthetic::{Counts, Kind, PartClass, TextureClass, write_mvtec};

#[path = "support/exit.rs"]
mod exit;
mod support;

use exit::exit;

const SEED: u64 = 7;
const SIDE: u32 = 256;
const COUNTS: Counts = Counts { train: 60, test_good: 20, test_defect: 20 };
const OUT: &str = "out";

fn main() -> ExitCode {
    exit(both())
}

fn both() -> Result<(), Box<dyn Error>> {
    // The default preset, at the size of these small images.
    let mut config = PipelineConfig::default();
    config.input_size = SIDE;
    let kinds = [Kind::Texture(TextureClass::Woven), Kind::Part(PartClass::Gear)];
    let mut picture = Vec::new();
    for kind in kinds {
        picture.extend(run(kind, &config)?);
    }
    let path = Path::new(OUT).join("quickstart.png");
    support::grid(&picture, 3).save(&path)?;
    println!("image, mask and heatmap: {}", path.display());
    Ok(())
}

/// Trains and tests on one kind; returns image, mask and heatmap of the smallest defect.
fn run(kind: Kind, config: &PipelineConfig) -> Result<[RgbImage; 3], Box<dyn Error>> {
    let folder = Path::new(OUT).join(kind.name());
    write_mvtec(&folder, kind, &COUNTS, SIDE, SEED)?;
    let set = datasets(&folder, Layout::Mvtec, &Default::default())?.remove(0);

    let train: Vec<PathBuf> = set.train.iter().map(|sample| sample.path.clone()).collect();
    let mut bar = support::Bar::new(kind.name());
    let start = Instant::now();
    // On all images: the figure below needs no threshold.
    let builder = Pipeline::builder().config(config.clone()).hold_out(0.0);
    let pipeline = builder.progress(|progress| bar.show(progress)).train(train)?;
    let train_s = start.elapsed().as_secs_f64();
    bar.finish();
    let model = Path::new(OUT).join(format!("{}.nfbmr", kind.name()));
    pipeline.save(&model)?;

    let mut detections = Vec::new();
    let evaluation = evaluate(
        &pipeline,
        &set.test,
        &Limits::default(),
        OnBadFile::Stop,
        &mut |_, detection| {
            detections.push(detection.clone());
            ControlFlow::Continue(())
        },
    )?;
    let detect_ms = 1e3 * evaluation.mean_time().as_secs_f64();
    println!(
        "{}: image AUROC {:.3} on {} good and {} defective images, trained on {} good ones in \
         {train_s:.0} s, detection {detect_ms:.0} ms, model {} ({} kB)",
        kind.name(),
        evaluation.image_metrics()?.auroc,
        COUNTS.test_good,
        COUNTS.test_defect,
        set.train.len(),
        model.display(),
        fs::metadata(&model)?.len() / 1000,
    );
    show(&set.test, &detections)
}

/// Image, mask and heatmap of the smallest defect of a set.
fn show(
    samples: &[LabelledImage],
    detections: &[Detection],
) -> Result<[RgbImage; 3], Box<dyn Error>> {
    let mut smallest: Option<(usize, RgbImage, &LabelledImage, &Detection)> = None;
    for (sample, detection) in samples.iter().zip(detections) {
        let Some(mask) = sample.masks.first() else { continue };
        let mask = load_image(mask, &Limits::default())?.into_rgb8();
        let area = mask.pixels().filter(|pixel| pixel.0[0] > 127).count();
        if smallest.as_ref().is_none_or(|(least, ..)| area < *least) {
            smallest = Some((area, mask, sample, detection));
        }
    }
    let (_, mask, sample, detection) = smallest.ok_or("a set without defects")?;
    let image = load_rgb8(&sample.path, &Limits::default(), None)?;
    // One scale for the whole set: from the median to the largest value over its good images.
    let good = samples.iter().zip(detections).filter(|(sample, _)| !sample.is_defect());
    let mut values: Vec<f32> =
        good.flat_map(|(_, detection)| detection.anomaly_map.inspected_values()).collect();
    values.sort_unstable_by(f32::total_cmp);
    let (low, high) = (values[values.len() / 2], values[values.len() - 1]);
    let heatmap = nfbmr::heatmap(&image, &detection.anomaly_map, low, 2.0 * high)?;
    Ok([image, mask, heatmap])
}
