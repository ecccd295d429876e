//! `nfbmr.train`: from settings and images to a model.

use std::path::PathBuf;

use nfbmr::GoodImages;
use nfbmr::config::Mask;
use nfbmr::data::{HoldOutBy, Limits};
use nfbmr_settings::{Preset, Settings, Source};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyDictMethods};
use serde_json::{Map, Value};

use crate::compute::Compute;
use crate::exit::detach;
use crate::failure::Failure;
use crate::images::{Given, Taken};
use crate::listener::Listener;
use crate::log;
use crate::model::Model;
use crate::pool::pool;
use crate::work::aloud;

/// Trains a model on images of good parts, and calibrates it on some of them.
///
/// `images` is a folder, of which the images of good parts are taken as the program takes them; a list of paths, with
/// folders among them perhaps; or a list of images in memory (numpy arrays, Pillow images, bytes of files).
///
/// `preset` is "default", "fast", "accurate" or "paper". `settings` is a dictionary or the path of a TOML file, with
/// the names that `nfbmr train --print-config` lists; those of the system need no more than their own. `system` names
/// the system, `seed` the seed.
///
/// `weights` is a file of backbone weights in place of the embedded ones, `device` "cpu" or "cuda:0" and so on, `mask`
/// the picture of what is inspected.
///
/// `hold_out` is the share of the images that is kept out of training and sets the threshold, 0 for none, and
/// `hold_out_by` what is held out together: "image", "folder" or a regular expression. `folds` trains so many models,
/// each without a fold of the images, in place of that. `max_false_alarms` is the rate of false alarms, by default 0.05
/// or the smallest that the images support.
///
/// `resume` is a folder where the training keeps its work: interrupted, it goes on from there, and the model is the
/// same to the bit. Remove it once the model is saved. `skip_bad` goes on without images that can't be read.
///
/// `progress` is called with a `Progress` after every batch, and stops the training by returning False; True or "tqdm"
/// shows a bar. `notes` is called with a line for whatever is taken, left out or guessed; without it they are logged by
/// the logger `nfbmr`.
///
/// Raises `ConfigError` for settings without meaning, `DataError` for images that can't be read, `CalibrationError` for
/// images too few for the rate, `TrainingError` for images that don't train, `Interrupted` where `progress` returned
/// False, and `KeyboardInterrupt` after Ctrl-C.
#[pyfunction]
#[pyo3(signature = (
    images, *, preset="default", system=None, settings=None, weights=None, device="cpu", hold_out=0.2,
    hold_out_by="image", folds=None, max_false_alarms=None, mask=None, resume=None, skip_bad=false, seed=None,
    progress=None, notes=None
))]
#[expect(clippy::too_many_arguments, reason = "named in Python")]
pub(crate) fn train(
    py: Python<'_>,
    images: &Bound<'_, PyAny>,
    preset: &str,
    system: Option<&str>,
    settings: Option<SettingsOf<'_>>,
    weights: Option<PathBuf>,
    device: &str,
    hold_out: f64,
    hold_out_by: &str,
    folds: Option<usize>,
    max_false_alarms: Option<f64>,
    mask: Option<PathBuf>,
    resume: Option<PathBuf>,
    skip_bad: bool,
    seed: Option<u64>,
    progress: Option<Py<PyAny>>,
    notes: Option<Py<PyAny>>,
) -> PyResult<Model> {
    log::watch();
    let given = Given::of(images)?;
    let compute = Compute::new(device, weights)?;
    let hold_out_by: HoldOutBy = hold_out_by.parse().map_err(Failure::from)?;
    let mut settings = Settings {
        preset: preset.parse::<Preset>().map_err(Failure::from)?,
        sources: settings.map(|own| own.source()).transpose()?.into_iter().collect(),
        system: system.map(str::parse).transpose().map_err(Failure::Pipeline)?,
        seed,
        ..Settings::default()
    };
    let listener = Listener::new(py, progress, notes)?;
    let pool = pool(py)?;
    let pipeline = detach(py, || {
        aloud(&pool, listener, |teller| {
            let own = compute.own_weights()?;
            settings.weights = own.as_ref().map(|own| own.config()).transpose()?.flatten();
            let mut config = settings.resolve()?;
            if let Some(path) = mask {
                config.mask = Some(Mask::load(path, &Limits::default())?);
            }
            let taken = given.take(&teller)?;
            let mut builder = compute
                .builder(own)
                .config(config)
                .skip_bad(skip_bad)
                .hold_out_by(hold_out_by)
                .progress(|progress| teller.progress(progress))
                .notes(|note| teller.note(note));
            builder = match folds {
                Some(folds) => builder.folds(folds),
                None => builder.hold_out(hold_out),
            };
            if let Some(rate) = max_false_alarms {
                builder = builder.false_alarm_rate(rate)?;
            }
            if let Some(folder) = resume {
                builder = builder.resume(folder);
            }
            let pipeline = builder.train(match &taken {
                Taken::Files(selection) => GoodImages::Files(selection.images.clone()),
                Taken::Decoded(images) => images.into(),
            })?;
            if let Some(suspects) = pipeline.suspects().filter(|suspects| !suspects.is_empty()) {
                let found = suspects.len();
                teller.say(
                    format!("{found} of the images are unlike the others: `Model.suspects`"),
                    true,
                );
            }
            Ok(pipeline)
        })
    })?;
    Ok(Model::new(pipeline, None))
}

/// Settings of a call.
#[derive(FromPyObject)]
pub(crate) enum SettingsOf<'py> {
    Given(Bound<'py, PyDict>),
    File(PathBuf),
}

impl SettingsOf<'_> {
    fn source(&self) -> PyResult<Source> {
        Ok(match self {
            Self::File(path) => Source::file(path).map_err(Failure::from)?,
            Self::Given(given) => {
                Source::json("settings", entries(given)?).map_err(Failure::from)?
            }
        })
    }
}

/// A dictionary as JSON has it.
fn entries(given: &Bound<'_, PyDict>) -> PyResult<Map<String, Value>> {
    let options = PyDict::new(given.py());
    options.set_item("allow_nan", false)?;
    let json = given.py().import("json")?.call_method("dumps", (given,), Some(&options));
    let text = json.map_err(|error| Failure::Config(format!("settings: {error}")))?;
    let entries = serde_json::from_str(&text.extract::<String>()?);
    Ok(entries.map_err(|error| Failure::Config(format!("settings: {error}")))?)
}
