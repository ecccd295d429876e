//! Realised false-alarm rates over many splits of generated and of real scores.

use std::collections::BTreeMap;

use nfbmr_calibration::{FalseAlarmRate, SplitConformal};
use nfbmr_test_support::statistics::{Scores, beta_binomial, critical_distance, distances, mean};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

const SPLITS: usize = 2000;

/// Calibration images. 0.05, 0.1 and 0.3 are multiples of 1 / 60, so that the mean is to equal the rate
/// asked, with no slack from rounding down to a rank.
const IMAGES: usize = 59;

const RATES: [f64; 4] = [0.025, 0.05, 0.1, 0.3];

/// k of the law of a rate.
fn rank(index: usize) -> usize {
    (RATES[index] * (IMAGES as f64 + 1.0)).floor() as usize
}

/// How many of the test scores are false alarms at each of [`RATES`], in each of many splits.
struct FalseAlarms {
    tests: usize,
    counts: [Vec<usize>; 4],
}

impl FalseAlarms {
    /// `split` gives calibration and test scores.
    fn count(tests: usize, mut split: impl FnMut() -> (Vec<f32>, Vec<f32>)) -> Self {
        let mut counts: [Vec<usize>; 4] = Default::default();
        for _ in 0..SPLITS {
            let (calibration, test) = split();
            assert_eq!((calibration.len(), test.len()), (IMAGES, tests));
            let calibration = SplitConformal::new(calibration).unwrap();
            for (counts, rate) in counts.iter_mut().zip(RATES) {
                let threshold = calibration.threshold(FalseAlarmRate::new(rate).unwrap()).unwrap();
                let is_anomalous =
                    |&&score: &&f32| calibration.verdict(score, &threshold).unwrap().is_anomalous;
                counts.push(test.iter().filter(is_anomalous).count());
            }
        }
        Self { tests, counts }
    }

    fn generated(scores: Scores, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        Self::count(150, || (scores.many(IMAGES, &mut rng), scores.many(150, &mut rng)))
    }

    fn real(scores: &[f32], seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut scores = scores.to_vec();
        Self::count(scores.len() - IMAGES, || {
            scores.shuffle(&mut rng);
            (scores[..IMAGES].to_vec(), scores[IMAGES..].to_vec())
        })
    }

    fn assert_mean_is_at_most_asked(&self, name: &str) {
        for (counts, rate) in self.counts.iter().zip(RATES) {
            let realised: Vec<f64> = counts.iter().map(|&c| c as f64 / self.tests as f64).collect();
            let (mean, error) = mean(&realised);
            println!("{name}, asked {rate}: {mean:.4} ± {error:.4}");
            assert!(mean <= rate + 3.0 * error, "{name} at {rate}: {mean} ± {error}");
        }
    }

    /// By how much the counts exceed and fall short of the law of Beta(k, n + 1 - k) at a rate.
    fn distances(&self, index: usize, k: usize) -> (f64, f64) {
        let law = beta_binomial(self.tests, k as f64, (IMAGES + 1 - k) as f64);
        distances(&self.counts[index], &law)
    }

    fn assert_spread_follows_the_beta_law(&self, name: &str) {
        for (index, rate) in RATES.into_iter().enumerate() {
            let k = rank(index);
            let (above, below) = self.distances(index, k);
            let critical = critical_distance(SPLITS);
            assert!(above.max(below) < critical, "{name} at {rate}: {above}, {below}");
            // The test is sharp enough to tell the laws of neighbouring ranks.
            let (above, below) = self.distances(index, k + 1);
            assert!(above.max(below) > critical, "{name} at {rate}: {above}, {below}");
        }
    }
}

fn real_scores() -> BTreeMap<String, Vec<f32>> {
    serde_json::from_str(include_str!("fixtures/normal_scores.json")).unwrap()
}

#[test]
fn generated_scores_without_ties_keep_the_rate_and_follow_the_law() {
    for (seed, scores) in Scores::CONTINUOUS.into_iter().enumerate() {
        let alarms = FalseAlarms::generated(scores, seed as u64);
        let name = format!("{scores:?}");
        alarms.assert_mean_is_at_most_asked(&name);
        alarms.assert_spread_follows_the_beta_law(&name);
    }
}

#[test]
fn generated_scores_with_ties_keep_the_rate_and_stay_below_the_law() {
    for (seed, scores) in Scores::TIED.into_iter().enumerate() {
        let alarms = FalseAlarms::generated(scores, seed as u64);
        alarms.assert_mean_is_at_most_asked(&format!("{scores:?}"));
        for (index, rate) in RATES.into_iter().enumerate() {
            let (_, below) = alarms.distances(index, rank(index));
            assert!(below < critical_distance(SPLITS), "{scores:?} at {rate}: {below}");
        }
    }
}

#[test]
fn real_scores_keep_the_rate_and_follow_the_law() {
    let systems = real_scores();
    assert_eq!(systems.len(), 4);
    for (seed, (system, scores)) in systems.into_iter().enumerate() {
        assert_eq!(scores.len(), 95);
        let alarms = FalseAlarms::real(&scores, seed as u64);
        alarms.assert_mean_is_at_most_asked(&system);
        alarms.assert_spread_follows_the_beta_law(&system);
    }
}

#[test]
fn smoothed_p_values_use_up_the_rate_whatever_the_ties() {
    use rand::RngExt;
    for (seed, scores) in Scores::CONTINUOUS.into_iter().chain(Scores::TIED).enumerate() {
        let mut rng = ChaCha8Rng::seed_from_u64(100 + seed as u64);
        // One image per calibration, so that all are independent.
        let p_values: Vec<f64> = (0..SPLITS)
            .map(|_| {
                let calibration = SplitConformal::new(scores.many(19, &mut rng)).unwrap();
                let score = scores.draw(&mut rng);
                calibration.smoothed_p_value(score, rng.random()).unwrap()
            })
            .collect();
        // Their hundredths are uniform counts from 0 to 99.
        let counts: Vec<usize> = p_values.iter().map(|p| (p * 100.0) as usize).collect();
        let law: Vec<f64> = (1..=100).map(|i| f64::from(i) / 100.0).collect();
        let (above, below) = distances(&counts, &law);
        assert!(above.max(below) < critical_distance(SPLITS), "{scores:?}: {above}, {below}");
    }
}
