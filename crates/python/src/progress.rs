//! Where a training stands, as Python sees it.

use pyo3::prelude::*;

/// Where a training or a calibration stands. As text it is a line such as
/// `flow: epoch 3 of 10, loss 0.1234, 52 images/s, 4 s left`.
#[pyclass(frozen, module = "nfbmr")]
pub(crate) struct Progress {
    /// Which model of how many is trained, from 1, where there is one for each fold.
    #[pyo3(get)]
    fold: Option<(usize, usize)>,
    /// Which level is trained of how many, from 1, where a system has a network for each.
    #[pyo3(get)]
    level: Option<(usize, usize)>,
    /// The stage: `flow`, `bmr`, `calibration` and so on.
    #[pyo3(get)]
    phase: String,
    /// The epoch in progress, from 1.
    #[pyo3(get)]
    epoch: usize,
    /// Epochs of the stage.
    #[pyo3(get)]
    epochs: usize,
    /// Images seen in the stage, over all epochs.
    #[pyo3(get)]
    images: usize,
    /// Images of the stage, over all epochs.
    #[pyo3(get)]
    total_images: usize,
    /// Mean loss of the last complete epoch.
    #[pyo3(get)]
    loss: Option<f64>,
    /// Images per second in the stage so far.
    #[pyo3(get)]
    images_per_s: f64,
    /// An estimate of the time left in the stage, in seconds.
    #[pyo3(get)]
    remaining_s: f64,
    /// All of it in one line.
    line: String,
}

impl Progress {
    pub(crate) fn new(progress: &nfbmr::Progress) -> Self {
        Self {
            fold: progress.fold,
            level: progress.level,
            phase: progress.phase.to_string(),
            epoch: progress.epoch,
            epochs: progress.epochs,
            images: progress.images,
            total_images: progress.total_images,
            loss: progress.loss,
            images_per_s: progress.images_per_s,
            remaining_s: progress.remaining.as_secs_f64(),
            line: progress.to_string(),
        }
    }
}

#[pymethods]
impl Progress {
    fn __str__(&self) -> &str {
        &self.line
    }

    fn __repr__(&self) -> String {
        format!("<Progress {}>", self.line)
    }
}
