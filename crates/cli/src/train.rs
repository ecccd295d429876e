//! `nfbmr train`: from settings and images to a model file, calibrated if there are images to do it with.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nfbmr::config::Mask;
use nfbmr::data::{HoldOutBy, Limits};
use nfbmr::{BackboneWeights, ModelInfo, Note, Pipeline, Suspect, weights};
use nfbmr_settings::to_toml;

use crate::calibrate::in_words;
use crate::config::ConfigArgs;
use crate::error::CliError;
use crate::file_kind::Kind;
use crate::images::GoodArgs;
use crate::interrupt;
use crate::model::Compute;
use crate::numbers::{number, whole};
use crate::output::{make_folder, note, print};
use crate::outputs;
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
    #[arg(long, value_name = "SHARE", default_value_t = 0.2, allow_negative_numbers = true, value_parser = number::<f64>)]
    hold_out: f64,
    /// What is held out together, in folds too: each `image`, a `folder`, or what a regular expression finds in the
    /// file name, in its first group: `'^(part\d+)_'` for `part12_frame3.png`. Frames of one part have to be.
    #[arg(long, value_name = "HOW", default_value_t)]
    hold_out_by: HoldOutBy,
    /// For few images, in place of `--hold-out`: train K models, each without one of K equal folds of the
    /// images, which sets the verdicts. The false alarms are then proven to a bound that training prints: at most
    /// twice the rate for folds of one or two images, more for larger ones.
    #[arg(long, value_name = "K", conflicts_with = "hold_out", allow_negative_numbers = true, value_parser = whole::<usize>)]
    folds: Option<usize>,
    /// The share of good images that may be called anomalous; 0.05 by default, or the smallest that the
    /// images held out, or in folds, support.
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = number::<f64>)]
    max_false_alarms: Option<f64>,
    /// A picture of what is inspected: what is bright, or opaque in a picture that is transparent in part. It is
    /// laid over every image, in training and in detection.
    #[arg(long, value_name = "FILE")]
    mask: Option<PathBuf>,
    /// Weights of the second CNN of `pfm`, `bpfm` and `mb-pfm`, as `nfbmr weights import` makes them; models include
    /// them. Its blocks are those of the same stages as the first one's, unless the settings say otherwise.
    #[arg(long, value_name = "FILE")]
    target_weights: Option<PathBuf>,
    /// Go on where an interrupted training of the same model stands; the model is the same to the bit as
    /// that of a training which wasn't interrupted.
    #[arg(long)]
    resume: bool,
    /// Folder for `MODEL.unfinished`, which a training keeps its work in and which lies beside MODEL otherwise: one on
    /// a disk of this computer, where MODEL is on a share that is slow or has no locks.
    #[arg(long, value_name = "DIR")]
    work_dir: Option<PathBuf>,
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
    let target = args.target_weights.as_ref().map(BackboneWeights::open).transpose()?;
    let target_config = target.as_ref().map(BackboneWeights::config).transpose()?.flatten();
    let mut config = args.config.resolve(recorded, target_config)?;
    if let Some(path) = &args.mask {
        config.mask = Some(Mask::load(path, &Limits::default())?);
    }
    if args.print_config {
        return print(to_toml(&config)?);
    }
    let selection = args.images.selection()?;
    let (Some(output), false) = (&args.output, args.dry_run) else {
        return print(format_args!("{selection}\n"));
    };
    note(&selection);
    let images = selection.images.iter().map(PathBuf::as_path);
    let settings = args.config.file().into_iter().chain(args.mask.as_deref());
    let files = settings.chain(args.images.lists()).chain(args.compute.weights_file());
    let files = files.chain(args.target_weights.as_deref());
    outputs::check(output, Kind::Model, images.chain(files))?;
    if let Some(folder) = &args.work_dir {
        make_folder(folder)?;
    }
    let unfinished = Unfinished::of(output, args.work_dir.as_deref());
    let folder = unfinished.folder(args.resume)?;

    let start = Instant::now();
    let (bar, uncalibrated) = (RefCell::new(Bar::new(verbosity)), Cell::new(false));
    let mut builder = args
        .compute
        .builder(with_target(own, target))
        .config(config)
        .resume(folder)
        .skip_bad(args.skip_bad)
        .hold_out_by(args.hold_out_by.clone())
        .progress(|progress| bar.borrow_mut().show(progress))
        .notes(|note| match note {
            Note::WhiteLevel(_) => {
                bar.borrow().note(format_args!("{note}; `--set white_level=` sets another"));
            }
            note => {
                uncalibrated.set(uncalibrated.get() || matches!(note, Note::Uncalibrated(_)));
                bar.borrow().note(note);
            }
        });
    builder = match args.folds {
        Some(folds) => builder.folds(folds),
        None => builder.hold_out(args.hold_out),
    };
    if let Some(rate) = args.max_false_alarms {
        builder = builder.false_alarm_rate(rate)?;
    }
    let trained = builder.train(selection);
    let model = trained.map_err(|error| unfinished.explain(CliError::from(error).skippable()))?;
    tell_suspects(&model, &bar.borrow());
    interrupt::check()?;
    model.save(output)?;
    unfinished.remove()?;
    drop(bar);
    print(summary(output, &ModelInfo::read(output)?, start.elapsed()))?;
    match uncalibrated.get() {
        true => Err(CliError::SavedUncalibrated(output.clone())),
        false => Ok(()),
    }
}

/// The weights of the first CNN, the embedded ones unless there are others, with those of the second.
fn with_target(
    own: Option<BackboneWeights>,
    target: Option<BackboneWeights>,
) -> Option<BackboneWeights> {
    match target {
        Some(target) => {
            own.or_else(|| weights::embedded().cloned()).map(|own| own.with_target(target))
        }
        None => own,
    }
}

/// Lists the images that are far out of the others.
fn tell_suspects(model: &Pipeline, bar: &Bar) {
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
    let images = count(info.training_images, "image");
    let calibrated = info
        .calibration
        .as_ref()
        .map(in_words)
        .unwrap_or_else(|| "not calibrated: `nfbmr calibrate` sets the threshold\n".to_owned());
    format!(
        "{}: trained on {images} in {:.0} s, {:.1} MB\n{}{calibrated}",
        output.display(),
        time.as_secs_f64(),
        info.bytes as f64 / 1e6,
        inspected(&info.config),
    )
}
