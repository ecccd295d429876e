//! `nfbmr evaluate`. What it finds is worded in `results` and `mask_use`.

use std::path::PathBuf;

use nfbmr::Known;
use nfbmr::data::{Limits, OnBadFile};
use nfbmr::evaluation::evaluate;
use nfbmr::report::{self, Report};

use crate::error::CliError;
use crate::images::LabelledArgs;
use crate::interrupt;
use crate::model::ModelArgs;
use crate::output::{make_folder, note, print};
use crate::outputs;
use crate::progress::{Bar, Verbosity};
use crate::results::Results;
use crate::text::count;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  nfbmr evaluate bottle.nfbmr bottle --report out && firefox out/report.html
  nfbmr evaluate part.nfbmr --good new/OK --bad new/NG --masks new/masks
  nfbmr evaluate bottle.nfbmr bottle --json | jq .image_auroc")]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    images: LabelledArgs,
    /// Folder for `report.html`, which any browser opens, and its charts.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Go on without images that can't be read, or of which a mask can't be, and list them.
    #[arg(long)]
    skip_bad: bool,
    /// The metrics as JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args, verbosity: Verbosity) -> Result<(), CliError> {
    // Before the images are looked for: a model that isn't there is told at once.
    args.model.info()?;
    let selection = args.images.selection()?;
    note(&selection);
    let set = selection.set;
    if let Some(folder) = &args.report {
        make_folder(folder)?;
        let images = set.test.iter().map(|image| image.path.as_path());
        let masks = set.test.iter().flat_map(|image| &image.masks).map(PathBuf::as_path);
        outputs::check_report(folder, args.model.files().chain(images).chain(masks))?;
    }
    let model = args.model.load()?;
    let mut bar = Bar::new(verbosity);
    let (mut done, mut flagged) = (0, Vec::new());
    let mut skipped = Vec::new();
    let on_bad = match args.skip_bad {
        true => OnBadFile::Skip(&mut skipped),
        false => OnBadFile::Stop,
    };
    let evaluation =
        evaluate(&model, &set.test, &Limits::default(), on_bad, &mut |_, detection| {
            done += 1;
            flagged.push(detection.is_anomalous().unwrap_or(false));
            bar.count("evaluation", done, set.test.len());
            interrupt::go_on()
        });
    drop(bar);
    let evaluation = evaluation.map_err(|error| CliError::from(error).skippable())?;
    for error in &skipped {
        note(format_args!("skipped: {error}"));
    }
    let known = known_in_words(&evaluation.known);
    known.iter().for_each(note);
    interrupt::check()?;
    if evaluation.images.is_empty() && !evaluation.known.is_empty() {
        return Err(CliError::AllKnown(evaluation.known.len()));
    }
    if evaluation.images.is_empty() && !skipped.is_empty() {
        return Err(CliError::AllSkipped(skipped.len()));
    }
    let (config, calibration) = (model.config(), model.calibration());
    let results = Results::new(&set, config, calibration, &evaluation, &flagged, skipped.len());
    match args.json {
        true => {
            let json = serde_json::to_string_pretty(&results)
                .map_err(|error| CliError::Stdout(error.into()))?;
            print(format_args!("{json}\n"))?;
        }
        false => print(&results)?,
    }
    if let Some(folder) = &args.report {
        let mut report = Report::new(format!("{}: {}", set.name, args.model.path.display()));
        report.examples = report::examples(&model, &evaluation, &results.run, &Limits::default())?;
        let mut run = results.run;
        run.projections = report::projections(&model, &evaluation, &Limits::default())?;
        report.runs.push(run);
        let page = report.write_folder(folder)?;
        if !verbosity.quiet {
            note(format_args!("report: {}", page.display()));
        }
    }
    Ok(())
}

/// Which images are left out as the model knows them; nothing where it knows none.
fn known_in_words(known: &[(PathBuf, Known)]) -> Option<String> {
    let of = |from: Known| known.iter().filter(|(_, own)| *own == from).count();
    let (first, _) = known.first()?;
    Some(format!(
        "left out: {} that the model was trained on and {} that it was calibrated on, the first {}",
        count(of(Known::Training), "image"),
        count(of(Known::Calibration), "image"),
        first.display()
    ))
}
