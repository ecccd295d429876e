//! `nfbmr detect`: images in, lines out.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::slice;

use nfbmr::calibration::{DriftAlarm, Shift};
use nfbmr::data::{LeftOutLine, Limits};
use nfbmr::{Calibration, DetectedFile, Detection, Drift, Pipeline, PipelineError, detect_files};
use serde::Serialize;

use crate::error::CliError;
use crate::file_kind::Kind;
use crate::heatmaps::Heatmaps;
use crate::images::{Input, inputs};
use crate::interrupt;
use crate::model::ModelArgs;
use crate::outcome::Outcome;
use crate::output::note;
use crate::outputs;
use crate::progress::{Bar, Verbosity};
use crate::stdin::Paths;
use crate::text::count;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  nfbmr detect part.nfbmr camera/0001.png
  nfbmr detect part.nfbmr new-images --heatmaps out > results.jsonl
  nfbmr detect part.nfbmr new-images | jq -r 'select(.is_anomalous) | .path'
  if nfbmr detect -q part.nfbmr new.png --jsonl log.jsonl --append; then echo good; fi
  camera-paths | nfbmr detect part.nfbmr -

Exit codes:
  0    done; of `detect`, all images are good
  1    `detect` found defects
  2    an error; of `detect`, one image or heatmap is enough, and it wins over 1
  130  stopped by Ctrl-C")]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Images, or folders of images with the folders below them. `-` reads the paths of images from standard input,
    /// one a line, and answers each before it reads the next.
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Folder for a heatmap of each image, as PNG.
    #[arg(long, value_name = "DIR")]
    heatmaps: Option<PathBuf>,
    /// File for the results, one line of JSON an image; `-` is standard output. A file with something in it is
    /// refused.
    #[arg(long, value_name = "FILE", default_value = "-")]
    jsonl: PathBuf,
    /// Add the results to those that the file of `--jsonl` has.
    #[arg(long, requires = "jsonl")]
    append: bool,
    /// Score with a model that isn't calibrated: without p-values, verdicts and regions.
    #[arg(long)]
    uncalibrated: bool,
    /// No option, but tried.
    #[arg(long, hide = true, value_name = "SCORE", allow_hyphen_values = true)]
    threshold: Option<String>,
}

/// Standard output, and as a path standard input.
const STANDARD: &str = "-";

pub fn run(args: &Args, verbosity: Verbosity) -> Result<Outcome, CliError> {
    if args.threshold.is_some() {
        return Err(CliError::DetectThreshold);
    }
    match args.paths.as_slice() {
        [path] if is_standard(path) => resident(args, verbosity),
        paths if paths.iter().any(|path| is_standard(path)) => Err(CliError::StdinAndPaths),
        _ => batch(args, verbosity),
    }
}

/// The images of the command line, and then the end.
fn batch(args: &Args, verbosity: Verbosity) -> Result<Outcome, CliError> {
    let (inputs, left_out) = inputs(&args.paths, args.heatmaps.as_deref());
    let read = args.model.files().chain(inputs.iter().map(|input| input.path.as_path()));
    args.check_lines(read.clone())?;
    let model = args.calibrated()?;
    let heatmaps = args.heatmaps.as_ref().map(|folder| Heatmaps::new(folder, read));
    let paths: Vec<PathBuf> = inputs.iter().map(|input| input.path.clone()).collect();
    let mut detect = Detect::new(&model, heatmaps.transpose()?, &args.jsonl)?;
    tell_no_watch(&model, verbosity);
    // A bar would be in the way of results on the same terminal.
    let quiet = verbosity.quiet || (is_standard(&args.jsonl) && io::stdout().is_terminal());
    let mut bar = Bar::new(Verbosity { quiet, ..verbosity });
    let mut failed = None;
    let mut remaining = inputs.iter();
    detect_files(&model, &paths, &Limits::default(), &mut |_, detected| {
        let Some(input) = remaining.next() else { return ControlFlow::Break(()) };
        match detect.image(input, detected) {
            Ok(None) => {}
            Ok(Some(alarm)) => bar.note(format_args!("warning: {alarm}")),
            Err(error) => {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        bar.count("detection", detect.tally.images, paths.len());
        interrupt::go_on()
    });
    drop(bar);
    if let Some(error) = failed {
        return Err(error);
    }
    interrupt::check()?;
    let left_out = LeftOutLine(&left_out);
    if !verbosity.quiet {
        note(format_args!("{}{left_out}", detect.tally.in_words()));
    } else if !left_out.0.is_empty() {
        note(format_args!("{}{left_out}", count(detect.tally.images, "image")));
    }
    Ok(detect.tally.outcome())
}

/// Says that there is no watch for drift, where a calibration is too small for one.
fn tell_no_watch(model: &Pipeline, verbosity: Verbosity) {
    let images =
        model.calibration().and_then(Calibration::split).map(|own| own.image_scores().images());
    if let Some(images) = images.filter(|&images| images < Drift::FEWEST && !verbosity.quiet) {
        note(format_args!(
            "not watched: drift, as the model is calibrated on {}; it takes {}",
            count(images, "image"),
            Drift::FEWEST
        ));
    }
}

/// The images that standard input names, one after the other, each answered before the next is read.
fn resident(args: &Args, verbosity: Verbosity) -> Result<Outcome, CliError> {
    args.check_lines(args.model.files())?;
    let model = args.calibrated()?;
    let heatmaps = args.heatmaps.as_ref().map(|folder| Heatmaps::new(folder, args.model.files()));
    let heatmaps = heatmaps.transpose()?.map(Heatmaps::replacing);
    let mut detect = Detect::new(&model, heatmaps, &args.jsonl)?;
    tell_no_watch(&model, verbosity);
    let paths = Paths::read();
    while let Some(path) = paths.next()? {
        let input = Input::named(path);
        let mut answered = Ok(None);
        detect_files(&model, slice::from_ref(&input.path), &Limits::default(), &mut |_, found| {
            answered = detect.image(&input, found);
            ControlFlow::Continue(())
        });
        if let Some(alarm) = answered? {
            note(format_args!("warning: {alarm}"));
        }
    }
    if !verbosity.quiet {
        note(detect.tally.in_words());
    }
    Ok(detect.tally.outcome())
}

fn is_standard(path: &Path) -> bool {
    path == Path::new(STANDARD)
}

impl Args {
    /// Refuses a file of results that holds something else, or is read.
    fn check_lines<'a>(&self, read: impl IntoIterator<Item = &'a Path>) -> Result<(), CliError> {
        match is_standard(&self.jsonl) {
            true => Ok(()),
            false => outputs::check(&self.jsonl, Kind::Lines { append: self.append }, read),
        }
    }

    /// The model, which has a threshold unless none is asked for.
    fn calibrated(&self) -> Result<Pipeline, CliError> {
        let model = self.model.load()?;
        let system = &model.config().system;
        if self.heatmaps.is_some() && !system.localises() {
            return Err(CliError::NoMap(system.system()));
        }
        match model.calibration() {
            None if !self.uncalibrated => Err(CliError::Uncalibrated(self.model.path.clone())),
            _ => Ok(model),
        }
    }
}

/// Detection as it goes on.
struct Detect<'a> {
    model: &'a Pipeline,
    heatmaps: Option<Heatmaps<'a>>,
    drift: Option<Drift>,
    results: Results<'a>,
    tally: Tally,
}

impl<'a> Detect<'a> {
    fn new(
        model: &'a Pipeline,
        heatmaps: Option<Heatmaps<'a>>,
        lines: &'a Path,
    ) -> Result<Self, CliError> {
        Ok(Self {
            model,
            heatmaps,
            drift: model.drift()?,
            results: Results::open(lines)?,
            tally: Tally::default(),
        })
    }

    /// Writes the result of one image, and returns the alarm that it raises.
    fn image(
        &mut self,
        input: &Input,
        detected: Result<DetectedFile, PipelineError>,
    ) -> Result<Option<DriftAlarm>, CliError> {
        self.tally.images += 1;
        let detected = match detected {
            Ok(detected) => detected,
            Err(error) => {
                self.tally.errors += 1;
                let error = input.problem.clone().unwrap_or_else(|| error.to_string());
                self.results.write(&Record::failed(&input.path, error))?;
                return Ok(None);
            }
        };
        let heatmaps = self.heatmaps.as_mut();
        let heatmap = heatmaps.map(|heatmaps| heatmaps.write(input, self.model, &detected));
        let (heatmap, heatmap_error) = match heatmap {
            None => (None, None),
            Some(Ok(path)) => (Some(path), None),
            Some(Err(error)) => (None, Some(error.to_string())),
        };
        self.tally.heatmap_errors += usize::from(heatmap_error.is_some());
        let detection = &detected.detection;
        self.tally.defects += usize::from(detection.is_anomalous().unwrap_or(false));
        self.tally.not_located += usize::from(detection.not_located().is_some());
        let alarm = match &mut self.drift {
            Some(drift) => drift.observe(detection.rank())?,
            None => None,
        };
        self.results.write(&Record::Scored {
            path: input.path.to_string_lossy(),
            detection,
            drift: self.drift.as_ref().and_then(Drift::shift),
            heatmap: heatmap.as_deref().map(Path::to_string_lossy),
            heatmap_error,
        })?;
        Ok(alarm)
    }
}

/// A line of output. `docs/cli.md` has the fields. JSON is Unicode: what isn't in a path is shown as U+FFFD.
#[derive(Serialize)]
#[serde(untagged)]
enum Record<'a> {
    Scored {
        path: Cow<'a, str>,
        #[serde(flatten)]
        detection: &'a Detection,
        /// Of the images so far.
        drift: Option<Shift>,
        #[serde(skip_serializing_if = "Option::is_none")]
        heatmap: Option<Cow<'a, str>>,
        /// Why there is no heatmap.
        #[serde(skip_serializing_if = "Option::is_none")]
        heatmap_error: Option<String>,
    },
    Failed {
        path: Cow<'a, str>,
        error: String,
    },
}

impl<'a> Record<'a> {
    /// Why an image has no score.
    fn failed(path: &'a Path, error: String) -> Self {
        Self::Failed { path: path.to_string_lossy(), error }
    }
}

/// Where lines go.
struct Results<'a> {
    path: &'a Path,
    writer: Box<dyn Write>,
}

impl<'a> Results<'a> {
    fn open(path: &'a Path) -> Result<Self, CliError> {
        let writer: Box<dyn Write> = match is_standard(path) {
            true => Box::new(io::stdout()),
            false => {
                let failed = |source| CliError::Write { path: path.to_owned(), source };
                let file = File::options().append(true).create(true).open(path);
                let mut file = file.map_err(failed)?;
                if ends_within_a_line(path).map_err(failed)? {
                    file.write_all(b"\n").map_err(failed)?;
                }
                Box::new(file)
            }
        };
        Ok(Self { path, writer })
    }

    /// Writes a line, which is out of the program's hands then.
    fn write(&mut self, record: &Record<'_>) -> Result<(), CliError> {
        let mut line = serde_json::to_vec(record).map_err(|error| self.failed(error.into()))?;
        line.push(b'\n');
        let written = self.writer.write_all(&line).and_then(|()| self.writer.flush());
        written.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> CliError {
        match is_standard(self.path) {
            true => CliError::Stdout(source),
            false => CliError::Write { path: self.path.to_owned(), source },
        }
    }
}

/// Whether a file of lines was cut off in one.
fn ends_within_a_line(path: &Path) -> io::Result<bool> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() || metadata.len() == 0 {
        return Ok(false);
    }
    let (mut file, mut last) = (File::open(path)?, Vec::new());
    file.seek(SeekFrom::End(-1))?;
    file.read_to_end(&mut last)?;
    Ok(last != b"\n")
}

/// How many images of each kind.
#[derive(Default)]
struct Tally {
    images: usize,
    defects: usize,
    /// Of those, parts that aren't located or lie wrong.
    not_located: usize,
    errors: usize,
    heatmap_errors: usize,
}

impl Tally {
    fn outcome(&self) -> Outcome {
        match self {
            Self { errors: 1.., .. } | Self { heatmap_errors: 1.., .. } => Outcome::BadImages,
            Self { defects: 1.., .. } => Outcome::Defects,
            _ => Outcome::Good,
        }
    }

    fn in_words(&self) -> String {
        let images = count(self.images, "image");
        let errors = match self.errors {
            0 => String::new(),
            errors => format!(", {} that can't be scored", count(errors, "file")),
        };
        let heatmaps = match self.heatmap_errors {
            0 => String::new(),
            errors => format!(", {} that can't be written", count(errors, "heatmap")),
        };
        let not_located = match self.not_located {
            0 => String::new(),
            found => format!(", {found} of them not located or lying wrong"),
        };
        format!("{images}: {} with defects{not_located}{errors}{heatmaps}", self.defects)
    }
}
