//! Whether weights are those of a configuration: names, shapes, values and metadata. Knows no
//! device.

use crate::config::BackboneConfig;
use crate::error::BackboneError;
use crate::naming::{LayerNames, Naming};
use crate::network::Network;
use crate::weight_problem::WeightProblem;
use crate::weights::Weights;

/// Everything that keeps the weights from being those of a configuration, so that one error can
/// list it all; tensors that are not asked for are none of it.
pub(crate) fn problems(
    config: &BackboneConfig,
    weights: &Weights,
    names: &Network<LayerNames>,
) -> Result<Vec<WeightProblem>, BackboneError> {
    let mut problems = contradictions(config, weights)?;
    for (name, expected) in names.tensors() {
        problems.extend(problem(weights, name, expected, config.batch_norm_eps));
    }
    Ok(problems)
}

/// The names of what a configuration needs, if the weights have it all.
pub(crate) fn names(
    config: &BackboneConfig,
    weights: &Weights,
) -> Result<Network<LayerNames>, BackboneError> {
    config.validate()?;
    let names = Naming::CANONICAL.network(&config.architecture());
    let problems = problems(config, weights, &names)?;
    if problems.is_empty() { Ok(names) } else { Err(unfit(config, problems)) }
}

/// The error that lists what keeps the weights from fitting.
pub(crate) fn unfit(config: &BackboneConfig, problems: Vec<WeightProblem>) -> BackboneError {
    BackboneError::Weights { variant: config.variant, block: config.block, problems }
}

fn problem(
    weights: &Weights,
    name: String,
    expected: Vec<usize>,
    eps: f64,
) -> Option<WeightProblem> {
    let Some(tensor) = weights.get(&name) else {
        return Some(WeightProblem::Missing { name, expected });
    };
    if tensor.shape() != expected {
        return Some(WeightProblem::Shape { name, expected, found: tensor.shape().to_vec() });
    }
    if tensor.values().iter().any(|value| !value.is_finite()) {
        return Some(WeightProblem::NotFinite { name });
    }
    let positive = |&value: &f32| f64::from(value) + eps > 0.0;
    if name.ends_with("running_var") && !tensor.values().iter().all(positive) {
        return Some(WeightProblem::Variance { name });
    }
    None
}

/// Where the configuration is not the one that the weights' metadata record.
fn contradictions(
    config: &BackboneConfig,
    weights: &Weights,
) -> Result<Vec<WeightProblem>, BackboneError> {
    let Some(mut recorded) = weights.config()? else { return Ok(Vec::new()) };
    // At the native resolution both kinds of SAME are one; for others the configuration chooses.
    if config.padding.is_same() == recorded.padding.is_same() {
        recorded.padding = config.padding;
    }
    let pairs = config.notes().into_iter().zip(recorded.notes());
    let differing = pairs.filter(|((key, expected), (_, found))| {
        // A file may have more blocks than are used; where it has fewer, tensors are missing.
        *key != BackboneConfig::BLOCKS && expected != found
    });
    let problem = |((key, expected), (_, found))| WeightProblem::Metadata { key, expected, found };
    Ok(differing.map(problem).collect())
}
