//! One system on one category with one seed.

use std::error::Error;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nfbmr::data::{Dataset, Limits, OnBadFile};
use nfbmr::evaluation::{Bootstrap, auroc, evaluate};
use nfbmr::report::{self, Example, Projection};
use nfbmr::{PipelineConfig, ProgressFn, StoredBackbone, weights};
use nfbmr_backend::Backend;
use nfbmr_pipeline::{Pipeline, Trainer};
use serde::{Deserialize, Serialize};

/// Its outcome, as kept in a file. Shares are from 0 to 1.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    pub category: String,
    pub seed: u64,
    pub system: String,
    /// Of the configuration, which a kept run must share.
    pub fingerprint: String,
    pub limit: usize,
    pub image_auroc: f64,
    /// 95 % interval over the test images.
    pub image_auroc_interval: [f64; 2],
    pub image_average_precision: f64,
    /// At the threshold with the highest F1.
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
    /// Pixel metrics, where every defect has a mask.
    pub pixel: Option<Pixel>,
    /// Image AUROC of each kind of defect against the good images.
    pub auroc_by_defect: Vec<(String, f64)>,
    pub train_images: usize,
    pub train_s: f64,
    pub detect_ms: f64,
    /// Size of the model file, in MB; embedded weights of the backbone are not in it.
    pub model_mb: f64,
    pub scores: Vec<Score>,
    /// Of some runs only.
    #[serde(skip)]
    pub pictures: Pictures,
    /// Whether it was read from a file.
    #[serde(skip)]
    pub kept: bool,
}

/// Pixel metrics and the most by which binning the scores can have moved them.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pixel {
    pub auroc: f64,
    pub aupro: f64,
    pub f1_max: f64,
    pub largest_error: f64,
}

/// An image and its score.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    pub path: String,
    pub defect: Option<String>,
    pub score: f32,
    /// Of the flow alone; runs kept by earlier versions lack it.
    #[serde(default)]
    pub likelihood: Option<f32>,
    /// The likeliest kind, of a model of several.
    #[serde(default)]
    pub kind: Option<usize>,
}

/// What the report pictures of a run, as kept in a file beside it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pictures {
    pub projections: Vec<Projection>,
    pub examples: Vec<Example>,
}

/// What a run is of.
pub struct Tested<'a> {
    pub set: &'a Dataset,
    pub system: &'a str,
    pub config: &'a PipelineConfig,
    pub limit: usize,
    /// Whether the report pictures it.
    pub pictured: bool,
}

impl Tested<'_> {
    /// Trains and tests.
    pub fn run<B: Backend>(
        self,
        trainer: &mut Trainer<B>,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Run, Box<dyn Error>> {
        let Self { set, system, config, limit, pictured } = self;
        let start = Instant::now();
        let model = trainer.train(config, progress)?;
        let train_s = start.elapsed().as_secs_f64();
        let go_on = &mut |_: &_, _: &_| ControlFlow::Continue(());
        let evaluation = evaluate(&model, &set.test, &Limits::default(), OnBadFile::Stop, go_on)?;
        let image = evaluation.image_metrics()?;
        let pixel = evaluation.pixel_metrics()?.map(|pixel| Pixel {
            auroc: pixel.auroc.value,
            aupro: pixel.aupro.value,
            f1_max: pixel.f1_max.value.f1,
            largest_error: pixel.auroc.error.max(pixel.aupro.error).max(pixel.f1_max.error),
        });
        let (values, labels) = (evaluation.scores(), evaluation.labels());
        let bootstrap = Bootstrap::default();
        let interval = bootstrap.interval(&values, &labels, auroc)?;

        let mut pictures = Pictures::default();
        if pictured {
            let (run, limits) =
                (report::run(&set.name, config.seed, system, &evaluation), Limits::default());
            pictures.projections = report::projections(&model, &evaluation, &limits)?;
            pictures.examples = report::examples(&model, &evaluation, &run, &limits)?;
        }
        let scores: Vec<Score> = evaluation
            .images
            .iter()
            .map(|tested| Score {
                path: tested.image.path.display().to_string(),
                defect: tested.image.defect_name().map(str::to_owned),
                score: tested.score,
                likelihood: tested.likelihood,
                kind: tested.kind,
            })
            .collect();
        Ok(Run {
            category: set.name.clone(),
            seed: config.seed,
            system: system.to_owned(),
            fingerprint: config.fingerprint(),
            limit,
            image_auroc: image.auroc,
            image_auroc_interval: [interval.low, interval.high],
            image_average_precision: image.average_precision,
            precision: image.f1_max.precision,
            recall: image.f1_max.recall,
            f1: image.f1_max.f1,
            pixel,
            auroc_by_defect: by_defect(&scores)?,
            train_images: trainer.images(),
            train_s,
            detect_ms: 1e3 * evaluation.mean_time().as_secs_f64(),
            model_mb: size_mb(&model)?,
            scores,
            pictures,
            kept: false,
        })
    }
}

impl Run {
    /// A run kept earlier, if it is of the same configuration.
    pub fn read(path: &Path, config: &PipelineConfig, limit: usize) -> Option<Self> {
        let run: Self = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        let same = run.fingerprint == config.fingerprint() && run.limit == limit;
        let pictures = fs::read(pictures(path)).ok();
        let pictures = pictures.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        same.then(|| Self { pictures: pictures.unwrap_or_default(), kept: true, ..run })
    }

    /// Keeps the run; the file is whole or not there, and the pictures before it.
    pub fn write(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        write_whole(&pictures(path), &serde_json::to_string(&self.pictures)?)?;
        write_whole(path, &serde_json::to_string_pretty(self)?)
    }
}

/// The size of the file that a model is saved to.
fn size_mb<B: Backend>(model: &Pipeline<B>) -> Result<f64, Box<dyn Error>> {
    let embedded = weights::embedded().is_some_and(|weights| {
        let own = model.backbone_weights();
        own.sha256() == weights.sha256() && own.target().is_none()
    });
    let backbone = if embedded { StoredBackbone::Referred } else { StoredBackbone::Included };
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model.nfbmr");
    model.save(&path, backbone)?;
    Ok(fs::metadata(path)?.len() as f64 / 1e6)
}

/// The file of a run's pictures.
fn pictures(run: &Path) -> PathBuf {
    run.with_extension("pictures")
}

/// Writes a file that is whole or not there.
pub fn write_whole(path: &Path, text: &str) -> Result<(), Box<dyn Error>> {
    let partial = path.with_extension("partial");
    fs::write(&partial, text)?;
    Ok(fs::rename(partial, path)?)
}

fn by_defect(scores: &[Score]) -> Result<Vec<(String, f64)>, Box<dyn Error>> {
    let mut kinds: Vec<&String> = scores.iter().filter_map(|score| score.defect.as_ref()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let mut aurocs = Vec::new();
    for kind in kinds {
        let kept = |score: &&Score| score.defect.as_ref().is_none_or(|defect| defect == kind);
        let (values, labels): (Vec<f32>, Vec<bool>) =
            scores.iter().filter(kept).map(|score| (score.score, score.defect.is_some())).unzip();
        aurocs.push((kind.clone(), auroc(&values, &labels)?));
    }
    Ok(aurocs)
}
