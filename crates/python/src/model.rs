//! A detector, as Python sees it.

use std::path::PathBuf;
use std::sync::Arc;

use nfbmr::data::{Limits, OnBadFile, to_rgb8};
use nfbmr::image::GenericImageView;
use nfbmr::{
    AnomalyModel, Calibration, DecisionThreshold, FalseAlarmRate, ImageName, Images, Known,
    Pipeline, StoredBackbone,
};
use numpy::PyArray3;
use numpy::ndarray::Array3;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use rayon::prelude::*;

use crate::compute::Compute;
use crate::detection::{Detection, Found};
use crate::each::Detections;
use crate::evaluation::{Evaluation, Labelled, Paths};
use crate::exit::detach;
use crate::failure::Failure;
use crate::image::Source;
use crate::images::{Given, Taken};
use crate::listener::Listener;
use crate::pool::pool;
use crate::shared::{ModelFile, Shared};
use crate::{json, log};

/// Reads a model file, as `nfbmr.train(...).save(path)` and the program `nfbmr train` write it.
///
/// `weights` is a file of the backbone's weights, for a model that doesn't include them; the embedded ones of
/// EfficientNet-Lite0 are there without it. `device` is "cpu", or "cuda:0" and so on in a build with CUDA.
///
/// Raises `ModelError` for a file that isn't a model, is damaged or needs other weights, and `DeviceError` for a device
/// that isn't there.
#[pyfunction]
#[pyo3(signature = (path, *, weights=None, device="cpu"))]
pub(crate) fn load(
    py: Python<'_>,
    path: PathBuf,
    weights: Option<PathBuf>,
    device: &str,
) -> PyResult<Model> {
    log::watch();
    let compute = Compute::new(device, weights)?;
    let pool = pool(py)?;
    let (pipeline, file) = detach(py, || {
        pool.install(|| -> Result<_, Failure> {
            let pipeline = compute.builder(compute.own_weights()?).load(&path)?;
            Ok((pipeline, ModelFile::of(&path)?))
        })
    })?;
    Ok(Model::new(pipeline, Some(file)))
}

/// A trained detector: images in, scores, verdicts and defects out. `train` and `load` make it.
///
/// Several threads may use one model. It isn't pickled: another process loads its file.
///
/// An image is a path, the bytes of an image file, a numpy array or a Pillow image. An array is uint8 or uint16, of
/// shape (height, width), (height, width, 1), (height, width, 3) for RGB, or (height, width, 4) for RGBA, whose alpha
/// is dropped as that of files is; its strides may be any.
#[pyclass(frozen, module = "nfbmr")]
pub(crate) struct Model {
    shared: Arc<Shared>,
}

impl Model {
    pub(crate) fn new(pipeline: Pipeline, file: Option<ModelFile>) -> Self {
        Self { shared: Arc::new(Shared::new(pipeline, file)) }
    }
}

#[pymethods]
impl Model {
    /// Scores one image.
    ///
    /// Raises `DataError` for an image that can't be read or has values that the model knows no white of.
    fn detect(&self, py: Python<'_>, image: &Bound<'_, PyAny>) -> PyResult<Detection> {
        let source = Source::of(image)?;
        let found = self.shared.with(py, |model| {
            let image = source.load(model.white_level())?;
            Found::new(model.detect(&image)?)
        })?;
        Detection::new(py, found)
    }

    /// Scores images together, and returns a detection for each in order. All are in memory at once.
    ///
    /// Raises `DataError` for the first that can't be scored; `detect_each` goes on.
    fn detect_batch(
        &self,
        py: Python<'_>,
        images: Vec<Bound<'_, PyAny>>,
    ) -> PyResult<Vec<Detection>> {
        let sources = images.iter().map(Source::of).collect::<PyResult<Vec<_>>>()?;
        let found = self.shared.with(py, |model| {
            let white_level = model.white_level();
            let images = sources.into_par_iter().map(|source| source.load(white_level));
            let images = images.collect::<Result<Vec<_>, _>>()?;
            let detections = model.detect_batch(&images)?;
            detections.into_iter().map(Found::new).collect::<Result<Vec<_>, _>>()
        })?;
        found.into_iter().map(|found| Detection::new(py, found)).collect()
    }

    /// Scores any number of images, a few at a time, and yields a detection for each in order, or the `NfbmrError` of
    /// one that can't be scored in its place. `images` may be any iterable.
    fn detect_each(&self, images: &Bound<'_, PyAny>) -> PyResult<Detections> {
        Detections::new(&self.shared, images)
    }

    /// The anomaly map of a detection over its image, on the scale of the calibration: uint8 of shape
    /// (height, width, 3), RGB.
    ///
    /// Raises `DataError` for an image of another size, or a system without maps.
    fn heatmap(
        &self,
        py: Python<'_>,
        image: &Bound<'_, PyAny>,
        detection: &Bound<'_, Detection>,
    ) -> PyResult<Py<PyArray3<u8>>> {
        let source = Source::of(image)?;
        let detection = detection.get().whole(py)?;
        let drawn = self.shared.with(py, |model| {
            let white_level = model.white_level();
            let image = source.load(white_level)?;
            let map = &detection.anomaly_map;
            if !map.is_none() && image.dimensions() != (map.width, map.height) {
                let (width, height) = image.dimensions();
                return Err(Failure::Data(format!(
                    "expected the image of the detection, {} x {} pixels, found one of {width} x {height}",
                    map.width, map.height
                )));
            }
            let image = to_rgb8(&image, white_level).map_err(nfbmr::PipelineError::from)?;
            Ok(model.heatmap(&image, &detection)?)
        })?;
        let size = [drawn.height() as usize, drawn.width() as usize, 3];
        let pixels = Array3::from_shape_vec(size, drawn.into_raw())
            .map_err(|error| Failure::Data(format!("expected a whole image, found {error}")))?;
        Ok(PyArray3::from_owned_array(py, pixels).unbind())
    }

    /// Calibrates the model on images of good parts that it wasn't trained on, a folder, a list of paths or a list of
    /// images in memory: they set the thresholds for a rate of false alarms, by default 0.05 or the smallest that so
    /// many images support.
    ///
    /// `progress` and `notes` are as those of `train`. Other calls raise `CalibrationError` while it runs.
    ///
    /// Raises `CalibrationError` for images that the model was trained on or that are too few; an earlier calibration
    /// stays then.
    #[pyo3(signature = (images, max_false_alarms=None, *, skip_bad=false, progress=None, notes=None))]
    fn calibrate(
        &self,
        py: Python<'_>,
        images: &Bound<'_, PyAny>,
        max_false_alarms: Option<f64>,
        skip_bad: bool,
        progress: Option<Py<PyAny>>,
        notes: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let given = Given::of(images)?;
        let rate = max_false_alarms.map(FalseAlarmRate::new).transpose().map_err(Failure::from)?;
        let listener = Listener::new(py, progress, notes)?;
        self.shared.calibrate(py, listener, |model, teller| {
            let taken = given.take(&teller)?;
            let mut skipped = Vec::new();
            let images = match &taken {
                Taken::Decoded(images) => images.into(),
                Taken::Files(selection) => {
                    let on_bad = match skip_bad {
                        true => OnBadFile::Skip(&mut skipped),
                        false => OnBadFile::Stop,
                    };
                    Images::Files { paths: &selection.images, limits: Limits::default(), on_bad }
                }
            };
            model.calibrate(images, rate, &mut |progress| teller.progress(progress))?;
            for error in skipped {
                teller.say(format!("skipped: {error}"), true);
            }
            Ok(())
        })
    }

    /// Sets another rate of false alarms, by the images of the calibration before.
    ///
    /// Raises `CalibrationError` for a model that isn't calibrated, or a rate that its images don't support.
    fn set_max_false_alarms(&self, py: Python<'_>, rate: f64) -> PyResult<()> {
        self.shared
            .set(py, |model| Ok(model.calibration_mut()?.set_rate(FalseAlarmRate::new(rate)?)?))
    }

    /// Sets the score above which an image is anomalous by hand. p-values stay what they are.
    ///
    /// Raises `CalibrationError` for a model that isn't calibrated, or that is one of folds.
    fn set_threshold(&self, py: Python<'_>, score: f32) -> PyResult<()> {
        self.shared.set(py, |model| Ok(model.calibration_mut()?.set_threshold(score)?))
    }

    /// Sets the value of an anomaly map above which a pixel belongs to a defect by hand.
    ///
    /// Raises `CalibrationError` as `set_threshold`, and for a system without maps.
    fn set_pixel_threshold(&self, py: Python<'_>, score: f32) -> PyResult<()> {
        self.shared.set(py, |model| Ok(model.calibration_mut()?.set_pixel_threshold(score)?))
    }

    /// Measures the model on labelled images: the folder of a data set, or of good and bad images; or folders of each
    /// with `good`, `bad` and `masks`, each of them one path or several. Images that the model knows are left out.
    ///
    /// Raises `DataError` for an image or a mask that can't be read, unless `skip_bad`.
    #[pyo3(signature = (folder=None, *, good=None, bad=None, masks=None, skip_bad=false, notes=None))]
    #[expect(clippy::too_many_arguments, reason = "named in Python")]
    fn evaluate(
        &self,
        py: Python<'_>,
        folder: Option<PathBuf>,
        good: Option<Paths>,
        bad: Option<Paths>,
        masks: Option<Paths>,
        skip_bad: bool,
        notes: Option<Py<PyAny>>,
    ) -> PyResult<Evaluation> {
        let labelled = Labelled::new(folder, good, bad, masks)?;
        Evaluation::new(py, &self.shared, labelled, skip_bad, Listener::new(py, None, notes)?)
    }

    /// Writes the model to one file, which replaces an old one once it is whole.
    ///
    /// `include_weights` says whether the weights of the backbone are in it; by default they are unless they are the
    /// embedded ones.
    ///
    /// Raises `ModelError`; a file that was there stays then.
    #[pyo3(signature = (path, include_weights=None))]
    fn save(&self, py: Python<'_>, path: PathBuf, include_weights: Option<bool>) -> PyResult<()> {
        let file = self.shared.with(py, |model| {
            match include_weights {
                None => model.save(&path)?,
                Some(true) => model.save_with(&path, StoredBackbone::Included)?,
                Some(false) => model.save_with(&path, StoredBackbone::Referred)?,
            }
            ModelFile::of(&path)
        })?;
        self.shared.set_file(file);
        Ok(())
    }

    /// The configuration that the model was trained with, as a dictionary.
    #[getter]
    fn config<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let text = self.shared.peek(py, |model| json::text(model.config()))??;
        json::object(py, &text)
    }

    /// What the file that the model was last loaded from or saved to says of itself, as `nfbmr inspect --json`; None of
    /// a model that is in no file.
    #[getter]
    fn info<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.shared.file().map(|file| json::object(py, &file.info)).transpose()
    }

    /// That file; None of a model that is in none.
    #[getter]
    fn path(&self) -> Option<PathBuf> {
        self.shared.file().map(|file| file.path)
    }

    /// The SHA-256 of that file as it was then, in hexadecimal.
    #[getter]
    fn sha256(&self) -> Option<String> {
        self.shared.file().map(|file| file.sha256)
    }

    /// What the model is calibrated to, as a dictionary; None where it isn't.
    #[getter]
    fn calibration<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let text =
            self.shared.peek(py, |model| model.calibration().map(json::text).transpose())??;
        text.map(|text| json::object(py, &text)).transpose()
    }

    /// The score above which an image is anomalous; None of a model of folds, or one that isn't calibrated.
    #[getter]
    fn threshold(&self, py: Python<'_>) -> PyResult<Option<f32>> {
        self.threshold_of(py, Calibration::threshold)
    }

    /// The value of an anomaly map above which a pixel belongs to a defect; None as `threshold`, and of a system
    /// without maps.
    #[getter]
    fn pixel_threshold(&self, py: Python<'_>) -> PyResult<Option<f32>> {
        self.threshold_of(py, Calibration::pixel_threshold)
    }

    /// Whether the model knows an image of this content: "training", "calibration" or None. It scores what it knows
    /// too low for any figure.
    fn known(&self, py: Python<'_>, image: &Bound<'_, PyAny>) -> PyResult<Option<&'static str>> {
        let source = Source::of(image)?;
        let known = self.shared.with(py, |model| {
            let image = source.load(model.white_level())?;
            Ok(model.known(&image)?)
        })?;
        Ok(known.map(|known| match known {
            Known::Training => "training",
            Known::Calibration => "calibration",
        }))
    }

    /// The images of this training that are far out of the others, defects among the good perhaps: the path of each, or
    /// its index in a list of images in memory, and how many interquartile ranges it is above them. None where that
    /// isn't known: of a model that was loaded, or trained on few images.
    #[getter]
    fn suspects(&self, py: Python<'_>) -> PyResult<Option<Vec<(Name, f64)>>> {
        self.shared.peek(py, |model| {
            let suspects = model.suspects()?.iter();
            Some(suspects.map(|suspect| (Name::of(&suspect.image), suspect.ranges)).collect())
        })
    }

    /// The device that computes.
    #[getter]
    fn device(&self, py: Python<'_>) -> PyResult<String> {
        self.shared.peek(py, |model| model.device().to_string())
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "a Model isn't pickled: save it, hand its path over and call `nfbmr.load` in the other process",
        ))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let system = self.shared.peek(py, |model| model.config().system.system().to_string())?;
        let file = self.shared.file().map(|file| format!(" of {}", file.path.display()));
        let threshold = self.threshold(py)?.map_or("None".to_owned(), |value| value.to_string());
        Ok(format!("<Model {system}{}, threshold {threshold}>", file.unwrap_or_default()))
    }
}

impl Model {
    fn threshold_of(
        &self,
        py: Python<'_>,
        of: fn(&Calibration) -> Option<DecisionThreshold>,
    ) -> PyResult<Option<f32>> {
        self.shared.peek(py, |model| Some(of(model.calibration()?)?.value))
    }
}

/// Which image it is.
#[derive(IntoPyObject)]
enum Name {
    Path(PathBuf),
    Index(usize),
}

impl Name {
    fn of(image: &ImageName) -> Self {
        match image {
            ImageName::Path(path) => Self::Path(path.clone()),
            ImageName::Index(index) => Self::Index(*index),
        }
    }
}
