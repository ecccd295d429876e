//! Trains and tests on MVTec AD categories by the official protocol.
//!
//! `cargo run --release --example mvtec -- --data DIR [--category NAME]… [--preset default|paper]
//! [--device cpu] [--seed N] [--limit N] [--scores FILE.csv] [--json FILE]`

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use nfbmr::data::{self, Dataset, Limits};
use nfbmr::{BackboneWeights, DeviceName, PipelineConfig, metrics, weights};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

#[path = "support/exit.rs"]
mod exit;
#[path = "support/memory.rs"]
mod memory;
mod support;

use exit::exit;

/// Trains on the good images of MVTec AD categories and reports the image AUROC on their test images.
#[derive(Parser)]
struct Args {
    /// Folder of the categories, or one category.
    #[arg(long)]
    data: PathBuf,
    /// Categories to run; all by default.
    #[arg(long)]
    category: Vec<String>,
    /// Configuration.
    #[arg(long, value_enum, default_value = "default")]
    preset: Preset,
    /// Configuration as a JSON file, in place of a preset.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Backbone weights, in place of the embedded ones (safetensors or PyTorch).
    #[arg(long)]
    weights: Option<PathBuf>,
    /// `cpu`, `ndarray` or `cuda:0`.
    #[arg(long, default_value = "cpu")]
    device: DeviceName,
    /// Seed of the training.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Trains on this many of the good images, drawn by the seed.
    #[arg(long)]
    limit: Option<usize>,
    /// Writes path, label and raw score of each test image.
    #[arg(long)]
    scores: Option<PathBuf>,
    /// Writes the results as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Folder for a model file per category.
    #[arg(long)]
    models: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Preset {
    Default,
    Paper,
}

struct Outcome {
    image_auroc: f64,
    parts: Vec<(&'static str, f64)>,
    train_s: f64,
    detect_ms: f64,
}

fn main() -> ExitCode {
    exit(evaluate(&Args::parse()))
}

fn evaluate(args: &Args) -> Result<(), Box<dyn Error>> {
    let mut config = config(args)?;
    config.seed = args.seed;
    let weights = args.weights.as_ref().map(BackboneWeights::open).transpose()?;
    let weights = weights.as_ref().or(weights::embedded());

    let mut categories = Vec::new();
    let mut scores = String::from("path,label,score\n");
    for folder in data::mvtec_categories(&args.data)? {
        let set = data::mvtec(&folder)?;
        if !args.category.is_empty() && !args.category.contains(&set.name) {
            continue;
        }
        let outcome = run(&set, &config, weights, args, &mut scores)?;
        eprintln!(
            "{}: image AUROC {:.4}, trained in {:.1} s, detection {:.1} ms",
            set.name, outcome.image_auroc, outcome.train_s, outcome.detect_ms
        );
        categories.push((set.name, outcome));
    }
    if categories.is_empty() {
        return Err(
            format!("no category of {:?} under {}", args.category, args.data.display()).into()
        );
    }

    let aurocs = categories.iter().map(|(_, outcome)| outcome.image_auroc);
    let mean = aurocs.sum::<f64>() / categories.len() as f64;
    eprintln!("mean image AUROC {mean:.4}");
    if let Some(path) = &args.scores {
        fs::write(path, scores)?;
    }
    if let Some(path) = &args.json {
        let categories: Vec<_> = categories
            .iter()
            .map(|(name, outcome)| {
                json!({
                    "name": name,
                    "image_auroc": outcome.image_auroc,
                    "auroc_by_part": outcome.parts.iter().copied().collect::<std::collections::BTreeMap<_, _>>(),
                    "train_s": outcome.train_s,
                    "detect_ms": outcome.detect_ms,
                })
            })
            .collect();
        let report = json!({
            "categories": categories,
            "mean_image_auroc": mean,
            "seed": config.seed,
            "config_hash": config.fingerprint(),
            "peak_rss_mb": memory::peak_rss_mb(),
        });
        fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    Ok(())
}

fn config(args: &Args) -> Result<PipelineConfig, Box<dyn Error>> {
    match (&args.config, args.preset) {
        (Some(path), _) => Ok(serde_json::from_str(&fs::read_to_string(path)?)?),
        (None, Preset::Default) => Ok(PipelineConfig::default()),
        (None, Preset::Paper) => Ok(PipelineConfig::paper()),
    }
}

fn run(
    set: &Dataset,
    config: &PipelineConfig,
    weights: Option<&BackboneWeights>,
    args: &Args,
    scores: &mut String,
) -> Result<Outcome, Box<dyn Error>> {
    let mut train: Vec<PathBuf> = set.train.iter().map(|sample| sample.path.clone()).collect();
    if let Some(limit) = args.limit {
        train.shuffle(&mut ChaCha8Rng::seed_from_u64(args.seed));
        train.truncate(limit);
    }
    let mut bar = support::Bar::new(&set.name);
    let start = Instant::now();
    let model = nfbmr::train(config, weights, &train, args.device, &mut |p| bar.show(p))?;
    let train_s = start.elapsed().as_secs_f64();
    bar.finish();
    if let Some(folder) = &args.models {
        fs::create_dir_all(folder)?;
        model.save(&folder.join(format!("{}.nfbmr", set.name)))?;
    }

    let mut labels = Vec::new();
    let mut parts = [
        ("fused", Vec::new()),
        ("source", Vec::new()),
        ("target", Vec::new()),
        ("flow", Vec::new()),
    ];
    let mut detect_s = 0.0;
    for sample in &set.test {
        let image = data::load_image(&sample.path, &Limits::default())?;
        let start = Instant::now();
        let detection = model.detect(&image)?;
        detect_s += start.elapsed().as_secs_f64();
        let components = [&detection.source, &detection.target, &detection.likelihood];
        parts[0].1.push(detection.score);
        for (part, component) in parts[1..].iter_mut().zip(components) {
            part.1.extend(component.as_ref().map(|component| component.score));
        }
        labels.push(sample.is_defect());
        scores.push_str(&csv_line(&sample.path, sample.is_defect(), detection.score));
    }
    let mut aurocs = Vec::new();
    for (name, scores) in &parts {
        aurocs.push((*name, metrics::auroc(scores, &labels)?));
    }
    Ok(Outcome {
        image_auroc: aurocs[0].1,
        parts: aurocs,
        train_s,
        detect_ms: 1e3 * detect_s / set.test.len() as f64,
    })
}

/// A path may hold commas and quotes.
fn csv_line(path: &Path, defect: bool, score: f32) -> String {
    let path = path.display().to_string().replace('"', "\"\"");
    format!("\"{path}\",{},{score}\n", u8::from(defect))
}
