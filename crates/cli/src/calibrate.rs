//! `nfbmr calibrate`, and the words for what a calibration promises, which other commands use too.

use std::path::PathBuf;

use nfbmr::calibration::{RateBasis, SplitConformal};
use nfbmr::data::{Limits, OnBadFile};
use nfbmr::{
    Calibration, CrossCalibration, DecisionThreshold, FalseAlarmRate, Images, KindCalibration,
    SplitCalibration, StoredBackbone,
};

use crate::error::CliError;
use crate::file_kind::Kind;
use crate::images::GoodArgs;
use crate::interrupt;
use crate::model::ModelArgs;
use crate::numbers::number;
use crate::output::{note, print};
use crate::outputs;
use crate::progress::{Bar, Verbosity};
use crate::text::{count, percent};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  nfbmr calibrate part.nfbmr more-good-parts --max-false-alarms 0.01
  nfbmr calibrate part.nfbmr --max-false-alarms 0.02
  nfbmr calibrate part.nfbmr --threshold 2.5 --pixel-threshold 6")]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    images: GoodArgs,
    /// The share of good images that may be called anomalous; 0.05 by default, or the smallest that the
    /// images support. Without PATH, by the images that the model was calibrated on before.
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = number::<f64>)]
    max_false_alarms: Option<f64>,
    /// The score above which an image is anomalous, set by hand. p-values stay what they are.
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true, value_parser = number::<f32>)]
    threshold: Option<f32>,
    /// The value of an anomaly map above which a pixel belongs to a defect, set by hand.
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true, value_parser = number::<f32>)]
    pixel_threshold: Option<f32>,
    /// The model file to write; MODEL itself by default.
    #[arg(short, long, value_name = "MODEL")]
    output: Option<PathBuf>,
    /// Go on without images that can't be read, and list them.
    #[arg(long)]
    skip_bad: bool,
}

pub fn run(args: &Args, verbosity: Verbosity) -> Result<(), CliError> {
    let output = args.output.as_ref().unwrap_or(&args.model.path);
    let included = args.model.info()?.backbone_included;
    let rate = args.max_false_alarms.map(FalseAlarmRate::new).transpose()?;
    let by_hand = rate.is_some() || args.threshold.is_some() || args.pixel_threshold.is_some();
    let images = match args.images.is_empty() && by_hand {
        true => None,
        false => {
            let selection = args.images.selection()?;
            note(&selection);
            Some(selection.images)
        }
    };
    let read = images.iter().flatten().map(PathBuf::as_path);
    let files = args.images.lists().chain(args.model.weights_file());
    outputs::check(output, Kind::Model, read.chain(files))?;

    let mut model = args.model.load()?;
    let mut skipped = Vec::new();
    if let Some(images) = &images {
        // Before anything is computed.
        if let Some(rate) = rate {
            rate.check(images.len())?;
        }
        let on_bad = match args.skip_bad {
            true => OnBadFile::Skip(&mut skipped),
            false => OnBadFile::Stop,
        };
        let images = Images::Files { paths: images, limits: Limits::default(), on_bad };
        let mut bar = Bar::new(verbosity);
        let calibrated = model.calibrate(images, rate, &mut |progress| bar.show(progress));
        calibrated.map_err(|error| CliError::from(error).skippable())?;
        for error in &skipped {
            bar.note(format_args!("skipped: {error}"));
        }
    }
    if let (None, Some(rate)) = (&images, rate) {
        model.calibration_mut()?.set_rate(rate)?;
    }
    if let Some(threshold) = args.threshold {
        model.calibration_mut()?.set_threshold(threshold)?;
    }
    if let Some(threshold) = args.pixel_threshold {
        model.calibration_mut()?.set_pixel_threshold(threshold)?;
    }
    interrupt::check()?;
    let backbone = match included {
        true => StoredBackbone::Included,
        false => StoredBackbone::Referred,
    };
    model.save_with(output, backbone)?;
    let words = model.calibration().map(in_words).unwrap_or_default();
    print(format_args!("{}: {words}", output.display()))
}

/// What sets the verdicts of a model, and what that promises.
pub fn in_words(calibration: &Calibration) -> String {
    match calibration {
        Calibration::Split(own) => thresholds(own) + &kinds(own),
        Calibration::Cross(own) => folds(own),
    }
}

/// A rate, and where it comes from.
fn rate_in_words(rate: FalseAlarmRate, basis: RateBasis, images: usize) -> String {
    let basis = match basis {
        RateBasis::Asked => "as asked".to_owned(),
        RateBasis::SmallestSupported => format!(
            "the smallest rate that {} support{}; {} takes {}",
            count(images, "image"),
            if images == 1 { "s" } else { "" },
            percent(FalseAlarmRate::DEFAULT.get()),
            FalseAlarmRate::DEFAULT.images_needed(),
        ),
        _ => "the default".to_owned(),
    };
    format!("{} false alarms ({basis})", percent(rate.get()))
}

fn folds(cross: &CrossCalibration) -> String {
    let (images, folds) = (cross.image_scores().images(), cross.image_scores().folds().len());
    format!(
        "calibrated on {} in {folds} folds, each by the model trained without it, to {}\n\
         proven: {}\n",
        count(images, "image"),
        rate_in_words(cross.rate(), cross.basis(), images),
        cross.bound(),
    )
}

/// A line for each kind of images.
fn kinds(calibration: &SplitCalibration) -> String {
    let line = |(kind, KindCalibration { images, above, .. })| {
        format!("kind {kind}: {above} of {} above the threshold\n", count(images, "image"))
    };
    calibration.kinds().into_iter().enumerate().map(line).collect()
}

fn thresholds(calibration: &SplitCalibration) -> String {
    let (image, scores) = (calibration.threshold(), calibration.image_scores());
    let pixel = calibration.pixel_threshold().zip(calibration.pixel_scores());
    let rate = rate_in_words(calibration.rate(), calibration.basis(), scores.images());
    let images = count(scores.images(), "other image");
    if !image.set_by_hand && pixel.is_none_or(|(pixel, _)| !pixel.set_by_hand) {
        let value = image.value;
        let pixels = pixel.map(|(pixel, _)| format!(", {} for pixels", pixel.value));
        let pixels = pixels.unwrap_or_default();
        return format!("calibrated on {images} to {rate}\nthreshold {value} for images{pixels}\n");
    }
    let line = |of: &str, threshold: DecisionThreshold, scores| {
        let basis = match rate_by_hand(threshold, scores) {
            Some(rate) => {
                format!(", set by hand: up to {} false alarms by these images", percent(rate))
            }
            None => format!(": {rate}"),
        };
        format!("threshold {} for {of}{basis}\n", threshold.value)
    };
    let pixels = pixel.map(|(pixel, scores)| line("pixels", pixel, scores)).unwrap_or_default();
    format!("calibrated on {images}\n{}{pixels}", line("images", image, scores))
}

/// The false-alarm rate, by the scores of the calibration, of a threshold that was set by hand.
pub fn rate_by_hand(threshold: DecisionThreshold, scores: &SplitConformal) -> Option<f64> {
    threshold.set_by_hand.then(|| scores.rate_at(threshold.value).ok())?
}
