//! Trains and tests systems on every category of a data set, several seeds each.
//!
//! `cargo run --release --example experiments -- --data DIR --dataset mvtec --systems all --seeds 3
//! --out DIR`
//!
//! The paper's own setting, with the weights of B5 and on a GPU:
//!
//! `cargo run --release --features cuda --example experiments -- --data DIR --dataset mvtec --preset paper
//! --weights b5.safetensors --limit 1000 --device cuda:0 --out DIR`
//!
//! With few images, five draws of each number:
//!
//! `cargo run --release --example experiments -- --data DIR --dataset mvtec --systems nf-bmr-2 patchcore
//! --limit 1 2 4 8 16 32 --seeds 5 --out DIR`
//!
//! On test images of a line that has changed, all changes or some:
//!
//! `cargo run --release --example experiments -- --data DIR --dataset mvtec --systems nf-bmr-2
//! patchcore padim --seeds 1 --shift --out DIR`
//!
//! Each (category, number of images, seed, system) is kept in `DIR/runs` as it finishes and isn't repeated, so
//! that the same command goes on after an interruption. Features are computed once for all systems, and kept in
//! `DIR/features.nfc`; a flow is trained once for all that build on it. The folder ends up with
//! `results.json`, `results.csv`, `tables.md` and `report.html`, which any browser opens, with the charts and
//! the gallery as files beside it. The gallery and the features are of the first seed of `--pictures`.
//! With `--shift` each (category, seed, system, change) is kept, and only `tables.md` is written.

mod few;
mod paper;
mod run;
mod shift;
mod shifts;
mod tables;

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use nfbmr::config::{
    BidirectionalPfmConfig, Fusion, MultiBlockPfmConfig, PfmConfig, Pooling, TargetCnnConfig,
};
use nfbmr::data::{CellType, Dataset, DatasetOptions, Layout, datasets};
use nfbmr::{
    BackboneWeights, DeviceError, DeviceName, FeatureCache, PipelineConfig, PipelineError, System,
    SystemConfig, TrainingError, TrainingStorage, weights,
};
use nfbmr_backend::{Backend, Cpu};
use nfbmr_pipeline::Trainer;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

#[path = "../support/exit.rs"]
mod exit;
#[path = "../support/memory.rs"]
mod memory;
#[allow(dead_code)] // Shared with examples that draw pictures.
#[path = "../support/mod.rs"]
mod support;

use exit::exit;
use few::TooFew;
use run::{Run, Tested};
use shift::Line;
use shifts::Kind;

/// Every system and seed on every category of a data set.
#[derive(Parser)]
struct Args {
    /// Folder of the data set.
    #[arg(long)]
    data: PathBuf,
    /// `mvtec`, `dagm`, `visa`, `kolektor`, `btad`, `mpdd`, `magnetic-tile`, `elpv` or `folder`.
    #[arg(long)]
    dataset: Layout,
    /// Solar cells of ELPV to run: `mono` or `poly`; both together by default.
    #[arg(long)]
    cells: Option<CellType>,
    /// Categories to run; all by default.
    #[arg(long)]
    category: Vec<String>,
    /// `all`, or any of `nf`, `nf+bpfm`, `nf-bmr-1`, `nf-bmr-2`, `nf-bmr-3`, `patchcore`, `padim`, with
    /// `--target-weights` `pfm`, `bpfm`, `mb-pfm`, and `spade`, `cs-flow` and `differnet`, which `all` leaves out. The first is
    /// compared with the others.
    #[arg(long, num_args = 1.., default_value = "all")]
    systems: Vec<String>,
    /// Seeds 0, 1, … of each.
    #[arg(long, default_value_t = 3)]
    seeds: u64,
    /// Trains on so many of the good images at most, drawn by the seed; of several numbers, the larger with the images
    /// of the smaller.
    #[arg(long, num_args = 1.., default_value = "200")]
    limit: Vec<usize>,
    /// Holds a fifth of the good images out for the threshold, and tests on images as they are and
    /// with these changes, all where none is named; of several `--limit` the largest goes.
    #[arg(long, num_args = 0.., value_enum)]
    shift: Option<Vec<Kind>>,
    /// `default`, or `paper`, which needs the weights of B5.
    #[arg(long, default_value = "default", value_parser = ["default", "paper"])]
    preset: String,
    /// Configuration as a JSON file, in place of a preset.
    #[arg(long, conflicts_with = "preset")]
    config: Option<PathBuf>,
    /// Backbone weights, in place of the embedded ones (safetensors or PyTorch).
    #[arg(long)]
    weights: Option<PathBuf>,
    /// Weights of the second CNN of `pfm`, `bpfm` and `mb-pfm`, imported ones that record their variant.
    #[arg(long)]
    target_weights: Option<PathBuf>,
    /// Where the networks run: `cpu`, or with the features of that name `ndarray`, `cuda:0`.
    #[arg(long, default_value = "cpu")]
    device: DeviceName,
    /// The system whose features and worst images the report pictures, of its first seed; the first of the
    /// systems where it isn't among them. A run that is kept stays with or without.
    #[arg(long, default_value = "nf-bmr-2")]
    pictures: String,
    /// Folder for everything that is written.
    #[arg(long)]
    out: PathBuf,
}

/// The systems of the paper's ablation, and those that people compare with.
const NAMES: [&str; 7] =
    ["nf", "nf+bpfm", "nf-bmr-1", "nf-bmr-2", "nf-bmr-3", "patchcore", "padim"];
/// What the paper builds on: systems of two CNNs.
const TWO_CNNS: [&str; 3] = ["pfm", "bpfm", "mb-pfm"];
/// What runs where it is asked for by name.
const BY_NAME: [&str; 3] = ["spade", "cs-flow", "differnet"];

fn main() -> ExitCode {
    let args = Args::parse();
    exit(match args.device {
        DeviceName::Cpu => experiments::<Cpu>(&args, &Default::default()),
        #[cfg(feature = "ndarray")]
        DeviceName::NdArray => experiments::<nfbmr_backend::NdArray>(&args, &Default::default()),
        #[cfg(feature = "cuda")]
        DeviceName::Cuda(index) => {
            let device = nfbmr_backend::CudaDevice::new(index);
            experiments::<nfbmr_backend::Cuda>(&args, &device)
        }
        #[allow(unreachable_patterns)]
        device => Err(DeviceError::NotBuilt { device }.into()),
    })
}

fn experiments<B: Backend>(args: &Args, device: &B::Device) -> Result<(), Box<dyn Error>> {
    let config: PipelineConfig = match (&args.config, args.preset.as_str()) {
        (Some(path), _) => serde_json::from_str(&fs::read_to_string(path)?)?,
        (None, "paper") => PipelineConfig::paper(),
        (None, _) => PipelineConfig::default(),
    };
    let mut weights = match &args.weights {
        Some(path) => Some(BackboneWeights::open(path)?),
        None => weights::embedded().cloned(),
    };
    let mut target_cnn = match &config.system {
        SystemConfig::Pfm(PfmConfig(own))
        | SystemConfig::Bpfm(BidirectionalPfmConfig(own))
        | SystemConfig::MbPfm(MultiBlockPfmConfig(own)) => own.target_cnn.clone(),
        _ => None,
    };
    if let Some(path) = &args.target_weights {
        let target = BackboneWeights::open(path)?;
        if target_cnn.is_none() {
            let last = target.config()?.ok_or("the target weights don't record their variant")?;
            let blocks = config.blocks()?;
            target_cnn = Some(TargetCnnConfig::counterpart(&config.backbone, &blocks, last)?);
        }
        weights = weights.map(|weights| weights.with_target(target));
    }
    let systems = systems(&args.systems, target_cnn.is_some())?;
    // In the order in which they share features.
    let mut in_turn = systems.clone();
    in_turn.sort_by_key(|name| known(true).position(|known| known == *name));
    let mut limits = args.limit.clone();
    limits.sort_unstable();
    limits.dedup();
    let pictured = systems.iter().find(|&&name| name == args.pictures).or(systems.first()).copied();
    // Read once where no split depends on the seed: some layouts are told by decoding their masks.
    let splits = if args.dataset == Layout::Elpv { args.seeds } else { 1 };
    let sets = (0..splits).map(|seed| sets(args, seed)).collect::<Result<Vec<_>, _>>()?;
    let by_seed = || (0..args.seeds).zip(sets.iter().cycle());
    fs::create_dir_all(args.out.join("runs"))?;
    let cache = Arc::new(FeatureCache::open(args.out.join("features.nfc"))?);
    let storage = TrainingStorage::cached(cache);

    let each = || by_seed().flat_map(|(seed, sets)| sets.iter().map(move |set| (seed, set)));
    if let Some(kinds) = &args.shift {
        let kinds = if kinds.is_empty() { Kind::value_variants() } else { kinds };
        let mut outcomes = Vec::new();
        let limit = limits.last().copied().unwrap_or_default();
        for (seed, set) in each() {
            let configured = |name: &&'static str| {
                Ok((*name, configured(&config, target_cnn.as_ref(), name, seed)?))
            };
            let line = Line::<B> {
                set,
                images: training_images(set, limit, seed),
                limit,
                seed,
                systems: in_turn.iter().map(configured).collect::<Result<_, Box<dyn Error>>>()?,
                weights: weights.as_ref(),
                storage: &storage,
                device,
                kept: args.out.join("runs"),
            };
            outcomes.extend(line.outcomes(kinds)?);
        }
        return shift::write(&args.out, &outcomes, &systems);
    }

    let categories: usize = by_seed().map(|(_, sets)| sets.len()).sum();
    let mut clock = Clock::new(categories * limits.len() * systems.len());
    let (mut runs, mut too_few) = (Vec::new(), Vec::new());
    for (seed, set) in each() {
        for &limit in &limits {
            let mut trainer: Option<Trainer<B>> = None;
            for name in &in_turn {
                let config = configured(&config, target_cnn.as_ref(), name, seed)?;
                if let Some(known) = &trainer
                    && !known.suits(&config)?
                {
                    trainer = None;
                }
                let file = format!("{}-{limit}-{seed}-{name}.json", set.name);
                let path = args.out.join("runs").join(file);
                if let Some(run) = Run::read(&path, &config, limit) {
                    clock.tick(&run);
                    runs.push(run);
                    continue;
                }
                let what = format!("{} {limit} {seed} {name}", set.name);
                let mut bar = support::Bar::new(&what);
                let mut show = |progress: &_| bar.show(progress);
                let trainer = match &mut trainer {
                    Some(trainer) => trainer,
                    none => {
                        let images = training_images(set, limit, seed);
                        let weights = weights.as_ref();
                        match Trainer::new(&config, weights, &images, &storage, device, &mut show) {
                            Ok(new) => none.insert(new),
                            Err(PipelineError::Training(
                                error @ TrainingError::TooFewImages { .. },
                            )) => {
                                bar.finish();
                                clock.skip(&what, &error);
                                too_few.push(TooFew { category: set.name.clone(), limit });
                                continue;
                            }
                            Err(error) => return Err(error.into()),
                        }
                    }
                };
                let pictured =
                    seed == 0 && pictured == Some(*name) && limits.last() == Some(&limit);
                let tested = Tested { set, system: name, config: &config, limit, pictured };
                let run = tested.run(trainer, &mut show)?;
                bar.finish();
                run.write(&path)?;
                clock.tick(&run);
                runs.push(run);
            }
        }
    }
    tables::write(&args.out, &runs, &too_few, &systems)?;
    if let Some(peak) = memory::peak_rss_mb() {
        eprintln!("peak memory {peak:.0} MB");
    }
    Ok(())
}

/// The categories asked for; the split of a set that comes without one is drawn by the seed.
fn sets(args: &Args, seed: u64) -> Result<Vec<Dataset>, Box<dyn Error>> {
    let mut options = DatasetOptions::default();
    (options.elpv.cells, options.elpv.seed) = (args.cells, seed);
    let mut sets = datasets(&args.data, args.dataset, &options)?;
    sets.retain(|set| args.category.is_empty() || args.category.contains(&set.name));
    match sets.is_empty() {
        true => {
            Err(format!("no category of {:?} in {}", args.category, args.data.display()).into())
        }
        false => Ok(sets),
    }
}

/// The names of systems, in the order in which they share features.
fn known(two_cnns: bool) -> impl Iterator<Item = &'static str> {
    let two_cnns = TWO_CNNS.into_iter().filter(move |_| two_cnns);
    NAMES.into_iter().chain(two_cnns).chain(BY_NAME)
}

/// The names asked for, each known and once.
fn systems(asked: &[String], two_cnns: bool) -> Result<Vec<&'static str>, String> {
    let mut names = Vec::new();
    for name in asked {
        let before = names.len();
        match name.as_str() {
            "all" => names.extend(known(two_cnns).filter(|name| !BY_NAME.contains(name))),
            name => names.extend(known(two_cnns).find(|known| *known == name)),
        }
        if names.len() == before {
            let known = known(two_cnns).collect::<Vec<_>>().join("`, `");
            return Err(format!("system {name:?}: expected `all` or some of `{known}`"));
        }
    }
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(*name));
    Ok(names)
}

/// The configuration of a system; `nf-bmr-N` has N residual blocks on either side of the shared one, those of
/// two CNNs are scored as published.
fn configured(
    config: &PipelineConfig,
    target_cnn: Option<&TargetCnnConfig>,
    name: &str,
    seed: u64,
) -> Result<PipelineConfig, Box<dyn Error>> {
    let blocks = name.strip_prefix("nf-bmr-");
    let mut config = config.with_system(blocks.map_or(name.parse(), |_| Ok(System::NfBmr))?)?;
    config.seed = seed;
    match &mut config.system {
        SystemConfig::NfBmr(own) => own.bmr.blocks = blocks.unwrap_or(name).parse()?,
        SystemConfig::Pfm(PfmConfig(own))
        | SystemConfig::Bpfm(BidirectionalPfmConfig(own))
        | SystemConfig::MbPfm(MultiBlockPfmConfig(own)) => {
            own.target_cnn = target_cnn.cloned();
            (own.fusion, own.pooling) = (Fusion::Plain, Pooling::Max);
        }
        _ => {}
    }
    Ok(config)
}

/// Up to `limit` of the good images, drawn by the seed.
fn training_images(set: &Dataset, limit: usize, seed: u64) -> Vec<PathBuf> {
    let mut images: Vec<_> = set.train.iter().map(|sample| sample.path.clone()).collect();
    if images.len() > limit {
        images.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        images.truncate(limit);
    }
    images
}

/// Tells how far the runs are.
struct Clock {
    started: Instant,
    done: usize,
    computed: usize,
    all: usize,
}

impl Clock {
    fn new(all: usize) -> Self {
        Self { started: Instant::now(), done: 0, computed: 0, all }
    }

    /// Leaves out what can't be trained.
    fn skip(&mut self, what: &str, why: &TrainingError) {
        self.done += 1;
        eprintln!("{} of {}: {what}: not trained: {why}", self.done, self.all);
    }

    fn tick(&mut self, run: &Run) {
        self.done += 1;
        self.computed += usize::from(!run.kept);
        let each = self.started.elapsed().as_secs_f64() / self.computed.max(1) as f64;
        let left = Duration::from_secs_f64(each * (self.all - self.done) as f64).as_secs();
        eprintln!(
            "{} of {}: {}, {} images, seed {} {}: image AUROC {:.4}{}, about {} min {:02} s left",
            self.done,
            self.all,
            run.category,
            run.train_images,
            run.seed,
            run.system,
            run.image_auroc,
            if run.kept { " (kept)" } else { "" },
            left / 60,
            left % 60,
        );
    }
}
