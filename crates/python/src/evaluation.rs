//! A model on labelled images, as Python sees it.

use std::path::PathBuf;
use std::sync::Arc;

use nfbmr::data::{Dataset, LabelledSelection, Limits, OnBadFile};
use nfbmr::evaluation::{ImageMetrics, PixelMetrics, evaluate};
use nfbmr::report::{self, Report};
use pyo3::prelude::*;

use crate::failure::Failure;
use crate::json;
use crate::listener::{Listener, Teller};
use crate::shared::Shared;

/// One path or several.
#[derive(FromPyObject)]
pub(crate) enum Paths {
    One(PathBuf),
    Several(Vec<PathBuf>),
}

impl Paths {
    fn all(this: Option<Self>) -> Vec<PathBuf> {
        match this {
            None => Vec::new(),
            Some(Self::One(path)) => vec![path],
            Some(Self::Several(paths)) => paths,
        }
    }
}

/// Which images are labelled.
pub(crate) enum Labelled {
    Folder(PathBuf),
    Folders { good: Vec<PathBuf>, bad: Vec<PathBuf>, masks: Vec<PathBuf> },
}

impl Labelled {
    pub(crate) fn new(
        folder: Option<PathBuf>,
        good: Option<Paths>,
        bad: Option<Paths>,
        masks: Option<Paths>,
    ) -> Result<Self, Failure> {
        match (folder, good, bad, masks) {
            (Some(folder), None, None, None) => Ok(Self::Folder(folder)),
            (None, good @ Some(_), bad @ Some(_), masks) => {
                let [good, bad, masks] = [good, bad, masks].map(Paths::all);
                Ok(Self::Folders { good, bad, masks })
            }
            _ => Err(Failure::Config(
                "expected a folder, or `good` and `bad` with `masks` if there are any".to_owned(),
            )),
        }
    }

    fn selection(&self) -> Result<LabelledSelection, Failure> {
        Ok(match self {
            Self::Folder(folder) => LabelledSelection::in_folder(folder, None)?,
            Self::Folders { good, bad, masks } => LabelledSelection::of_folders(good, bad, masks)?,
        })
    }
}

/// What a model makes of labelled images. As text it is what `nfbmr evaluate` prints.
#[pyclass(frozen, module = "nfbmr")]
pub(crate) struct Evaluation {
    model: Arc<Shared>,
    evaluation: nfbmr::evaluation::Evaluation,
    results: Results,
}

/// What comes out, worded.
struct Results {
    name: String,
    json: String,
    lines: String,
    run: report::Run,
    image: Option<ImageMetrics>,
    pixel: Option<PixelMetrics>,
}

impl Evaluation {
    pub(crate) fn new(
        py: Python<'_>,
        model: &Arc<Shared>,
        labelled: Labelled,
        skip_bad: bool,
        listener: Listener,
    ) -> PyResult<Self> {
        let (evaluation, results) = model.watched(py, listener, |model, teller| {
            let selection = labelled.selection()?;
            teller.say(selection.to_string(), false);
            let set = selection.set;
            let (evaluation, flagged, skipped) = of(model, &set, skip_bad, &teller)?;
            let (config, calibration) = (model.config(), model.calibration());
            let results =
                nfbmr_cli::Results::new(&set, config, calibration, &evaluation, &flagged, skipped);
            let results = Results {
                json: json::text(&results)?,
                lines: results.to_string(),
                image: evaluation.image_metrics().ok(),
                pixel: evaluation.pixel_metrics().ok().flatten(),
                name: set.name,
                run: results.run,
            };
            Ok((evaluation, results))
        })?;
        Ok(Self { model: Arc::clone(model), evaluation, results })
    }
}

/// The evaluation, which images are called anomalous, and how many are skipped.
fn of(
    model: &nfbmr::Pipeline,
    set: &Dataset,
    skip_bad: bool,
    teller: &Teller,
) -> Result<(nfbmr::evaluation::Evaluation, Vec<bool>, usize), Failure> {
    let (mut flagged, mut skipped) = (Vec::new(), Vec::new());
    let on_bad = match skip_bad {
        true => OnBadFile::Skip(&mut skipped),
        false => OnBadFile::Stop,
    };
    let evaluation =
        evaluate(model, &set.test, &Limits::default(), on_bad, &mut |_, detection| {
            flagged.push(detection.is_anomalous().unwrap_or(false));
            teller.go_on()
        })?;
    for error in &skipped {
        teller.say(format!("skipped: {error}"), true);
    }
    if let Some((first, _)) = evaluation.known.first() {
        teller.say(
            format!(
                "left out: {} that the model was trained or calibrated on, the first {}",
                evaluation.known.len(),
                first.display()
            ),
            true,
        );
    }
    match (evaluation.images.is_empty(), evaluation.known.len(), skipped.len()) {
        (true, known @ 1.., _) => Err(Failure::Data(format!(
            "expected images that the model wasn't trained or calibrated on, found {known} that it was alone"
        ))),
        (true, _, skipped @ 1..) => Err(Failure::Data(format!(
            "expected images that can be read, found none among {skipped}"
        ))),
        (_, _, skipped) => Ok((evaluation, flagged, skipped)),
    }
}

#[pymethods]
impl Evaluation {
    /// The area under the ROC curve of the image scores; None without a good or without a bad image.
    #[getter]
    fn auroc(&self) -> Option<f64> {
        self.results.image.map(|image| image.auroc)
    }

    /// The average precision of the image scores; None as `auroc`.
    #[getter]
    fn average_precision(&self) -> Option<f64> {
        self.results.image.map(|image| image.average_precision)
    }

    /// The area under the ROC curve of the pixels; None without masks or maps.
    #[getter]
    fn pixel_auroc(&self) -> Option<f64> {
        self.results.pixel.map(|pixel| pixel.auroc.value)
    }

    /// The area under the per-region overlap up to a false-positive rate of 0.3; None as `pixel_auroc`.
    #[getter]
    fn pixel_aupro(&self) -> Option<f64> {
        self.results.pixel.map(|pixel| pixel.aupro.value)
    }

    /// All of it, as `nfbmr evaluate --json` has it.
    fn as_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json::object(py, &self.results.json)
    }

    /// Writes `report.html`, which any browser opens, and its charts into a folder, and returns its path. Images are
    /// read and scored once more.
    fn report(&self, py: Python<'_>, folder: PathBuf) -> PyResult<PathBuf> {
        let (evaluation, results) = (&self.evaluation, &self.results);
        let file = self.model.file().map(|file| file.path.display().to_string());
        let file = file.unwrap_or_else(|| "a model in memory".to_owned());
        self.model.with(py, |model| {
            let limits = Limits::default();
            let mut report = Report::new(format!("{}: {file}", results.name));
            let mut run = results.run.clone();
            report.examples = report::examples(model, evaluation, &run, &limits)?;
            run.projections = report::projections(model, evaluation, &limits)?;
            report.runs.push(run);
            Ok(report.write_folder(folder)?)
        })
    }

    fn __str__(&self) -> &str {
        &self.results.lines
    }

    fn __repr__(&self) -> String {
        let images = self.evaluation.images.len();
        let auroc = self.auroc().map_or("None".to_owned(), |auroc| format!("{auroc:.4}"));
        format!("<Evaluation {} on {images} images, AUROC {auroc}>", self.results.name)
    }
}
