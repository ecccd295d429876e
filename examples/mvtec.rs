//! Trains and tests on MVTec AD categories by the official protocol.
//!
//! `cargo run --release --example mvtec -- --data DIR [--category NAME]… [--preset default|paper]
//! [--system nf-bmr] [--device cpu] [--seed N] [--limit N] [--scores FILE.csv] [--json FILE]
//! [--report DIR]`

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use nfbmr::data::{Dataset, Layout, Limits, OnBadFile, datasets};
use nfbmr::evaluation::{ImageMetrics, PixelMetrics, Tested, evaluate};
use nfbmr::report::{self, Report};
use nfbmr::{BackboneWeights, DeviceName, Pipeline, PipelineConfig, System};
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
    /// `nf`, `nf+bpfm`, `nf-bmr`, `patchcore` or `padim`; the configuration's by default.
    #[arg(long)]
    system: Option<System>,
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
    /// Folder for `report.html`, which any browser opens, and its charts.
    #[arg(long)]
    report: Option<PathBuf>,
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
    image: ImageMetrics,
    pixel: Option<PixelMetrics>,
    parts: BTreeMap<&'static str, f64>,
    train_s: f64,
    detect_ms: f64,
}

fn main() -> ExitCode {
    exit(all(&Args::parse()))
}

fn all(args: &Args) -> Result<(), Box<dyn Error>> {
    let mut config = config(args)?;
    config.seed = args.seed;
    let weights = args.weights.as_ref().map(BackboneWeights::open).transpose()?;

    let mut categories = Vec::new();
    let mut scores = String::from("path,label,score\n");
    let mut results = Report::new("Visual defect detection");
    for set in datasets(&args.data, Layout::Mvtec, &Default::default())? {
        if !args.category.is_empty() && !args.category.contains(&set.name) {
            continue;
        }
        let outcome = run(&set, &config, weights.as_ref(), args, &mut scores, &mut results)?;
        eprintln!(
            "{}: image AUROC {:.4}, trained in {:.1} s, detection {:.1} ms",
            set.name, outcome.image.auroc, outcome.train_s, outcome.detect_ms
        );
        categories.push((set.name, outcome));
    }
    if categories.is_empty() {
        return Err(
            format!("no category of {:?} under {}", args.category, args.data.display()).into()
        );
    }

    let aurocs = categories.iter().map(|(_, outcome)| outcome.image.auroc);
    let mean = aurocs.sum::<f64>() / categories.len() as f64;
    eprintln!("mean image AUROC {mean:.4}");
    if let Some(path) = &args.scores {
        fs::write(path, scores)?;
    }
    if let Some(folder) = &args.report {
        results.write_folder(folder)?;
    }
    if let Some(path) = &args.json {
        let categories: Vec<_> = categories
            .iter()
            .map(|(name, outcome)| {
                json!({
                    "name": name,
                    "image_auroc": outcome.image.auroc,
                    "image_average_precision": outcome.image.average_precision,
                    "image_f1_max": outcome.image.f1_max.f1,
                    "pixel_auroc": outcome.pixel.map(|pixel| pixel.auroc.value),
                    "pixel_aupro": outcome.pixel.map(|pixel| pixel.aupro.value),
                    "pixel_f1_max": outcome.pixel.map(|pixel| pixel.f1_max.value.f1),
                    "auroc_by_part": outcome.parts,
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
    let mut config = match (&args.config, args.preset) {
        (Some(path), _) => serde_json::from_str(&fs::read_to_string(path)?)?,
        (None, Preset::Default) => PipelineConfig::default(),
        (None, Preset::Paper) => PipelineConfig::paper(),
    };
    if let Some(system) = args.system {
        config = config.with_system(system)?;
    }
    Ok(config)
}

fn run(
    set: &Dataset,
    config: &PipelineConfig,
    weights: Option<&BackboneWeights>,
    args: &Args,
    scores: &mut String,
    results: &mut Report,
) -> Result<Outcome, Box<dyn Error>> {
    let mut train: Vec<PathBuf> = set.train.iter().map(|sample| sample.path.clone()).collect();
    if let Some(limit) = args.limit {
        train.shuffle(&mut ChaCha8Rng::seed_from_u64(args.seed));
        train.truncate(limit);
    }
    let mut bar = support::Bar::new(&set.name);
    let start = Instant::now();
    // On all images: nothing of the protocol needs a threshold.
    let mut builder = Pipeline::builder().config(config.clone()).device(args.device).hold_out(0.0);
    if let Some(weights) = weights {
        builder = builder.weights(weights.clone());
    }
    let model = builder.progress(|progress| bar.show(progress)).train(train)?;
    let train_s = start.elapsed().as_secs_f64();
    bar.finish();
    if let Some(folder) = &args.models {
        fs::create_dir_all(folder)?;
        model.save(folder.join(format!("{}.nfbmr", set.name)))?;
    }

    let evaluation =
        evaluate(&model, &set.test, &Limits::default(), OnBadFile::Stop, &mut |tested, _| {
            scores.push_str(&csv_line(&tested.image.path, tested.image.is_defect(), tested.score));
            ControlFlow::Continue(())
        })?;
    let image = evaluation.image_metrics()?;
    let mut parts = BTreeMap::from([("fused", image.auroc)]);
    let part: [(_, fn(&Tested) -> _); 3] = [
        ("source", |tested| tested.source),
        ("target", |tested| tested.target),
        ("flow", |tested| tested.likelihood),
    ];
    for (name, score) in part {
        parts.extend(evaluation.auroc_of(score)?.map(|auroc| (name, auroc)));
    }
    let pixel = evaluation.pixel_metrics()?;
    let detect_ms = 1e3 * evaluation.mean_time().as_secs_f64();
    if args.report.is_some() {
        let mut run =
            report::run(&set.name, config.seed, config.system.system().name(), &evaluation);
        run.train_s = Some(train_s);
        run.projections = report::projections(&model, &evaluation, &Limits::default())?;
        let examples = report::examples(&model, &evaluation, &run, &Limits::default())?;
        results.examples.extend(examples);
        results.runs.push(run);
    }
    Ok(Outcome { image, pixel, parts, train_s, detect_ms })
}

/// A path may hold commas and quotes.
fn csv_line(path: &Path, defect: bool, score: f32) -> String {
    let path = path.display().to_string().replace('"', "\"\"");
    format!("\"{path}\",{},{score}\n", u8::from(defect))
}
