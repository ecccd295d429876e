//! How the maps of a system's levels become one: their fusion, pooling and units.

use serde::{Deserialize, Serialize};

use super::{LevelMaps, Pooling, ScoreMap};

/// How the squared residuals of both directions become one anomaly map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fusion {
    /// Their mean, equation (14). Source features have the larger unit and rule it.
    Plain,
    /// The mean of each divided by its mean over the training images, measured after training.
    Normalized,
    /// The mean of those two and of the flow's negative log-likelihood over C / 2, which ‖z‖² / 2 is on
    /// average where z is N(0, I). Of a target space without a likelihood as [`Self::Normalized`].
    WithLikelihood,
}

/// Mean residuals over the training images once training has ended: the units of the two directions.
/// That of the source is 1 where the mapping goes to the target alone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeanResiduals {
    /// Mean of ‖y − ŷ‖² over positions and images.
    pub source: f64,
    /// Mean of ‖z − ẑ‖² over positions and images.
    pub target: f64,
}

impl MeanResiduals {
    /// The mean of those of several levels.
    pub(crate) fn mean(levels: &[Self]) -> Self {
        let share = 1.0 / levels.len().max(1) as f64;
        let mean = |of: fn(&Self) -> f64| share * levels.iter().map(of).sum::<f64>();
        Self { source: mean(|level| level.source), target: mean(|level| level.target) }
    }
}

/// What the maps of a level are about on normal images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Units {
    pub(crate) source: f64,
    pub(crate) target: f64,
    pub(crate) likelihood: f64,
}

impl Units {
    /// Of residuals and of a flow of so many channels, for those there are: ‖z‖² / 2 is C / 2 on average
    /// where z is N(0, I).
    pub(crate) fn new(mean_residuals: Option<MeanResiduals>, channels: Option<usize>) -> Self {
        let (source, target) = mean_residuals.map_or((1.0, 1.0), |own| (own.source, own.target));
        Self { source, target, likelihood: channels.map_or(1.0, |channels| channels as f64 / 2.0) }
    }
}

/// How a system's maps become an anomaly map and a score.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    pub(crate) fusion: Fusion,
    pub(crate) pooling: Pooling,
    /// Of each level.
    pub(crate) units: Vec<Units>,
    /// What anomaly maps of each kind are divided by, so that scores of good images are alike; none for a single kind.
    pub(crate) kind_units: Vec<f64>,
}

impl Rule {
    /// Equation (14) of a level: the mean of the maps that there are, each in its own unit if so configured; a
    /// likelihood alone as it is. With the unit of the result.
    pub(crate) fn fuse(
        &self,
        maps: &LevelMaps<ScoreMap>,
        units: &Units,
    ) -> Option<(ScoreMap, f64)> {
        let (parts, unit) = self.parts(maps, units);
        let &(first, _) = parts.first()?;
        let zeros = vec![0.0; first.values.len()];
        let mut fused = ScoreMap::new(first.width, first.height, zeros);
        for (map, unit) in &parts {
            for (fused, value) in fused.values.iter_mut().zip(&map.values) {
                *fused += value / unit / parts.len() as f32;
            }
        }
        Some((fused, unit))
    }

    /// The maps of a level whose mean is its map, each with what it is divided by, and the unit of
    /// the result.
    pub(super) fn parts<'a, M>(
        &self,
        maps: &'a LevelMaps<M>,
        units: &Units,
    ) -> (Vec<(&'a M, f32)>, f64) {
        let LevelMaps { source, target, likelihood } = maps;
        let alone = source.is_none() && target.is_none();
        let plain = alone || self.fusion == Fusion::Plain;
        let counts = alone || self.fusion == Fusion::WithLikelihood;
        let parts = [
            (source.as_ref(), units.source),
            (target.as_ref(), units.target),
            (likelihood.as_ref().filter(|_| counts), units.likelihood),
        ];
        let parts: Vec<_> =
            parts.into_iter().filter_map(|(map, unit)| Some((map?, unit))).collect();
        let mean = parts.iter().map(|(_, unit)| unit).sum::<f64>() / parts.len() as f64;
        let divisor = |unit: f64| if plain { 1.0 } else { unit as f32 };
        let parts = parts.into_iter().map(|(map, unit)| (map, divisor(unit))).collect();
        (parts, if plain { mean } else { 1.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNITS: Units = Units { source: 4.0, target: 2.0, likelihood: 3.0 };

    fn rule(fusion: Fusion) -> Rule {
        Rule { fusion, pooling: Pooling::Max, units: vec![UNITS], kind_units: Vec::new() }
    }

    fn map(values: [f32; 4]) -> ScoreMap {
        ScoreMap::new(2, 2, values.to_vec())
    }

    #[test]
    fn fusion_as_defined() {
        let maps = LevelMaps {
            source: Some(map([4.0, 0.0, 8.0, 4.0])),
            target: Some(map([2.0, 2.0, 0.0, 6.0])),
            likelihood: Some(map([3.0, -1.5, 3.0, 0.0])),
        };
        let fuse = |fusion, maps: &LevelMaps<ScoreMap>| {
            let (map, unit) = rule(fusion).fuse(maps, &UNITS).unwrap();
            (map.values, unit)
        };
        assert_eq!(fuse(Fusion::Plain, &maps), (vec![3.0, 1.0, 4.0, 5.0], 3.0));
        assert_eq!(fuse(Fusion::Normalized, &maps), (vec![1.0, 0.5, 1.0, 2.0], 1.0));
        let (with_likelihood, unit) = fuse(Fusion::WithLikelihood, &maps);
        assert_eq!(unit, 1.0);
        for (found, expected) in with_likelihood.iter().zip([3.0, 0.5, 3.0, 4.0]) {
            assert!((found - expected / 3.0).abs() < 1e-6, "{with_likelihood:?}");
        }
        let normalized = fuse(Fusion::Normalized, &maps);
        let maps = LevelMaps { likelihood: None, ..maps };
        assert_eq!(fuse(Fusion::WithLikelihood, &maps), normalized);
        let maps = LevelMaps { source: None, ..maps };
        assert_eq!(fuse(Fusion::Plain, &maps), (vec![2.0, 2.0, 0.0, 6.0], 2.0));
        let likelihood = Some(map([3.0, -1.5, 3.0, 0.0]));
        let alone = LevelMaps { source: None, target: None, likelihood };
        assert_eq!(fuse(Fusion::Normalized, &alone), (vec![3.0, -1.5, 3.0, 0.0], 3.0));
    }
}
