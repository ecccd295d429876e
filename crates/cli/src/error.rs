//! What goes wrong, and what to do about it: the words, the hints and the exit codes.

use std::io;
use std::path::{Path, PathBuf};

use nfbmr::calibration::CalibrationError;
use nfbmr::data::{DataError, HoldOutError, Layout};
use nfbmr::report::ReportError;
use nfbmr::{CalibrateError, ModelError, PipelineError, System};
use nfbmr_backbone::BackboneError;
use nfbmr_settings::SettingError;

use crate::file_kind::{Found, Kind};
use crate::text::{count, percent};

/// The exit code after Ctrl-C, as shells have it: 128 and the number of the signal.
pub const INTERRUPTED: u8 = 130;

#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error("interrupted")]
    Interrupted,
    #[error("interrupted; `--resume` goes on from the last epoch kept")]
    InterruptedTraining,
    #[error(transparent)]
    Pipeline(PipelineError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    BadFile(DataError),
    #[error("expected images that can be read, found none among {0}")]
    AllSkipped(usize),
    #[error(transparent)]
    Rate(#[from] CalibrationError),
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error("{}: {source}", .path.display())]
    Import { path: PathBuf, source: BackboneError },
    #[error("cannot watch for Ctrl-C: {0}")]
    CtrlC(io::Error),
    #[error("cannot write to standard output: {0}")]
    Stdout(io::Error),
    #[error("expected no `--threshold`: the model has one")]
    DetectThreshold,
    #[error("expected no `--heatmaps`: {0} gives no map")]
    NoMap(System),
    #[error("cannot read standard input: {0}")]
    Stdin(io::Error),
    #[error("expected `-` alone, which reads paths from standard input, found other paths too")]
    StdinAndPaths,
    #[error("expected an image file at {}, found a folder", .0.display())]
    Folder(PathBuf),
    #[error("cannot write {}: {source}", .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot read {}: {source}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Setting(SettingError),
    #[error("expected image files in {} or the folders below it, found none", .0.display())]
    NoImages(PathBuf),
    #[error("expected folders of images or `--list FILE`, found neither")]
    NoPaths,
    #[error("expected a calibrated model, found {}, which isn't", .0.display())]
    Uncalibrated(PathBuf),
    #[error(
        "expected images that the model wasn't trained or calibrated on, found {0} that it was alone"
    )]
    AllKnown(usize),
    #[error("{} is saved without a calibration", .0.display())]
    SavedUncalibrated(PathBuf),
    #[error("expected `--blocks` from 1 to {all}, found {found}")]
    Blocks { all: usize, found: usize },
    #[error("expected weights that record their configuration in {}, found none", .0.display())]
    Unrecorded(PathBuf),
    #[error("an interrupted training left {}, which another training would replace", .0.display())]
    Unfinished(PathBuf),
    #[error("expected another file than {} to write to, which is read{}", .output.display(), also(.output, .input))]
    Overwrite { output: PathBuf, input: PathBuf, option: &'static str },
    #[error("expected {} at {}, found {}", .kind.expected(), .path.display(), .found.words())]
    Occupied { path: PathBuf, kind: Kind, found: Found },
}

impl From<PipelineError> for CliError {
    fn from(error: PipelineError) -> Self {
        match error {
            PipelineError::Interrupted(_) => Self::Interrupted,
            PipelineError::Data(error) => Self::Data(error),
            error => Self::Pipeline(error),
        }
    }
}

impl From<SettingError> for CliError {
    fn from(error: SettingError) -> Self {
        match error {
            SettingError::Pipeline(error) => error.into(),
            error => Self::Setting(error),
        }
    }
}

impl From<CalibrateError> for CliError {
    fn from(error: CalibrateError) -> Self {
        PipelineError::from(error).into()
    }
}

impl CliError {
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted | Self::InterruptedTraining => INTERRUPTED,
            _ => 2,
        }
    }

    /// Of a command that goes on without bad images where that is asked for.
    pub fn skippable(self) -> Self {
        match self {
            Self::Data(
                error @ (DataError::Read { .. }
                | DataError::NotAFile { .. }
                | DataError::Decode { .. }
                | DataError::Pixels { .. }
                | DataError::MaskSize { .. }),
            ) => Self::BadFile(error),
            error => error,
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Pipeline(error) => return pipeline_hint(error),
            Self::Rate(error) => return rate_hint(error),
            Self::Setting(SettingError::Setting { hint: Some(hint), .. }) => hint,
            Self::Setting(SettingError::Read { source, .. })
            | Self::Read { source, .. }
            | Self::Data(DataError::Read { source, .. })
                if source.kind() == io::ErrorKind::InvalidData =>
            {
                "save it as UTF-8; in PowerShell: `nfbmr train --print-config | Out-File -Encoding utf8 FILE`"
            }
            Self::Setting(SettingError::Toml { .. } | SettingError::Setting { .. }) => {
                "`nfbmr train --print-config` shows every setting and its value"
            }
            Self::Setting(SettingError::Line { .. }) => {
                "an example: `--set flow_training.epochs=20`"
            }
            Self::NoImages(_) => {
                "PNG, JPEG, BMP, TIFF, WebP, PGM and PPM files are known, by their content"
            }
            Self::DetectThreshold => "`nfbmr calibrate MODEL --threshold SCORE` sets it",
            Self::StdinAndPaths => "a file of that name is `./-`",
            Self::NoPaths => "`nfbmr train good-parts -o part.nfbmr`",
            Self::Data(DataError::NoGoodImages { .. }) => {
                "name the folder of the images of good parts itself, or their files with `--list FILE`"
            }
            Self::Data(DataError::Categories { .. }) => {
                "name the folder of one of them; each part has its own model"
            }
            Self::Data(DataError::NoTest { .. }) => {
                "name folders with `--good DIR --bad DIR`, or a data set with a test"
            }
            Self::BadFile(_) => {
                "`--skip-bad` goes on without images that can't be read, and lists them"
            }
            Self::Data(DataError::Layout { .. }) => return Some(layouts_hint()),
            Self::AllKnown(_) => "name folders of other images",
            Self::SavedUncalibrated(_) => {
                "`nfbmr calibrate MODEL DIR` calibrates it on other images of good parts"
            }
            Self::Uncalibrated(_) => {
                "calibrate it with `nfbmr calibrate MODEL DIR`, or score without a verdict with \
                 `--uncalibrated`"
            }
            Self::Import { source: BackboneError::AmbiguousSource { .. }, .. } => {
                "name it with `--source`"
            }
            Self::Unfinished(_) => {
                "go on with it by `--resume`, or remove it to train from the beginning"
            }
            Self::Overwrite { option, .. } => {
                return Some(format!("name another one with `{option}`"));
            }
            Self::Occupied { kind: Kind::Lines { append: false }, found: Found::Lines, .. } => {
                "`--append` adds lines to it; or name another file with `--jsonl FILE`"
            }
            Self::Occupied { kind, .. } => {
                let option = kind.option();
                return Some(format!(
                    "name another one with `{option}`, or remove this one if it isn't needed"
                ));
            }
            Self::Write { .. } | Self::Report(ReportError::Write { .. }) => {
                "check that the folder is there, may be written to and has space left"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// The other name of a file that is read, where it has one.
fn also(output: &Path, input: &Path) -> String {
    match output == input {
        true => String::new(),
        false => format!(" as {}", input.display()),
    }
}

fn pipeline_hint(error: &PipelineError) -> Option<String> {
    let hint = match error {
        PipelineError::Calibration(CalibrateError::Refused(error)) => return rate_hint(error),
        PipelineError::Calibration(CalibrateError::TrainedOn { .. }) => {
            "name a folder of other images; `nfbmr train --hold-out 0.2` holds some out by itself"
        }
        PipelineError::Calibration(CalibrateError::CrossFitted { .. }) => {
            "`nfbmr calibrate MODEL --max-false-alarms RATE` sets the rate; `nfbmr train` without `--folds` \
             makes a model with a threshold"
        }
        PipelineError::HoldOut(HoldOutError::TooFewGroups { .. })
        | PipelineError::Calibration(CalibrateError::Groups { .. }) => {
            "another `--hold-out-by`, or more parts, make more groups"
        }
        PipelineError::Calibration(CalibrateError::TooFewForFolds { folds: ..=2, .. }) => {
            "name a folder of more images of good parts"
        }
        PipelineError::Calibration(CalibrateError::TooFewForFolds { .. }) => {
            "name fewer folds with `--folds`, or a folder of more images"
        }
        PipelineError::HoldOut(HoldOutError::TooFewImages { found: ..=1, .. }) => {
            "name a folder of more images of good parts"
        }
        PipelineError::HoldOut(HoldOutError::TooFewImages { found: 2, .. }) => {
            "name a folder of more images of good parts, or train on both by `--hold-out 0`, without a threshold"
        }
        PipelineError::HoldOut(_) => {
            "`--hold-out 0.2` keeps a fifth of the images for the calibration"
        }
        PipelineError::WeightsVariant { .. } => {
            "name the file of the backbone's weights with `--weights FILE`; `nfbmr weights import` \
             converts published ones"
        }
        PipelineError::NoWeights
        | PipelineError::Model { source: ModelError::Backbone { .. }, .. } => {
            "name the file of the backbone's weights with `--weights FILE`"
        }
        PipelineError::Model { source: ModelError::Io(error), .. }
            if error.kind() == io::ErrorKind::NotFound =>
        {
            "`nfbmr train DIR -o MODEL` makes one"
        }
        PipelineError::Config(_) | PipelineError::Whitening(_) => {
            "`nfbmr train --print-config` shows every setting and its value"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

fn rate_hint(error: &CalibrationError) -> Option<String> {
    let (images, needed) = match error {
        CalibrationError::UnsupportedRate { images, needed, .. } => (images, needed),
        CalibrationError::Rate { .. } => {
            let hint = "a rate is a fraction: `--max-false-alarms 0.01` is one in a hundred";
            return Some(hint.to_owned());
        }
        CalibrationError::NonFiniteThreshold { .. } => {
            let hint =
                "a threshold is a number like the scores of `nfbmr detect`: `--threshold 2.5`";
            return Some(hint.to_owned());
        }
        CalibrationError::TooFewFolds { .. } => {
            return Some(
                "`--folds 10` trains 10 models; each leaves out a tenth of the images".to_owned(),
            );
        }
        _ => return None,
    };
    if *images == 0 {
        return Some("`--hold-out 0.2` keeps a fifth of the images for the calibration".to_owned());
    }
    // Rounded up: a smaller one is refused.
    let smallest = (1000.0 / (*images as f64 + 1.0)).ceil() / 1000.0;
    let more = needed.saturating_sub(*images as u64);
    Some(format!(
        "calibrate on {} of good parts, or ask for `--max-false-alarms {smallest}` ({}) or more",
        count(more as usize, "more image"),
        percent(smallest)
    ))
}

fn layouts_hint() -> String {
    let layouts = Layout::ALL.map(|layout| layout.to_string()).join(", ");
    format!(
        "a data set has one of the layouts {layouts}; its folders tell which, or `--layout NAME`"
    )
}
