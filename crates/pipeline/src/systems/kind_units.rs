//! The units that make scores of good images alike, whatever their kind.

use nfbmr_backend::Backend;

use super::settings::unusable;
use super::{Features, Setup};
use crate::error::{ModelError, PipelineError};
use crate::file::Learned;

/// The name of the units in a model file.
const KIND_UNITS: &str = "kind_units";

/// What anomaly maps of each kind are divided by: the mean score of its training images, each by the statistics of the
/// others, over that of all. None for a single kind.
pub(super) fn kind_units<B: Backend>(features: &Features<B>, left_out: Option<&[f64]>) -> Vec<f64> {
    let kinds = features.kinds.iter().max().map_or(1, |last| last + 1);
    let (Some(scores), true) = (left_out, kinds > 1) else { return Vec::new() };
    let mean = |of: Option<usize>| {
        let own = scores.iter().zip(&features.kinds);
        let own = own.filter(|(_, kind)| of.is_none_or(|of| of == **kind)).map(|(score, _)| *score);
        own.sum::<f64>() / of.map_or(scores.len(), |of| features.of_kind(of)).max(1) as f64
    };
    let all = mean(None);
    let unit = |kind| Some(mean(Some(kind)) / all).filter(|unit| unit.is_normal() && *unit > 0.0);
    (0..kinds).map(|kind| unit(kind).unwrap_or(1.0)).collect()
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
