//! What fails, as an exception of Python. The exceptions themselves are of `nfbmr/_errors.py`.

use nfbmr::calibration::CalibrationError;
use nfbmr::data::{DataError, DecodeError, HoldOutError};
use nfbmr::evaluation::MetricError;
use nfbmr::report::ReportError;
use nfbmr::{CalibrateError, DeviceError, PipelineError};
use nfbmr_settings::{SettingError, UnknownPreset};
use pyo3::PyErr;

/// Names of exceptions, which stay out of the way of Rust's.
mod python {
    pyo3::import_exception!(nfbmr._errors, NfbmrError);
    pyo3::import_exception!(nfbmr._errors, ConfigError);
    pyo3::import_exception!(nfbmr._errors, DataError);
    pyo3::import_exception!(nfbmr._errors, ModelError);
    pyo3::import_exception!(nfbmr._errors, CalibrationError);
    pyo3::import_exception!(nfbmr._errors, DeviceError);
    pyo3::import_exception!(nfbmr._errors, TrainingError);
    pyo3::import_exception!(nfbmr._errors, Interrupted);
}

/// What fails.
#[derive(Debug)]
pub(crate) enum Failure {
    Pipeline(PipelineError),
    /// Settings or other arguments without meaning.
    Config(String),
    /// Images that aren't any, or not those that are asked for.
    Data(String),
    /// A folder of a report that can't be written.
    Report(ReportError),
    /// A model that is in use.
    Busy,
}

/// What an error of the detector is made of.
macro_rules! from_parts {
    ($($part:ty),+) => {
        $(impl From<$part> for Failure {
            fn from(error: $part) -> Self {
                Self::Pipeline(error.into())
            }
        })+
    };
}

from_parts!(PipelineError, DataError, HoldOutError, MetricError, CalibrateError, DeviceError);

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::Data(error.to_string())
    }
}

impl From<CalibrationError> for Failure {
    fn from(error: CalibrationError) -> Self {
        CalibrateError::from(error).into()
    }
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        Self::Report(error)
    }
}

impl From<UnknownPreset> for Failure {
    fn from(error: UnknownPreset) -> Self {
        Self::Config(error.to_string())
    }
}

impl From<SettingError> for Failure {
    fn from(error: SettingError) -> Self {
        match error {
            SettingError::Pipeline(error) => Self::Pipeline(error),
            error => Self::Config(error.to_string()),
        }
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Pipeline(error) => of_pipeline(&error),
            Failure::Config(problem) => python::ConfigError::new_err(problem),
            Failure::Data(problem) => python::DataError::new_err(problem),
            Failure::Report(error) => python::NfbmrError::new_err(error.to_string()),
            Failure::Busy => python::CalibrationError::new_err(
                "the model is being calibrated: expected other calls before or after that",
            ),
        }
    }
}

fn of_pipeline(error: &PipelineError) -> PyErr {
    let text = error.to_string();
    match error {
        PipelineError::Config(_)
        | PipelineError::Backbone(_)
        | PipelineError::WeightsVariant { .. }
        | PipelineError::NoWeights
        | PipelineError::NoTargetWeights
        | PipelineError::Flow(_)
        | PipelineError::Bmr(_)
        | PipelineError::Bpfm(_)
        | PipelineError::HoldOut(HoldOutError::Share { .. } | HoldOutError::Pattern { .. }) => {
            python::ConfigError::new_err(text)
        }
        PipelineError::Data(_)
        | PipelineError::HoldOut(_)
        | PipelineError::Size(_)
        | PipelineError::Pixels(_)
        | PipelineError::Frame(_)
        | PipelineError::Metric(_) => python::DataError::new_err(text),
        PipelineError::Model { .. }
        | PipelineError::Checkpoint { .. }
        | PipelineError::Cache(_)
        | PipelineError::Weights(_)
        | PipelineError::WeightsFile { .. } => python::ModelError::new_err(text),
        PipelineError::Calibration(_) => python::CalibrationError::new_err(text),
        PipelineError::Device(_) => python::DeviceError::new_err(text),
        PipelineError::Alignment(_)
        | PipelineError::Whitening(_)
        | PipelineError::Peer(_)
        | PipelineError::Training(_) => python::TrainingError::new_err(text),
        PipelineError::Interrupted(_) => python::Interrupted::new_err(text),
        _ => python::NfbmrError::new_err(text),
    }
}

/// Whether an exception is one of ours.
pub(crate) fn is_ours(py: pyo3::Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<python::NfbmrError>(py)
}
