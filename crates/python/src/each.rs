//! Any number of images, one after the other, with what fails in its place.

use std::collections::VecDeque;
use std::sync::Arc;

use nfbmr::{AnomalyModel, Pipeline};
use pyo3::prelude::*;
use pyo3::types::PyIterator;
use rayon::prelude::*;

use crate::detection::{Detection, Found};
use crate::failure::{Failure, is_ours};
use crate::image::Source;
use crate::pool::pool;
use crate::shared::Shared;

/// Detections of images in their order, an exception in the place of each image that can't be scored.
#[pyclass(module = "nfbmr")]
pub(crate) struct Detections {
    model: Arc<Shared>,
    images: Py<PyIterator>,
    /// Those that are scored and not asked for yet.
    scored: VecDeque<Py<PyAny>>,
    /// What ends the images, once those before it are handed out.
    raised: Option<PyErr>,
}

impl Detections {
    pub(crate) fn new(model: &Arc<Shared>, images: &Bound<'_, PyAny>) -> PyResult<Self> {
        let images = images.try_iter()?.unbind();
        let model = Arc::clone(model);
        Ok(Self { model, images, scored: VecDeque::new(), raised: None })
    }

    /// Scores as many images as there are threads.
    fn more(&mut self, py: Python<'_>) -> PyResult<()> {
        let threads = pool(py)?.current_num_threads();
        let (mut sources, mut refused) = (Vec::new(), Vec::new());
        for image in self.images.bind(py).clone().take(threads) {
            match image.and_then(|image| Source::of(&image)) {
                Ok(source) => sources.push(source),
                Err(error) if is_ours(py, &error) => {
                    refused.push((refused.len() + sources.len(), error))
                }
                Err(error) => {
                    self.raised = Some(error);
                    break;
                }
            }
        }
        let scored = self.model.with(py, |model| Ok(score(model, sources)))?;
        let mut all = VecDeque::with_capacity(scored.len() + refused.len());
        for scored in scored {
            all.push_back(match scored {
                Ok(found) => Py::new(py, Detection::new(py, found)?)?.into_any(),
                Err(failure) => PyErr::from(failure).into_value(py).into_any(),
            });
        }
        for (index, error) in refused {
            all.insert(index.min(all.len()), error.into_value(py).into_any());
        }
        self.scored = all;
        Ok(())
    }
}

/// Scores images together.
fn score(model: &Pipeline, sources: Vec<Source>) -> Vec<Result<Found, Failure>> {
    let white_level = model.white_level();
    let loaded: Vec<_> = sources.into_par_iter().map(|source| source.load(white_level)).collect();
    let mut images = Vec::with_capacity(loaded.len());
    let failed: Vec<Option<Failure>> =
        loaded.into_iter().map(|loaded| loaded.map(|image| images.push(image)).err()).collect();
    let mut detections = match model.detect_batch(&images) {
        Ok(detections) => detections.into_iter().map(Ok).collect(),
        // One is at fault; the others have scores of their own.
        Err(_) => images.iter().map(|image| model.detect(image)).collect::<Vec<_>>(),
    }
    .into_iter();
    let place = |failed: Option<Failure>| match failed {
        Some(failure) => Some(Err(failure)),
        None => detections.next().map(|detection| Found::new(detection?)),
    };
    failed.into_iter().filter_map(place).collect()
}

#[pymethods]
impl Detections {
    fn __iter__(own: PyRef<'_, Self>) -> PyRef<'_, Self> {
        own
    }

    fn __next__(&mut self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        if self.scored.is_empty() && self.raised.is_none() {
            self.more(py)?;
        }
        match (self.scored.pop_front(), self.raised.take()) {
            (Some(scored), raised) => {
                self.raised = raised;
                Ok(Some(scored))
            }
            (None, Some(raised)) => Err(raised),
            (None, None) => Ok(None),
        }
    }
}
