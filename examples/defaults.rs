//! The table that the default configuration was chosen by: AUROC of every fusion and pooling on
//! generated sets and, with `--normals`, on held-out real normals with synthetic defects.
//!
//! `cargo run --release --example defaults -- [--config FILE.json]… [--normals DIR] [--kind NAME]…`

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use image::DynamicImage;
use nfbmr::data::synthetic::{Kind, generate, paste_defect};
use nfbmr::data::{Limits, list_images, load_image};
use nfbmr::pipeline::{Component, Pooling};
use nfbmr::{Detection, Pipeline, PipelineConfig, metrics, weights};

#[path = "support/exit.rs"]
mod exit;
mod support;

use exit::exit;

/// Side of the generated images.
const SIDE: u32 = 512;
const TRAIN: u64 = 40;
const TEST: u64 = 24;
const POOLINGS: [(&str, Pooling); 5] = [
    ("max", Pooling::Max),
    ("top 1 %", Pooling::TopFraction(0.01)),
    ("top 3 %", Pooling::TopFraction(0.03)),
    ("std", Pooling::Std),
    ("mean", Pooling::Mean),
];

/// Compares configurations on generated images.
#[derive(Parser)]
struct Args {
    /// Configurations as JSON files; the default one if none is given.
    #[arg(long)]
    config: Vec<PathBuf>,
    /// Generated kinds.
    #[arg(long, default_values = ["leather", "gear"])]
    kind: Vec<String>,
    /// Folder of real normal images: every fifth is held out and gets a synthetic defect pasted.
    #[arg(long)]
    normals: Option<PathBuf>,
}

/// Images to train on, and good and defective ones to test on.
struct Set {
    name: String,
    train: Vec<DynamicImage>,
    good: Vec<DynamicImage>,
    defective: Vec<DynamicImage>,
}

fn main() -> ExitCode {
    exit(compare(&Args::parse()))
}

fn compare(args: &Args) -> Result<(), Box<dyn Error>> {
    let mut configs = Vec::new();
    for path in &args.config {
        let config: PipelineConfig = serde_json::from_str(&fs::read_to_string(path)?)?;
        configs.push((path.display().to_string(), config));
    }
    if configs.is_empty() {
        configs.push(("default".to_owned(), PipelineConfig::default()));
    }
    let mut sets = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| args.kind.iter().any(|k| k == kind.name())) {
        sets.push(generated(kind)?);
    }
    if let Some(folder) = &args.normals {
        sets.push(pasted(folder)?);
    }

    let columns: Vec<_> = POOLINGS.iter().map(|(name, _)| *name).collect();
    println!("| configuration | set | train s | map | {} |", columns.join(" | "));
    println!("|---|---|---|---|{}", "---|".repeat(POOLINGS.len()));
    for (name, config) in &configs {
        for set in &sets {
            run(name, config, set)?;
        }
    }
    Ok(())
}

fn run(name: &str, config: &PipelineConfig, set: &Set) -> Result<(), Box<dyn Error>> {
    let mut bar = support::Bar::new(&set.name);
    let start = Instant::now();
    let device = Default::default();
    let pipeline =
        Pipeline::train(config, weights::embedded(), &set.train, &device, &mut |p| bar.show(p))?;
    let train_s = start.elapsed().as_secs_f64();
    bar.finish();
    let mut detections = pipeline.detect_batch(&set.good)?;
    detections.extend(pipeline.detect_batch(&set.defective)?);
    let labels: Vec<bool> = (0..detections.len()).map(|i| i >= set.good.len()).collect();

    let unit = pipeline.normalization().ok_or("the default system maps")?;
    let fused = |source_unit: f64, target_unit: f64| {
        move |detection: &Detection| {
            let values = |component: &Option<Component>, unit: f64| -> Vec<f32> {
                let values = component.iter().flat_map(|component| &component.map.values);
                values.map(|value| value / unit as f32).collect()
            };
            let source = values(&detection.source, source_unit);
            let target = values(&detection.target, target_unit);
            source.iter().zip(&target).map(|(s, t)| (s + t) / 2.0).collect::<Vec<f32>>()
        }
    };
    let map = |component: &Option<Component>| -> Vec<f32> {
        component.iter().flat_map(|component| component.map.values.clone()).collect()
    };
    type MapOf<'a> = Box<dyn Fn(&Detection) -> Vec<f32> + 'a>;
    let maps: [(&str, MapOf); 5] = [
        ("normalized", Box::new(fused(unit.source, unit.target))),
        ("plain", Box::new(fused(1.0, 1.0))),
        ("source", Box::new(|detection| map(&detection.source))),
        ("target", Box::new(|detection| map(&detection.target))),
        ("flow", Box::new(|detection| map(&detection.likelihood))),
    ];
    for (map_name, map) in &maps {
        let mut row = format!("| {name} | {} | {train_s:.0} | {map_name} |", set.name);
        for (_, pooling) in POOLINGS {
            let scores: Vec<f32> = detections.iter().map(|d| pooling.pool(map(d))).collect();
            row.push_str(&format!(" {:.3} |", metrics::auroc(&scores, &labels)?));
        }
        println!("{row}");
    }
    Ok(())
}

fn generated(kind: Kind) -> Result<Set, Box<dyn Error>> {
    let defects = kind.defects();
    let images = |range: std::ops::Range<u64>, defective: bool| {
        let image = |index: u64| {
            let defect = defective.then(|| defects[index as usize % defects.len()]);
            Ok::<_, Box<dyn Error>>(generate(kind, 1, index, defect, SIDE)?.image.into())
        };
        range.map(image).collect::<Result<Vec<DynamicImage>, _>>()
    };
    Ok(Set {
        name: kind.name().to_owned(),
        train: images(0..TRAIN, false)?,
        good: images(TRAIN..TRAIN + TEST, false)?,
        defective: images(TRAIN + TEST..TRAIN + 2 * TEST, true)?,
    })
}

fn pasted(folder: &PathBuf) -> Result<Set, Box<dyn Error>> {
    let (mut train, mut good, mut defective) = (Vec::new(), Vec::new(), Vec::new());
    for (index, path) in list_images(folder)?.iter().take(5 * TEST as usize).enumerate() {
        let image = load_image(path, &Limits::default())?;
        if index % 5 == 4 {
            defective.push(paste_defect(&image.to_rgb8(), index as u64)?.0.into());
            good.push(image);
        } else if train.len() < TRAIN as usize {
            train.push(image);
        }
    }
    Ok(Set { name: "pasted".to_owned(), train, good, defective })
}
