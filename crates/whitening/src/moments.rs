//! Running mean and covariance, on plain numbers.

use pulp::Arch;

/// Means and covariance of observations of d values each, which come in any number of parts and are of one kind or
/// of several: each kind has a mean, and all have one covariance about it.
///
/// Sums are taken of differences from the first observation, so that a mean far from 0 costs no digits.
#[derive(Clone, Debug)]
pub struct Moments {
    d: usize,
    origin: Vec<f64>,
    /// By kind.
    sums: Vec<Sum>,
    /// The upper triangle of the sum of outer products `[d, d]`.
    products: Vec<f64>,
}

/// The sum of the observations of a kind, and their number.
#[derive(Clone, Debug)]
struct Sum {
    count: usize,
    values: Vec<f64>,
}

impl Moments {
    /// Of no observation yet, and so many kinds.
    pub fn new(d: usize, kinds: usize) -> Self {
        let sums = vec![Sum { count: 0, values: vec![0.0; d] }; kinds];
        Self { d, origin: Vec::new(), sums, products: vec![0.0; d * d] }
    }

    /// Takes in observations of d values each, of a kind below the number of kinds.
    pub fn add<'a>(&mut self, kind: usize, observations: impl Iterator<Item = &'a [f32]>) {
        let widened = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect();
        let mut rows: Vec<f64> = Vec::new();
        for observation in observations {
            if self.origin.is_empty() {
                self.origin = widened(observation);
            }
            let differences = observation.iter().zip(&self.origin);
            rows.extend(differences.map(|(&value, origin)| f64::from(value) - origin));
            self.sums[kind].count += 1;
        }
        let Self { d, sums, products, .. } = self;
        Arch::new().dispatch(|| add_rows(&rows, *d, &mut sums[kind].values, products));
    }

    /// The number of observations.
    pub fn count(&self) -> usize {
        self.sums.iter().map(|sum| sum.count).sum()
    }

    /// The mean of all `[d]`; zeros without an observation.
    pub fn mean(&self) -> Vec<f64> {
        let mut all = vec![0.0; self.d];
        self.sums.iter().for_each(|sum| add_scaled(&mut all, &sum.values, 1.0));
        self.with_origin(&all, self.count())
    }

    /// The mean of a kind `[d]`; that of no observation is the first observation.
    pub fn mean_of(&self, kind: usize) -> Vec<f64> {
        let Sum { count, values } = &self.sums[kind];
        self.with_origin(values, *count)
    }

    fn with_origin(&self, sum: &[f64], count: usize) -> Vec<f64> {
        let count = count.max(1) as f64;
        let origin = self.origin.iter().copied().chain(std::iter::repeat(0.0));
        sum.iter().zip(origin).map(|(sum, origin)| sum / count + origin).collect()
    }

    /// The upper triangle of the covariance `[d, d]` about the means of the kinds, with `count - lost` degrees of
    /// freedom: 0 lost is the maximum of the likelihood, the number of kinds the unbiased estimate.
    pub fn covariance(&self, lost: usize) -> Vec<f64> {
        let freedom = self.count().saturating_sub(lost).max(1) as f64;
        let mut covariance = self.products.clone();
        for (i, row) in covariance.chunks_exact_mut(self.d.max(1)).enumerate() {
            for Sum { count, values } in &self.sums {
                let factor = -values[i] / (*count).max(1) as f64;
                add_scaled(&mut row[i..], &values[i..], factor);
            }
            row[i..].iter_mut().for_each(|value| *value /= freedom);
        }
        covariance
    }
}

#[inline(always)]
fn add_rows(rows: &[f64], d: usize, sum: &mut [f64], products: &mut [f64]) {
    for row in rows.chunks_exact(d.max(1)) {
        add_scaled(sum, row, 1.0);
        for (i, products) in products.chunks_exact_mut(d.max(1)).enumerate() {
            add_scaled(&mut products[i..], &row[i..], row[i]);
        }
    }
}

#[inline(always)]
pub(crate) fn add_scaled(sums: &mut [f64], values: &[f64], factor: f64) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += factor * value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(observations: &[[f32; 2]]) -> Moments {
        let mut moments = Moments::new(2, 1);
        for part in observations.chunks(2) {
            moments.add(0, part.iter().map(|observation| &observation[..]));
        }
        moments
    }

    #[test]
    fn by_hand() {
        let moments = moments(&[[0.0, 1.0], [1.0, 5.0], [2.0, 3.0]]);
        assert_eq!(moments.count(), 3);
        assert_eq!(moments.mean(), [1.0, 3.0]);
        let covariance = moments.covariance(1);
        assert_eq!([covariance[0], covariance[1], covariance[3]], [1.0, 1.0, 4.0]);
        assert!((moments.covariance(0)[3] - 8.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn a_far_mean_costs_no_digits() {
        let far = moments(&[[16_777_216.0, 0.0], [16_777_218.0, 0.0], [16_777_220.0, 0.0]]);
        assert_eq!(far.covariance(1)[0], 4.0);
    }

    #[test]
    fn nothing_observed() {
        let nothing = Moments::new(2, 3);
        assert_eq!((nothing.mean(), nothing.mean_of(2)), (vec![0.0; 2], vec![0.0; 2]));
        assert_eq!(nothing.covariance(1), [0.0; 4]);
    }

    #[test]
    fn kinds_have_means_and_one_covariance() {
        let mut moments = Moments::new(2, 2);
        moments.add(0, [[1.0, 2.0], [3.0, 2.0]].iter().map(|own| &own[..]));
        moments.add(1, [[10.0, 0.0], [10.0, 4.0], [10.0, 2.0]].iter().map(|own| &own[..]));
        assert_eq!((moments.mean_of(0), moments.mean_of(1)), (vec![2.0, 2.0], vec![10.0, 2.0]));
        assert_eq!((moments.count(), moments.mean()), (5, vec![6.8, 2.0]));
        let covariance = moments.covariance(2);
        for (found, expected) in [0, 1, 3].map(|at| covariance[at]).iter().zip([2.0, 0.0, 8.0]) {
            assert!((found - expected / 3.0).abs() < 1e-12, "{covariance:?}");
        }
    }
}
