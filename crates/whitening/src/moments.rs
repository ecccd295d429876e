//! Running mean and covariance, on plain numbers.

use pulp::Arch;

/// Mean and covariance of observations of d values each, which come in any number of parts.
///
/// Sums are taken of differences from the first observation, so that a mean far from 0 costs no digits.
#[derive(Clone, Debug)]
pub struct Moments {
    d: usize,
    count: usize,
    origin: Vec<f64>,
    sum: Vec<f64>,
    /// The upper triangle of the sum of outer products `[d, d]`.
    products: Vec<f64>,
}

impl Moments {
    /// Of no observation yet.
    pub fn new(d: usize) -> Self {
        Self { d, count: 0, origin: Vec::new(), sum: vec![0.0; d], products: vec![0.0; d * d] }
    }

    /// Takes in observations of d values each.
    pub fn add<'a>(&mut self, observations: impl Iterator<Item = &'a [f32]>) {
        let widened = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect();
        let mut rows: Vec<f64> = Vec::new();
        for observation in observations {
            if self.origin.is_empty() {
                self.origin = widened(observation);
            }
            let differences = observation.iter().zip(&self.origin);
            rows.extend(differences.map(|(&value, origin)| f64::from(value) - origin));
            self.count += 1;
        }
        let Self { d, sum, products, .. } = self;
        Arch::new().dispatch(|| add_rows(&rows, *d, sum, products));
    }

    /// Their number.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The mean `[d]`; zeros without an observation.
    pub fn mean(&self) -> Vec<f64> {
        let count = self.count.max(1) as f64;
        let origin = self.origin.iter().copied().chain(std::iter::repeat(0.0));
        self.sum.iter().zip(origin).map(|(sum, origin)| sum / count + origin).collect()
    }

    /// The upper triangle of the covariance `[d, d]`, with `count - lost` degrees of freedom: 0 lost is the
    /// maximum of the likelihood, 1 the unbiased estimate.
    pub fn covariance(&self, lost: usize) -> Vec<f64> {
        let freedom = self.count.saturating_sub(lost).max(1) as f64;
        let mut covariance = self.products.clone();
        for (i, row) in covariance.chunks_exact_mut(self.d.max(1)).enumerate() {
            let factor = -self.sum[i] / self.count.max(1) as f64;
            add_scaled(&mut row[i..], &self.sum[i..], factor);
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
        let mut moments = Moments::new(2);
        for part in observations.chunks(2) {
            moments.add(part.iter().map(|observation| &observation[..]));
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
        assert_eq!(Moments::new(2).mean(), [0.0, 0.0]);
        assert_eq!(Moments::new(2).covariance(1), [0.0; 4]);
    }
}
