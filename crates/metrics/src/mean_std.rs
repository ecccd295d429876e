//! Metrics over several runs. Knows errors alone.

use crate::error::MetricError;

/// The mean of a metric over runs and how much the runs differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanStd {
    /// The arithmetic mean.
    pub mean: f64,
    /// The sample standard deviation: over n values, the sum of squares is divided by n - 1.
    pub std: f64,
}

/// The mean and the sample standard deviation of one metric over several seeds.
///
/// # Errors
/// [`MetricError::TooFewValues`] for fewer than two, [`MetricError::NonFinite`] where one is
/// infinite or not a number.
pub fn mean_std(values: &[f64]) -> Result<MeanStd, MetricError> {
    if values.len() < 2 {
        return Err(MetricError::TooFewValues { expected: 2, found: values.len() });
    }
    if let Some(index) = values.iter().position(|value| !value.is_finite()) {
        return Err(MetricError::NonFinite { index });
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    Ok(MeanStd { mean, std: (squares / (values.len() - 1) as f64).sqrt() })
}
