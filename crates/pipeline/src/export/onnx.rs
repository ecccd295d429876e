//! A detector as one ONNX graph, from the pixels of an image to its verdict.

use std::path::Path;

use nfbmr_backend::Backend;
use nfbmr_data::Size;
use nfbmr_onnx::{Dim, Element, Graph, Value};

use crate::calibrate::Calibration;
use crate::error::{ExportError, PipelineError};
use crate::input::AlignmentMotion;
use crate::model::{CrossFitted, FORMAT_VERSION, Pipeline};
use crate::score::{GraphDetection, Placed};

/// The longest side of images: a matrix for it still fits a file.
const MOST_PIXELS: u32 = 1 << 14;
/// The systems that add themselves to a graph.
const SYSTEMS: &[&str] = &["`nf-bmr`", "`nf`", "`padim`", "`patchcore`"];
/// The dimension of the images.
const IMAGES: Dim = Dim::Named("N");

/// How a model is written as an ONNX graph.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct OnnxExport {
    /// The size of the images that the graph takes; that of the network's input by default, so that
    /// nothing is resized.
    pub size: Option<Size>,
    /// SHA-256 of the model's file, for the graph's metadata.
    pub model_sha256: Option<String>,
}

impl OnnxExport {
    /// For images of the network's input size.
    pub fn new() -> Self {
        Self::default()
    }

    /// For images of this size.
    #[must_use]
    pub fn size(self, size: impl Into<Size>) -> Self {
        Self { size: Some(size.into()), ..self }
    }

    /// With the SHA-256 of the model's file among the metadata.
    #[must_use]
    pub fn model_sha256(self, sha256: impl Into<String>) -> Self {
        Self { model_sha256: Some(sha256.into()), ..self }
    }
}

impl<B: Backend> Pipeline<B> {
    /// The bytes of an ONNX file that scores images as the model does; `docs/onnx.md` has its
    /// inputs and outputs.
    ///
    /// # Errors
    /// [`PipelineError::Export`] for what a graph doesn't say, [`PipelineError::Size`] for an image
    /// size without pixels.
    pub fn to_onnx(&self, export: &OnnxExport) -> Result<Vec<u8>, PipelineError> {
        to_onnx(std::slice::from_ref(self), self.calibration(), export)
    }

    /// Writes [`Self::to_onnx`] to a file, atomically.
    ///
    /// # Errors
    /// As [`Self::to_onnx`], and [`ExportError::Write`]; a file that was there before stays intact
    /// then.
    pub fn export_onnx(
        &self,
        path: impl AsRef<Path>,
        export: &OnnxExport,
    ) -> Result<(), PipelineError> {
        write(path.as_ref(), &self.to_onnx(export)?)
    }
}

impl<B: Backend> CrossFitted<B> {
    /// As [`Pipeline::to_onnx`]: the models of all folds in one graph.
    ///
    /// # Errors
    /// As [`Pipeline::to_onnx`].
    pub fn to_onnx(&self, export: &OnnxExport) -> Result<Vec<u8>, PipelineError> {
        to_onnx(self.models(), Some(self.calibration()), export)
    }

    /// As [`Pipeline::export_onnx`].
    ///
    /// # Errors
    /// As [`Pipeline::export_onnx`].
    pub fn export_onnx(
        &self,
        path: impl AsRef<Path>,
        export: &OnnxExport,
    ) -> Result<(), PipelineError> {
        write(path.as_ref(), &self.to_onnx(export)?)
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), PipelineError> {
    let failed = |source| ExportError::Write { path: path.to_owned(), source };
    Ok(nfbmr_files::write(path, bytes).map_err(failed)?)
}

/// The graph of models of one configuration, one or more, whose features are the same.
fn to_onnx<B: Backend>(
    models: &[Pipeline<B>],
    calibration: Option<&Calibration>,
    export: &OnnxExport,
) -> Result<Vec<u8>, PipelineError> {
    let none = || PipelineError::Config("expected a model, found none".to_owned());
    let first = models.first().ok_or_else(none)?;
    let (config, input) = (first.config(), &first.input);
    let motion = config.alignment.motion;
    if motion != AlignmentMotion::Off {
        return Err(ExportError::Alignment { found: motion.to_string() }.into());
    }
    let size @ Size { width, height } = export.size.unwrap_or(input.size.into());
    if !(1..=MOST_PIXELS).contains(&width) || !(1..=MOST_PIXELS).contains(&height) {
        return Err(ExportError::Size { most: MOST_PIXELS, width, height }.into());
    }

    let mut graph = Graph::new();
    let images = input.add_to(&mut graph, size)?;
    let side = input.network_size();
    let y = first.source().add_to(&mut graph, &images, side)?;
    let content = input.fit.placement(size, input.size.into())?;
    let placed = Placed { input, content, size, aligned: None };
    let mut found = Vec::with_capacity(models.len());
    for model in models {
        let maps = model.head.add_to(&mut graph, &y, side).ok_or_else(|| {
            let found = config.system.system().name();
            ExportError::System { expected: SYSTEMS, found }
        })?;
        let maps = match input.tiles {
            Some(tiles) => maps.stitched(&mut graph, tiles),
            None => maps,
        };
        found.push(placed.add_to(&mut graph, maps)?);
    }

    let scores: Vec<Value> = found.iter().map(|own| own.score.clone()).collect();
    let maps: Vec<Value> = found.iter().map(|own| own.map.clone()).collect();
    let score = mean(&mut graph, &scores).ok_or_else(none)?;
    let map = mean(&mut graph, &maps).ok_or_else(none)?;
    graph.output("score", &score, Element::Float, &[IMAGES]);
    if let Some(calibration) = calibration {
        let [p_value, is_anomalous] = calibration.add_to(&mut graph, &scores);
        graph.output("p_value", &p_value, Element::Float, &[IMAGES]);
        graph.output("is_anomalous", &is_anomalous, Element::Bool, &[IMAGES]);
    }
    let dims = [IMAGES, Dim::Of(height as usize), Dim::Of(width as usize)];
    graph.output("anomaly_map", &map, Element::Float, &dims);
    // All models number kinds alike.
    if let Some(GraphDetection { kind: Some(kind), .. }) = found.first() {
        graph.output("kind", kind, Element::Int64, &[IMAGES]);
    }

    let version = env!("CARGO_PKG_VERSION");
    let config = serde_json::to_string(config)
        .map_err(|error| PipelineError::Config(format!("it can't be written as JSON: {error}")))?;
    let threshold = calibration.and_then(Calibration::threshold);
    let pixel_threshold = calibration.and_then(Calibration::pixel_threshold);
    let metadata = [
        ("format_version", Some(FORMAT_VERSION.to_string())),
        ("program_version", Some(version.to_owned())),
        ("input_size", Some(format!("{width}x{height}"))),
        ("config", Some(config)),
        ("model_sha256", export.model_sha256.clone()),
        ("threshold", threshold.map(|own| own.value.to_string())),
        ("pixel_threshold", pixel_threshold.map(|own| own.value.to_string())),
        ("false_alarm_rate", calibration.map(|own| own.rate().get().to_string())),
    ];
    for (key, value) in metadata {
        if let Some(value) = value {
            graph.metadata(&format!("nfbmr.{key}"), &value);
        }
    }
    Ok(graph.finish("nfbmr", version).map_err(ExportError::from)?)
}

/// The mean of values of one shape; a single one as it is.
fn mean(graph: &mut Graph, values: &[Value]) -> Option<Value> {
    let (first, rest) = values.split_first()?;
    let sum = rest.iter().fold(first.clone(), |sum, value| graph.add(&sum, value));
    Some(match rest.is_empty() {
        true => sum,
        false => graph.scale(&sum, 1.0 / values.len() as f32),
    })
}
