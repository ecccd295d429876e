//! Writes the features of one MVTec AD category, whitened if so configured, and the configuration, for
//! training the same networks in PyTorch (`tests/reference/train.py`).
//!
//! `cargo run --release --example export_features -- --data CATEGORY OUT.safetensors OUT.json`

use std::error::Error;
use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use burn::tensor::Tensor;
use clap::Parser;
use nfbmr::backend::Cpu;
use nfbmr::pipeline::{Trainer, TrainingStorage};
use nfbmr::{PipelineConfig, data, weights};
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
    /// Where the features go.
    features: PathBuf,
    /// Where the configuration goes.
    config_out: PathBuf,
}

fn main() -> ExitCode {
    exit(export(&Args::parse()))
}

fn export(args: &Args) -> Result<(), Box<dyn Error>> {
    let config = match &args.config {
        Some(path) => serde_json::from_str(&fs::read_to_string(path)?)?,
        None => PipelineConfig::default(),
    };
    let set = data::mvtec(&args.data)?;
    let device = Default::default();
    let weights = weights::embedded();
    let mut go_on = |_: &_| ControlFlow::Continue(());
    let mut trainer = |samples: &[data::Sample]| {
        let files: Vec<PathBuf> = samples.iter().map(|sample| sample.path.clone()).collect();
        let storage = TrainingStorage::default();
        Trainer::<Cpu>::new(&config, weights, &files, &storage, &device, &mut go_on)
    };
    let (mut train, test) = (trainer(&set.train)?, trainer(&set.test)?);
    // Nothing is trained, but the statistics of the training images are collected.
    let mut untrained = config.clone();
    (untrained.flow_training.epochs, untrained.bmr_training.epochs) = (0, 0);
    let pipeline = train.train(&untrained, &mut |_| ControlFlow::Continue(()))?;
    let features = |trainer: &Trainer<Cpu>| -> Result<(Vec<u8>, Vec<usize>), Box<dyn Error>> {
        let images = (0..trainer.images()).map(|image| trainer.features(image));
        let features = Tensor::cat(images.collect::<Result<_, _>>()?, 0);
        let features = pipeline.whiten(features)?;
        let shape = features.dims().to_vec();
        Ok((features.into_data().as_bytes().to_vec(), shape))
    };
    let (train, train_shape) = features(&train)?;
    let (test, test_shape) = features(&test)?;
    let labels: Vec<u8> = set.test.iter().map(|sample| u8::from(sample.is_defect())).collect();
    let tensors = [
        ("train", TensorView::new(Dtype::F32, train_shape, &train)?),
        ("test", TensorView::new(Dtype::F32, test_shape, &test)?),
        ("label", TensorView::new(Dtype::U8, vec![labels.len()], &labels)?),
    ];
    safetensors::serialize_to_file(tensors, None, &args.features)?;
    fs::write(&args.config_out, serde_json::to_string_pretty(&config)?)?;
    Ok(())
}
