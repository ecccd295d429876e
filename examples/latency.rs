//! Times the networks, whole detections, their parts and a training step.
//!
//! `cargo run --release --example latency -- [--preset default|paper] [--device cpu|cuda:0] [--threads N]
//! [--batch N] [--seconds S] [--json FILE]`, with `--features cuda` for a GPU.
//!
//! The networks are untrained, the images generated: neither changes the time. `benches/rivals` compares
//! with PyTorch, ONNX Runtime and OpenVINO by `--save`, `--model` and `--outputs`.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use burn::tensor::{Distribution, Tensor, TensorData};
use clap::{Parser, ValueEnum};
use image::DynamicImage;
use nfbmr::{DeviceError, DeviceName, Phase, PipelineConfig, StoredBackbone, SystemConfig};
use nfbmr_backend::{Backend, Cpu};
use nfbmr_bmr::Bmr;
use nfbmr_flow::nll_map;
use nfbmr_pipeline::systems::{BidirectionalMapper, TargetFlow};
use nfbmr_pipeline::{FeatureExtractor, Pipeline};
use rayon::prelude::*;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

#[path = "support/exit.rs"]
mod exit;
#[path = "support/memory.rs"]
mod memory;
#[path = "support/untrained.rs"]
mod untrained;

use exit::exit;

/// Times the networks, whole detections, their parts and a training step.
#[derive(Parser)]
struct Args {
    /// Configuration.
    #[arg(long, value_enum, default_value = "default")]
    preset: Preset,
    /// Model file that includes its backbone, in place of an untrained one.
    #[arg(long, conflicts_with_all = ["preset", "input_size", "low_memory"])]
    model: Option<PathBuf>,
    /// Side of the network's input; the preset's by default.
    #[arg(long)]
    input_size: Option<u32>,
    /// Transforms 3 x 3 weights at each detection rather than keep them transformed.
    #[arg(long)]
    low_memory: bool,
    /// Device: `cpu`, or `cuda:0` in a build with the feature `cuda`.
    #[arg(long, default_value_t = DeviceName::Cpu)]
    device: DeviceName,
    /// Threads; all cores by default.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Images at a time.
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Side of the camera images that whole detections start from.
    #[arg(long, default_value_t = 640)]
    camera: u32,
    /// Time for each figure.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Optimiser steps of each training phase, with 8 images a step; 0 leaves training out.
    #[arg(long, default_value_t = 20)]
    train_steps: usize,
    /// Writes the figures as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Writes the model, backbone included, and ends.
    #[arg(long)]
    save: Option<PathBuf>,
    /// Writes the networks' input and outputs as safetensors, and ends.
    #[arg(long)]
    outputs: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Preset {
    Default,
    Paper,
}

impl Preset {
    fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Paper => "paper",
        }
    }
}

fn main() -> ExitCode {
    exit(on_threads(&Args::parse()))
}

fn on_threads(args: &Args) -> Result<(), Box<dyn Error>> {
    let threads = rayon::ThreadPoolBuilder::new().num_threads(args.threads).build()?;
    let result = threads.install(|| match args.device {
        DeviceName::Cpu => run::<Cpu>(args, &Default::default()),
        #[cfg(feature = "cuda")]
        DeviceName::Cuda(index) => {
            use nfbmr_backend::{Cuda, CudaDevice};
            run::<Cuda>(args, &CudaDevice::new(index))
        }
        device => Err(DeviceError::NotBuilt { device }.into()),
    });
    result.map_err(|error| error as Box<dyn Error>)
}

/// What goes in and out of the networks: the images, and white source features and target features by level.
struct Input<B: Backend> {
    x: Tensor<B, 4>,
    y: Vec<Tensor<B, 4>>,
    z: Vec<Tensor<B, 4>>,
}

/// A part of a detection.
type Part<'a, B> = &'a (dyn Fn(&Input<B>) -> Result<(), Failure> + Sync);

type Failure = Box<dyn Error + Send + Sync>;

fn run<B: Backend>(args: &Args, device: &B::Device) -> Result<(), Failure> {
    B::probe(device)?;
    let pipeline = match &args.model {
        Some(path) => Pipeline::<B>::load(path, None, device)?,
        None => {
            let (mut config, weights) = untrained::preset::<B>(args.preset.name());
            config.input_size = args.input_size.unwrap_or(config.input_size);
            config.low_memory = args.low_memory;
            untrained::untrained::<B>(config, &weights, args.camera, device)
        }
    };
    let (flows, bmrs) = parts(&pipeline)?;
    if let Some(path) = &args.save {
        return Ok(pipeline.save(path, StoredBackbone::Included)?);
    }
    let images: Vec<_> =
        (0..args.batch as u64).map(|index| untrained::image(index, args.camera)).collect();
    let x = input(&pipeline, &images, device);
    if let Some(path) = &args.outputs {
        return write_outputs(&pipeline, x, path);
    }

    let seconds = Duration::from_secs_f64(args.seconds);
    // As in a detection: on a CPU an image of a batch per core, on a GPU all as one tensor.
    let inputs = x.chunk(args.batch.div_ceil(B::images_at_once()), 0);
    let inputs = inputs
        .into_iter()
        .map(|x| {
            let (mut y, mut z) = (Vec::new(), Vec::new());
            for (flow, features) in flows.iter().zip(pipeline.source().extract(x.clone())?) {
                let white = flow.whiten(features)?;
                z.push(flow.flow().forward(white.clone())?.z);
                y.push(white);
            }
            Ok(Input { x, y, z })
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    let time = |part: Part<'_, B>| {
        time(seconds, || {
            match &inputs[..] {
                [input] => part(input)?,
                many => many.par_iter().try_for_each(part)?,
            }
            // A GPU computes while the caller goes on.
            Ok(B::sync(device)?)
        })
    };
    let network = time(&|input| networks(&pipeline, input.x.clone()).map(drop))?;
    let backbone = time(&|input| {
        black_box(pipeline.source().extract(input.x.clone())?);
        Ok(())
    })?;
    // As long on features that are white already.
    let whitening = time(&|input| {
        for (flow, y) in flows.iter().zip(&input.y) {
            black_box(flow.whiten(y.clone())?);
        }
        Ok(())
    })?;
    let flow_time = time(&|input| {
        for (flow, y) in flows.iter().zip(&input.y) {
            let output = flow.flow().forward(y.clone())?;
            black_box((nll_map(&output), output.z));
        }
        Ok(())
    })?;
    let bmr_time = time(&|input| {
        for (bmr, (y, z)) in bmrs.iter().zip(input.y.iter().zip(&input.z)) {
            black_box(bmr.residuals(y.clone(), z.clone())?);
        }
        Ok(())
    })?;
    let detect = crate::time(seconds, || {
        black_box(pipeline.detect_batch(&images)?);
        Ok(())
    })?;
    let peak_rss_mb = memory::peak_rss_mb();
    let train_step = train_step(&pipeline, args.train_steps, device)?;

    let work = pipeline.config().multiply_adds()?;
    let gflops = |multiply_adds: f64, ms: f64| 2e-6 * multiply_adds * args.batch as f64 / ms;
    let report = json!({
        // A model file may be of any configuration.
        "preset": args.model.is_none().then(|| args.preset.name()),
        "device": args.device,
        "threads": rayon::current_num_threads(),
        "batch": args.batch,
        "network_ms": network.median,
        "network_p95_ms": network.p95,
        "detect_ms": detect.median,
        "detect_p95_ms": detect.p95,
        "images_per_s": 1e3 * args.batch as f64 / detect.median,
        "parts": {
            "backbone": backbone.median,
            "whitening": whitening.median,
            "flow": flow_time.median,
            "bmr": bmr_time.median,
        },
        "parts_p95": {
            "backbone": backbone.p95,
            "whitening": whitening.p95,
            "flow": flow_time.p95,
            "bmr": bmr_time.p95,
        },
        "gflops": {
            "network": gflops(work.backbone + work.flow + work.mapping, network.median),
            "backbone": gflops(work.backbone, backbone.median),
            "flow": gflops(work.flow, flow_time.median),
            "bmr": gflops(work.mapping, bmr_time.median),
        },
        "gemm_peak_gflops": gemm_peak_gflops::<B>(seconds, device)?,
        "train_step_ms": train_step.as_ref().map(|step| step.flow + step.bmr),
        "train_parts": train_step.map(|step| json!({ "flow": step.flow, "bmr": step.bmr })),
        "peak_rss_mb": peak_rss_mb,
    });
    print(&report);
    if let Some(path) = &args.json {
        fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    Ok(())
}

fn print(report: &Value) {
    let Some(fields) = report.as_object() else { return };
    for (name, value) in fields {
        println!("{name:>18}  {value}");
    }
}

/// Network input `[N, 3, S, S]` from 0 to 1: of a tile where images are cut into some.
fn input<B: Backend>(
    pipeline: &Pipeline<B>,
    images: &[DynamicImage],
    device: &B::Device,
) -> Tensor<B, 4> {
    let side = pipeline.config().network_size();
    let mut values = Vec::new();
    for image in images {
        let image = image.resize_exact(side, side, image::imageops::FilterType::Triangle).to_rgb8();
        for channel in 0..3 {
            values.extend(image.pixels().map(|pixel| f32::from(pixel.0[channel]) / 255.0));
        }
    }
    let side = side as usize;
    let data = TensorData::new(values, [images.len(), 3, side, side]);
    Tensor::from_data(data, device)
}

/// What the networks compute of images, by name and level.
type Outputs = BTreeMap<String, TensorData>;

/// Both residual maps and the likelihood of each level.
fn networks<B: Backend>(pipeline: &Pipeline<B>, x: Tensor<B, 4>) -> Result<Outputs, Failure> {
    let (flows, bmrs) = parts(pipeline)?;
    let mut outputs = Outputs::new();
    let levels = flows.iter().zip(bmrs).zip(pipeline.source().extract(x)?);
    for (level, ((flow, bmr), y)) in levels.enumerate() {
        let y = flow.whiten(y)?;
        let output = flow.flow().forward(y.clone())?;
        let likelihood = nll_map(&output);
        let residuals = bmr.residuals(y, output.z)?;
        let maps = [
            ("source", residuals.source),
            ("target", Some(residuals.target)),
            ("likelihood", Some(likelihood)),
        ];
        let maps = maps.into_iter().filter_map(|(name, map)| Some((name, map?)));
        outputs.extend(maps.map(|(name, map)| (format!("{name}.{level}"), map.into_data())));
    }
    Ok(outputs)
}

/// The networks behind the backbone, by level.
type Networks<'a, B> = (&'a [TargetFlow<B>], &'a [Bmr<B>]);

fn parts<B: Backend>(pipeline: &Pipeline<B>) -> Result<Networks<'_, B>, Failure> {
    let (flows, bmrs) = (pipeline.flows(), pipeline.bmrs());
    match flows.len() == bmrs.len() && !bmrs.is_empty() {
        true => Ok((flows, bmrs)),
        false => Err(format!("{}: only nf-bmr is timed", pipeline.config().system.system()).into()),
    }
}

fn write_outputs<B: Backend>(
    pipeline: &Pipeline<B>,
    x: Tensor<B, 4>,
    path: &Path,
) -> Result<(), Failure> {
    let mut outputs = networks(pipeline, x.clone())?;
    let features = pipeline.source().extract(x.clone())?.into_iter().enumerate();
    outputs.extend(features.map(|(level, y)| (format!("y.{level}"), y.into_data())));
    outputs.insert("x".to_owned(), x.into_data());
    let mut views = Vec::new();
    for (name, data) in &outputs {
        views.push((name, TensorView::new(Dtype::F32, data.shape.to_vec(), data.as_bytes())?));
    }
    Ok(fs::write(path, safetensors::serialize(views, None)?)?)
}

/// Milliseconds.
struct Timing {
    median: f64,
    p95: f64,
}

impl Timing {
    fn of(mut ms: Vec<f64>) -> Self {
        ms.sort_by(f64::total_cmp);
        let quantile = |q: f64| ms[((ms.len() - 1) as f64 * q).round() as usize];
        Self { median: quantile(0.5), p95: quantile(0.95) }
    }
}

/// Runs once to warm up, then as often as the time allows and three times at least.
fn time(budget: Duration, mut run: impl FnMut() -> Result<(), Failure>) -> Result<Timing, Failure> {
    run()?;
    let started = Instant::now();
    let mut ms = Vec::new();
    while started.elapsed() < budget || ms.len() < 3 {
        let start = Instant::now();
        run()?;
        ms.push(1e3 * start.elapsed().as_secs_f64());
    }
    Ok(Timing::of(ms))
}

/// The fastest of many products of 1536 x 1536 matrices.
fn gemm_peak_gflops<B: Backend>(budget: Duration, device: &B::Device) -> Result<f64, Failure> {
    const SIDE: usize = 1536;
    let a = Tensor::<B, 2>::random([SIDE, SIDE], Distribution::Default, device);
    let mut best = f64::INFINITY;
    time(budget, || {
        let start = Instant::now();
        black_box(a.clone().matmul(a.clone()));
        B::sync(device)?;
        best = best.min(start.elapsed().as_secs_f64());
        Ok(())
    })?;
    Ok(2e-9 * (SIDE as f64).powi(3) / best)
}

/// A step (forward, backward, Adam) of both phases in milliseconds: medians, summed over the levels.
struct TrainStep {
    flow: f64,
    bmr: f64,
}

/// Trains on 8 images, so that an epoch is a step; `None` with no steps.
fn train_step<B: Backend>(
    pipeline: &Pipeline<B>,
    steps: usize,
    device: &B::Device,
) -> Result<Option<TrainStep>, Failure> {
    const BATCH: u64 = 8;
    if steps == 0 {
        return Ok(None);
    }
    let mut config: PipelineConfig = pipeline.config().clone();
    if let SystemConfig::NfBmr(own) = &mut config.system {
        for training in [&mut own.flow_training, &mut own.bmr_training] {
            training.batch_size = BATCH as usize;
        }
    }
    untrained::trained_for(&mut config, steps + 1);
    let side = config.input_size;
    let images: Vec<_> = (0..BATCH).map(|index| untrained::image(index, side)).collect();
    let weights = pipeline.backbone_weights();
    let mut steps = HashMap::<_, Vec<f64>>::new();
    let mut last = None;
    Pipeline::<B>::train(&config, Some(weights), &images, device, &mut |progress| {
        let (now, stage) = (Instant::now(), (progress.phase, progress.level));
        if let Some((before, then)) = last.replace((stage, now))
            && before == stage
        {
            steps.entry(stage).or_default().push(1e3 * (now - then).as_secs_f64());
        }
        ControlFlow::Continue(())
    })?;
    let sum = |phase: Phase| {
        let of_phase = steps.iter().filter(|((own, _), _)| *own == phase);
        of_phase.map(|(_, ms)| Timing::of(ms.clone()).median).sum()
    };
    Ok(Some(TrainStep { flow: sum(Phase::Flow), bmr: sum(Phase::Bmr) }))
}
