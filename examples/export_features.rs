//! Writes the features of one MVTec AD category by level, whitened if so configured, and the configuration, for
//! training the same networks in PyTorch (`tests/reference/train.py`, `crates/flow/tests/fixtures/cs_flow_auroc.py`).
//!
//! `cargo run --release --example export_features -- --data CATEGORY OUT.safetensors OUT.json`

use std::error::Error;
use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use burn::tensor::Tensor;
use clap::Parser;
use nfbmr::data::{LabelledImage, Layout, datasets};
use nfbmr::{PipelineConfig, System, SystemConfig, TrainingStorage, weights};
use nfbmr_backend::Cpu;
use nfbmr_pipeline::Trainer;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

#[path = "support/exit.rs"]
mod exit;

use exit::exit;

/// Exports the source features of one category.
#[derive(Parser)]
struct Args {
    /// Folder of the category.
    #[arg(long)]
    data: PathBuf,
    /// Configuration as a JSON file, in place of the default.
    #[arg(long)]
    config: Option<PathBuf>,
    /// `nf-bmr`, or `cs-flow`, whose features are as they are.
    #[arg(long, default_value = "nf-bmr")]
    system: System,
    /// Where the features go.
    features: PathBuf,
    /// Where the configuration goes.
    config_out: PathBuf,
}

fn main() -> ExitCode {
    exit(export(&Args::parse()))
}

fn export(args: &Args) -> Result<(), Box<dyn Error>> {
    let config: PipelineConfig = match &args.config {
        Some(path) => serde_json::from_str(&fs::read_to_string(path)?)?,
        None => PipelineConfig::default(),
    };
    let config = config.with_system(args.system)?;
    // Nothing is trained, but the statistics of the training images are collected.
    let mut untrained = config.clone();
    match &mut untrained.system {
        SystemConfig::NfBmr(own) => (own.flow_training.epochs, own.bmr_training.epochs) = (0, 0),
        SystemConfig::CsFlow(own) => own.training.epochs = 0,
        other => {
            let found = other.system();
            return Err(format!("expected the system nf-bmr or cs-flow, found {found}").into());
        }
    }
    let set = datasets(&args.data, Layout::Mvtec, &Default::default())?.remove(0);
    let device = Default::default();
    let weights = weights::embedded();
    let mut go_on = |_: &_| ControlFlow::Continue(());
    let mut trainer = |samples: &[LabelledImage]| {
        let files: Vec<PathBuf> = samples.iter().map(|sample| sample.path.clone()).collect();
        let storage = TrainingStorage::default();
        Trainer::<Cpu>::new(&config, weights, &files, &storage, &device, &mut go_on)
    };
    let (mut train, test) = (trainer(&set.train)?, trainer(&set.test)?);
    let pipeline = train.train(&untrained, &mut |_| ControlFlow::Continue(()))?;
    let labels: Vec<u8> = set.test.iter().map(|sample| u8::from(sample.is_defect())).collect();
    let mut parts = Vec::new();
    for (name, trainer) in [("train", &train), ("test", &test)] {
        let images: Vec<_> =
            (0..trainer.images()).map(|image| trainer.features(image)).collect::<Result<_, _>>()?;
        for level in 0..images.first().map_or(0, Vec::len) {
            let features = images.iter().filter_map(|levels| levels.get(level).cloned());
            let features = Tensor::cat(features.collect(), 0);
            let features = match pipeline.flows().get(level) {
                Some(flow) => flow.whiten(features)?,
                None => features,
            };
            let shape = features.dims().to_vec();
            parts.push((format!("{name}.{level}"), features.into_data(), shape));
        }
    }
    let label = TensorView::new(Dtype::U8, vec![labels.len()], &labels)?;
    let mut tensors = vec![("label".to_owned(), label)];
    for (name, data, shape) in &parts {
        let view = TensorView::new(Dtype::F32, shape.clone(), data.as_bytes())?;
        tensors.push((name.clone(), view));
    }
    safetensors::serialize_to_file(tensors, None, &args.features)?;
    fs::write(&args.config_out, serde_json::to_string_pretty(&config)?)?;
    Ok(())
}
