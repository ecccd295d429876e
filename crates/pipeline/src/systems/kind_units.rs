//! The units that make scores of good images alike, whatever their kind.

use nfbmr_backend::Backend;

use super::settings::unusable;
use super::{Setup, Training};
use crate::error::{ModelError, PipelineError};
use crate::file::Learned;

/// The name of the units in a model file.
const KIND_UNITS: &str = "kind_units";

/// What anomaly maps of each kind are divided by: the mean score of its training images, each by the statistics of the
/// others, over that of all. None for a single kind.
pub(super) fn kind_units<B: Backend>(
    training: &Training<'_, '_, '_, B>,
    left_out: Option<&[f64]>,
) -> Vec<f64> {
    let Training { features, setup, .. } = training;
    let (Some(scores), 2..) = (left_out, setup.kinds) else { return Vec::new() };
    let mean = |sum: f64, count: usize| sum / count.max(1) as f64;
    let all = mean(scores.iter().sum(), scores.len());
    let unit = |(kind, count)| {
        let own = scores.iter().zip(&features.kinds).filter(|(_, own)| **own == kind);
        let unit = mean(own.map(|(score, _)| score).sum(), count) / all;
        if unit.is_normal() && unit > 0.0 { unit } else { 1.0 }
    };
    features.of_kinds(setup.kinds).into_iter().enumerate().map(unit).collect()
}

/// Adds them to what a file holds.
pub(super) fn store(units: &[f64], learned: &mut Learned) -> Result<(), ModelError> {
    match units.is_empty() {
        true => Ok(()),
        false => learned.put_constant(KIND_UNITS, &units),
    }
}

/// Those of a file.
pub(super) fn load<B: Backend>(
    learned: &mut Learned,
    setup: &Setup<'_, B>,
) -> Result<Vec<f64>, ModelError> {
    let kinds = setup.kinds;
    if kinds < 2 {
        return Ok(Vec::new());
    }
    let units: Vec<f64> = learned.take_constant(KIND_UNITS)?;
    match units.len() == kinds && units.iter().all(|unit| unit.is_normal() && *unit > 0.0) {
        true => Ok(units),
        false => Err(unusable(PipelineError::Config(format!(
            "{KIND_UNITS}: expected {kinds} positive numbers, found {units:?}"
        )))),
    }
}
