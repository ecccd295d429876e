//! From a map to a score.

use nfbmr_onnx::{Graph, Value};
use serde::{Deserialize, Serialize};

use crate::error::PipelineError;

/// How an anomaly map, before upsampling, becomes an image score; of several levels the coarsest one's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Pooling {
    /// The largest value.
    Max,
    /// The mean.
    Mean,
    /// The mean of the largest values, this fraction (0, 1] of all, at least one.
    TopFraction(f64),
    /// The (population) standard deviation.
    Std,
}

impl Pooling {
    /// Checks what the type leaves open.
    pub(crate) fn check(self) -> Result<(), PipelineError> {
        match self {
            Self::TopFraction(fraction) if !(fraction > 0.0 && fraction <= 1.0) => {
                let problem = format!("pooling.top_fraction must be in (0, 1], found {fraction}");
                Err(PipelineError::Config(problem))
            }
            _ => Ok(()),
        }
    }

    /// How a map is pooled whose area is so many times larger: a defect weighs the same in it.
    pub(crate) fn over(self, times: f64) -> Self {
        match self {
            Self::TopFraction(fraction) => Self::TopFraction(fraction / times),
            other => other,
        }
    }

    /// [`Self::pool`] in a graph, of so many values of each image `[N, values]`.
    pub(crate) fn add_to(self, graph: &mut Graph, values: &Value, count: usize) -> Value {
        match self {
            Self::Max => graph.max(values, 1),
            Self::Mean => graph.mean(values, 1),
            Self::TopFraction(fraction) => {
                let [largest, _] = graph.largest(values, share(fraction, count), 1);
                graph.mean(&largest, 1)
            }
            Self::Std => {
                let mean = graph.mean(values, 1);
                let mean = graph.unsqueeze(&mean, 1);
                let deviations = graph.sub(values, &mean);
                let squares = graph.square(&deviations);
                let variance = graph.mean(&squares, 1);
                graph.apply("Sqrt", &variance)
            }
        }
    }

    /// One score of the values of a map; of an empty map −∞, 0 or NaN.
    pub fn pool(self, mut values: Vec<f32>) -> f32 {
        match self {
            Self::Max => values.into_iter().fold(f32::NEG_INFINITY, f32::max),
            Self::Mean => mean(&values) as f32,
            Self::TopFraction(fraction) => {
                values.sort_unstable_by(|a, b| b.total_cmp(a));
                values.truncate(share(fraction, values.len()));
                mean(&values) as f32
            }
            Self::Std => {
                let center = mean(&values);
                let square = |&v: &f32| (f64::from(v) - center).powi(2);
                (values.iter().map(square).sum::<f64>() / values.len() as f64).sqrt() as f32
            }
        }
    }
}

/// How many of so many values a fraction is.
fn share(fraction: f64, values: usize) -> usize {
    // The small offset undoes rounding: 0.1 * 30 is above 3 in floating point.
    let count = (fraction * values as f64 - 1e-9).ceil() as usize;
    count.max(1)
}

fn mean(values: &[f32]) -> f64 {
    values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pooling_as_defined() {
        let pool = |pooling: Pooling| pooling.pool(vec![1.0, 4.0, 2.0, 3.0, 10.0]);
        assert_eq!(pool(Pooling::Max), 10.0);
        assert_eq!(pool(Pooling::Mean), 4.0);
        assert_eq!(pool(Pooling::TopFraction(0.4)), 7.0);
        assert_eq!(pool(Pooling::TopFraction(0.01)), 10.0);
        assert_eq!(pool(Pooling::Std), 10f32.sqrt());
    }
}
