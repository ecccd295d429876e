//! Distributions to draw scores from, and laws to compare with.

use rand::{Rng, RngExt};

/// What normal scores may look like.
#[derive(Clone, Copy, Debug)]
pub enum Scores {
    /// The standard normal law.
    Normal,
    /// The exponential of twice a normal number.
    LogNormal,
    /// The ratio of two normal numbers, which has no mean.
    Cauchy,
    /// Two kinds of good parts.
    TwoModes,
    /// Integers from 0 to 4: at most 5 values.
    HeavyTies,
    /// 0 in nine of ten cases.
    MostlyZero,
    /// All are 1.
    Constant,
}

impl Scores {
    /// Those of which no two are equal.
    pub const CONTINUOUS: [Self; 4] = [Self::Normal, Self::LogNormal, Self::Cauchy, Self::TwoModes];
    /// Those of which many are equal.
    pub const TIED: [Self; 3] = [Self::HeavyTies, Self::MostlyZero, Self::Constant];

    /// One score.
    pub fn draw(self, rng: &mut impl Rng) -> f32 {
        match self {
            Self::Normal => normal(rng),
            Self::LogNormal => (2.0 * normal(rng)).exp(),
            Self::Cauchy => normal(rng) / normal(rng),
            Self::TwoModes => normal(rng) + if rng.random::<f32>() < 0.2 { 8.0 } else { 0.0 },
            Self::HeavyTies => rng.random_range(0..5u8).into(),
            Self::MostlyZero => (normal(rng) - 1.28).max(0.0),
            Self::Constant => 1.0,
        }
    }

    /// So many scores, drawn one after the other.
    pub fn many(self, count: usize, rng: &mut impl Rng) -> Vec<f32> {
        (0..count).map(|_| self.draw(rng)).collect()
    }
}

/// A standard normal number, by Box and Muller.
pub fn normal(rng: &mut impl Rng) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    (radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()) as f32
}

/// The mean and its standard error.
pub fn mean(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, (variance / count).sqrt())
}

/// The beta-binomial law of the number among `tests` of what has a probability of Beta(a, b):
/// the probabilities of at most 0, 1, ... `tests`.
pub fn beta_binomial(tests: usize, a: f64, b: f64) -> Vec<f64> {
    let mut mass = vec![1.0];
    for j in 0..tests {
        let (j, rest) = (j as f64, (tests - j) as f64);
        mass.push(mass[mass.len() - 1] * rest / (j + 1.0) * (a + j) / (b + rest - 1.0));
    }
    let total: f64 = mass.iter().sum();
    let mut sum = 0.0;
    mass.iter()
        .map(|m| {
            sum += m / total;
            sum
        })
        .collect()
}

/// By how much the share of counts of at most i exceeds `law[i]`, and falls short of it, at worst.
pub fn distances(counts: &[usize], law: &[f64]) -> (f64, f64) {
    let apart = law.iter().enumerate().map(|(i, expected)| {
        let share = counts.iter().filter(|&&count| count <= i).count() as f64 / counts.len() as f64;
        share - expected
    });
    apart.fold((0.0f64, 0.0f64), |(above, below), d| (above.max(d), below.max(-d)))
}

/// The Kolmogorov-Smirnov distance that `samples` exceed with a probability of at most 1 in 1000,
/// by the inequality of Dvoretzky, Kiefer, Wolfowitz and Massart; discrete laws included.
pub fn critical_distance(samples: usize) -> f64 {
    ((2.0f64 / 0.001).ln() / (2.0 * samples as f64)).sqrt()
}
