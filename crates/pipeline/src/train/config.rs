//! How a network is trained: Adam and its schedule.

use serde::{Deserialize, Serialize};

use crate::error::PipelineError;

/// Adam and its schedule for one of the two training phases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TrainingConfig {
    /// Passes over the training images; 0 leaves a network untrained.
    pub epochs: usize,
    /// Images per step; the last, shorter batch of an epoch counts as one step.
    pub batch_size: usize,
    /// Adam's learning rate, the highest of its schedule.
    pub learning_rate: f64,
    /// How the learning rate goes over the steps.
    #[serde(default)]
    pub schedule: Schedule,
    /// Adam's epsilon.
    pub epsilon: f32,
    /// L2 penalty added to the gradient.
    pub weight_decay: f32,
    /// Bound of the gradient's norm over all parameters together, if any.
    pub max_grad_norm: Option<f64>,
}

impl TrainingConfig {
    /// The paper's settings for the flow.
    pub fn flow() -> Self {
        Self {
            epochs: 300,
            batch_size: 8,
            learning_rate: 2e-4,
            schedule: Schedule::Constant,
            epsilon: 1e-4,
            weight_decay: 1e-5,
            max_grad_norm: Some(1.0),
        }
    }

    /// The paper's settings for the mapping network.
    pub fn bmr() -> Self {
        Self {
            epochs: 300,
            batch_size: 8,
            learning_rate: 3e-4,
            schedule: Schedule::Constant,
            epsilon: 1e-8,
            weight_decay: 1e-5,
            max_grad_norm: None,
        }
    }

    /// The same with a learning rate that rises and falls over ten epochs, which do what many with a constant one do.
    pub(crate) fn one_cycle(self) -> Self {
        let schedule = Schedule::OneCycle;
        Self { epochs: 10, learning_rate: 1e-3, schedule, ..self }
    }

    /// Checks what the types leave open; `name` is that of the setting.
    pub(crate) fn check(&self, name: &str) -> Result<(), PipelineError> {
        self.problem(name).map_or(Ok(()), |problem| Err(PipelineError::Config(problem)))
    }

    fn problem(&self, name: &str) -> Option<String> {
        let positive = |v: f64| v.is_finite() && v > 0.0;
        if self.batch_size == 0 {
            Some(format!("{name}.batch_size must be 1 or more, found 0"))
        } else if !positive(self.learning_rate) {
            Some(format!("{name}.learning_rate must be positive, found {}", self.learning_rate))
        } else if !positive(self.epsilon.into()) {
            Some(format!("{name}.epsilon must be positive, found {}", self.epsilon))
        } else if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            Some(format!("{name}.weight_decay must be 0 or more, found {}", self.weight_decay))
        } else {
            let norm = self.max_grad_norm.filter(|&norm| !positive(norm))?;
            Some(format!("{name}.max_grad_norm must be positive, found {norm}"))
        }
    }
}

/// A learning rate over the steps of a training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Schedule {
    /// The same in every step, as in the paper.
    #[default]
    Constant,
    /// From a 25th up to the highest over a fifth of the steps, then down to a 250,000th of it, along
    /// half periods of a cosine (Smith and Topin, 2019).
    OneCycle,
}

impl Schedule {
    /// The share of the highest learning rate that step `step` of `steps` takes, from 0.
    pub(crate) fn share(self, step: usize, steps: usize) -> f64 {
        const WARM_UP: f64 = 0.2;
        const FIRST: f64 = 1.0 / 25.0;
        const LAST: f64 = FIRST / 1e4;
        // Half a period of the cosine, from `start` at 0 to `end` at 1.
        let anneal = |start: f64, end: f64, at: f64| {
            end + (start - end) / 2.0 * (1.0 + (std::f64::consts::PI * at.clamp(0.0, 1.0)).cos())
        };
        let last = steps.saturating_sub(1) as f64;
        let (step, top) = (step as f64, (WARM_UP * steps as f64 - 1.0).max(0.0));
        match self {
            Self::Constant => 1.0,
            Self::OneCycle if step < top => anneal(FIRST, 1.0, step / top),
            Self::OneCycle => anneal(1.0, LAST, (step - top) / (last - top).max(1.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cycle_is_pytorchs() {
        // OneCycleLR(optimizer, 1.0, total_steps=20, pct_start=0.2, cycle_momentum=False)
        let expected = [
            (0, 0.04),
            (1, 0.28),
            (2, 0.76),
            (3, 1.0),
            (4, 0.9903926786310544),
            (10, 0.5975467708274201),
            (18, 0.009611321368945592),
            (19, 4e-6),
        ];
        for (step, expected) in expected {
            let share = Schedule::OneCycle.share(step, 20);
            assert!((share - expected).abs() < 1e-9, "step {step}: {share}");
        }
        // Too short a training to warm up in.
        assert_eq!(Schedule::OneCycle.share(0, 1), 1.0);
        assert_eq!(Schedule::Constant.share(7, 20), 1.0);
    }
}
