//! Fits both detectors to exported features and prints their image AUROC and times.
//!
//! `cargo run --release --example export_features -- --data CATEGORY OUT.safetensors OUT.json`
//! `cargo run --release -p nfbmr-peers --example compare -- OUT.safetensors`

use std::error::Error;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use burn::tensor::{Tensor, TensorData};
use clap::Parser;
use nfbmr_backend::Cpu;
use nfbmr_metrics::auroc;
use nfbmr_peers::{Padim, PadimConfig, PatchCore, PatchCoreConfig};
use safetensors::{Dtype, SafeTensors};

#[path = "../../../examples/support/exit.rs"]
mod exit;

use exit::exit;

/// PatchCore and PaDiM on exported features.
#[derive(Parser)]
struct Args {
    /// A safetensors file: `train` and `test` `[N, C, H, W]`, `label` `[N]` with 1 for a defect.
    features: PathBuf,
    /// Rows and columns of the images.
    #[arg(long, default_value_t = 320)]
    size: usize,
    /// Seed of what is drawn at random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

struct Features {
    train: Vec<Tensor<Cpu, 4>>,
    test: Vec<Tensor<Cpu, 4>>,
    labels: Vec<bool>,
}

fn main() -> ExitCode {
    exit(compare(&Args::parse()))
}

fn compare(args: &Args) -> Result<(), Box<dyn Error>> {
    let features = read(&args.features)?;
    let seed = args.seed;
    let mut go_on = |_, _| ControlFlow::Continue(());

    let started = Instant::now();
    let config = PatchCoreConfig::default();
    let patchcore = PatchCore::fit(&config, &features.train, seed, &mut go_on)?;
    let fitted = started.elapsed();
    evaluate("PatchCore", fitted, &features, |y| Ok(patchcore.score(y)?.score))?;

    let started = Instant::now();
    let padim = Padim::fit(&PadimConfig::default(), &features.train, seed, &mut go_on)?;
    let fitted = started.elapsed();
    evaluate("PaDiM", fitted, &features, |y| Ok(padim.score(y, [args.size; 2])?.score))
}

/// Scores image by image.
fn evaluate(
    name: &str,
    fitted: Duration,
    features: &Features,
    score: impl Fn(Tensor<Cpu, 4>) -> Result<Vec<f32>, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut scores = Vec::new();
    let mut times = Vec::new();
    for y in &features.test {
        let started = Instant::now();
        scores.extend(score(y.clone())?);
        times.push(started.elapsed());
    }
    times.sort();
    println!(
        "{name}: image AUROC {:.4}, fit {fitted:.1?}, score {:.1?} an image (median)",
        auroc(&scores, &features.labels)?,
        times[times.len() / 2],
    );
    Ok(())
}

fn read(path: &Path) -> Result<Features, Box<dyn Error>> {
    let bytes = fs::read(path)?;
    let file = SafeTensors::deserialize(&bytes)?;
    let images = |name| -> Result<Vec<Tensor<Cpu, 4>>, Box<dyn Error>> {
        let view = file.tensor(name)?;
        if view.dtype() != Dtype::F32 || view.shape().len() != 4 {
            return Err(format!("{name}: expected f32 [N, C, H, W]").into());
        }
        let (values, _) = view.data().as_chunks();
        let values: Vec<f32> = values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let data = TensorData::new(values, view.shape().to_vec());
        Ok(Tensor::<Cpu, 4>::from_data(data, &Default::default()).split(1, 0))
    };
    let labels = file.tensor("label")?.data().iter().map(|&label| label != 0).collect();
    Ok(Features { train: images("train")?, test: images("test")?, labels })
}
