//! `nfbmr train`: from settings and images to a model file, calibrated if there are images to do it with.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nfbmr::ModelInfo;
use nfbmr::calibration::FalseAlarmRate;
use nfbmr::data::{DataError, Distinct, HoldOut, Limits, OnBadFile, Selection, distinct, hold_out};
use nfbmr::pipeline::Mask;
use nfbmr::{AnomalyModel, CrossFitting, Images, Suspect, WhiteLevel, weights, white_level};

use crate::calibrate::{check_rate, in_words};
use crate::config::{self, ConfigArgs};
use crate::error::CliError;
use crate::images::GoodArgs;
use crate::interrupt;
use crate::model::{Compute, check_weights};
use crate::output::{check_writable, note, print};
use crate::progress::{Bar, Verbosity};
use crate::text::{count, inspected};
use crate::unfinished::Unfinished;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  nfbmr train good-parts -o part.nfbmr
  nfbmr train good-parts --dry-run
  nfbmr train monday/good tuesday/good -o part.nfbmr
  nfbmr train --list good.txt -o part.nfbmr
  nfbmr train bottle -o bottle.nfbmr --max-false-alarms 0.02
  nfbmr train twenty-good-parts -o part.nfbmr --folds 10
  nfbmr train good-parts -o part.nfbmr --config settings.toml --set input_size=256
  nfbmr train good-parts -o part.nfbmr --resume
  nfbmr train --print-config > settings.toml")]
pub struct Args {
    #[command(flatten)]
    images: GoodArgs,
    /// The model file to write; an old one is replaced once the new one is whole.
    #[arg(short, long, value_name = "MODEL", required_unless_present_any = ["print_config", "dry_run"])]
    output: Option<PathBuf>,
    /// The share of the images that is kept out of training and sets the threshold; with 0 the model has
    /// none until it is calibrated.
    #[arg(long, value_name = "SHARE", default_value_t = 0.2)]
    hold_out: f64,
    /// For few images, in place of `--hold-out`: train K models, each without one of K equal folds of the
    /// images, which sets the verdicts. The false alarms are then proven to about twice the rate.
    #[arg(long, value_name = "K", conflicts_with = "hold_out")]
    folds: Option<usize>,
    /// The share of good images that may be called anomalous; 0.05 by default, or the smallest that the
    /// images held out, or in folds, support.
    #[arg(long, value_name = "RATE")]
    max_false_alarms: Option<f64>,
    /// A picture of what is inspected: what is bright, or opaque in a picture that is transparent in part. It is
    /// laid over every image, in training and in detection.
    #[arg(long, value_name = "FILE")]
    mask: Option<PathBuf>,
    /// Go on where an interrupted training of the same model stands; the model is the same to the bit as
    /// that of a training which wasn't interrupted.
    #[arg(long)]
    resume: bool,
    /// Go on without images that can't be read, and list them.
    #[arg(long)]
    skip_bad: bool,
    /// Say which images are taken and what is left out, and don't train.
    #[arg(long)]
    dry_run: bool,
    /// Write the configuration as TOML to standard output, and don't train.
    #[arg(long)]
    print_config: bool,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    compute: Compute,
}

pub fn run(args: &Args, verbosity: Verbosity) -> Result<(), CliError> {
    let own = args.compute.own_weights()?;
    let recorded = own.as_ref().map(|own| own.config()).transpose()?.flatten();
    let mut config = args.config.resolve(recorded)?;
    if let Some(path) = &args.mask {
        config.mask = Some(Mask::load(path, &Limits::default())?);
    }
    if args.print_config {
        return print(config::to_toml(&config)?);
    }
    let selection = args.images.selection()?;
    let (Some(output), false) = (&args.output, args.dry_run) else {
        return print(format_args!("{selection}\n"));
    };
    note(&selection);
    let weights = own.as_ref().or(weights::embedded());
    check_weights(&config, weights)?;
    check_writable(output)?;
    let mut bar = Bar::new(verbosity);
    let HoldOut { training, calibration } = args.parts(selection, config.seed, &bar)?;
    let rate = args.max_false_alarms.map(FalseAlarmRate::new).transpose()?;
    let fitting = args.folds.map(|folds| CrossFitting { folds, rate });
    match &fitting {
        Some(fitting) => fitting.check(training.len())?,
        None => check_rate(rate, calibration.len())?,
    }
    if config.white_level.is_none()
        && let Some(level) = args.white_level(&training, &calibration)?
    {
        bar.note(format_args!("white level: {level}; `--set white_level=` sets another"));
        config.white_level = Some(level.value);
    }
    let unfinished = Unfinished::beside(output, fitting.as_ref());
    let storage = unfinished.storage(args.resume)?;

    let start = Instant::now();
    let mut skipped = Vec::new();
    let mut show = |progress: &_| bar.show(progress);
    let images = args.images(&training, &mut skipped);
    let device = args.compute.device;
    let model = match fitting {
        Some(fitting) => {
            nfbmr::cross_fit(&config, weights, images, &fitting, &storage, device, &mut show)
        }
        None => nfbmr::train(&config, weights, images, &storage, device, &mut show),
    };
    let mut model = model.map_err(|error| unfinished.explain(error.into()))?;
    if !calibration.is_empty() {
        model.calibrate(args.images(&calibration, &mut skipped), rate, &mut show)?;
    }
    tell_suspects(&*model, &bar);
    interrupt::check()?;
    // What isn't embedded may not be at hand where the model is used.
    match own {
        Some(_) => model.save_with_backbone(output)?,
        None => model.save(output)?,
    }
    drop(storage);
    unfinished.remove()?;
    for error in &skipped {
        bar.note(format_args!("skipped: {error}"));
    }
    drop(bar);
    print(summary(output, &ModelInfo::read(output)?, start.elapsed()))
}

impl Args {
    /// The images to train on, and those to calibrate on.
    fn parts(&self, selection: Selection, seed: u64, bar: &Bar) -> Result<HoldOut, CliError> {
        let Distinct { files: images, copies } = distinct(selection.images);
        for (copy, original) in copies {
            let (copy, original) = (copy.display(), original.display());
            bar.note(format_args!("left out: {copy}, a copy of {original}"));
        }
        if self.hold_out == 0.0 || self.folds.is_some() {
            return Ok(HoldOut { training: images, calibration: Vec::new() });
        }
        Ok(hold_out(images, self.hold_out, seed)?)
    }

    /// The white level of the images to train on and to calibrate on, together. Bad files are told later.
    fn white_level(
        &self,
        training: &[PathBuf],
        calibration: &[PathBuf],
    ) -> Result<Option<WhiteLevel>, CliError> {
        let mut skipped = Vec::new();
        Ok(white_level(self.images(&[training, calibration].concat(), &mut skipped))?)
    }

    fn images<'a>(&self, paths: &'a [PathBuf], skipped: &'a mut Vec<DataError>) -> Images<'a> {
        let on_bad = match self.skip_bad {
            true => OnBadFile::Skip(skipped),
            false => OnBadFile::Stop,
        };
        Images::Files { paths, limits: Limits::default(), on_bad }
    }
}

/// Lists the images that are far out of the others.
fn tell_suspects(model: &dyn AnomalyModel, bar: &Bar) {
    let Some(suspects) = model.suspects() else {
        bar.note("not looked for: images unlike the others, as there are too few or the settings rule it out");
        return;
    };
    for Suspect { image, ranges, .. } in suspects {
        bar.note(format_args!(
            "look at {image}: scored by the others it is far out, {ranges:.1} interquartile ranges above them; a \
             defect among the good?"
        ));
    }
}

fn summary(output: &Path, info: &ModelInfo, time: Duration) -> String {
    let images = info.training_images.map_or(String::new(), |images| count(images, "image"));
    let calibrated = in_words(info.calibration.as_ref(), info.cross_calibration.as_ref())
        .unwrap_or_else(|| "not calibrated: `nfbmr calibrate` sets the threshold\n".to_owned());
    format!(
        "{}: trained on {images} in {:.0} s, {:.1} MB\n{}{calibrated}",
        output.display(),
        time.as_secs_f64(),
        info.bytes as f64 / 1e6,
        inspected(&info.config),
    )
}
