use pulp::Arch;

/// Added to each variance; anomalib adds 0.01 and, before it inverts, 1e-5.
const REGULARIZATION: f64 = 0.01 + 1e-5;

/// The normal distribution of N observations of d values each.
pub(crate) struct Gaussian {
    /// Mean `[d]`.
    pub(crate) mean: Vec<f32>,
    /// L⁻¹ `[d, d]`, lower triangular, where L·Lᵀ is the regularised covariance: |L⁻¹·(x - mean)| is
    /// the Mahalanobis distance, and never the root of a negative number as (x - mean)ᵀ·Σ⁻¹·(x - mean)
    /// may be after rounding.
    pub(crate) whitening: Vec<f32>,
}

impl Gaussian {
    /// Fits to two or more `observations` `[N, d]`, which are centred in place; `None` if rounding leaves
    /// the covariance indefinite.
    pub(crate) fn fit(observations: &mut [f64], d: usize) -> Option<Self> {
        Arch::new().dispatch(|| {
            let mean = center(observations, d);
            let mut covariance = covariance(observations, d);
            let whitening = whiten(&mut covariance, d)?;
            let narrow = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
            Some(Self { mean: narrow(mean), whitening: narrow(whitening) })
        })
    }
}

/// Subtracts the mean and returns it.
#[inline(always)]
fn center(observations: &mut [f64], d: usize) -> Vec<f64> {
    let mut mean = vec![0.0; d];
    let rows = observations.len() / d;
    for row in observations.chunks_exact(d) {
        add_scaled(&mut mean, row, 1.0 / rows as f64);
    }
    for row in observations.chunks_exact_mut(d) {
        add_scaled(row, &mean, -1.0);
    }
    mean
}

/// The upper triangle of the regularised covariance of centred observations.
#[inline(always)]
fn covariance(centered: &[f64], d: usize) -> Vec<f64> {
    let mut covariance = vec![0.0; d * d];
    let scale = 1.0 / (centered.len() / d - 1) as f64;
    for row in centered.chunks_exact(d) {
        for (i, sums) in covariance.chunks_exact_mut(d).enumerate() {
            add_scaled(&mut sums[i..], &row[i..], scale * row[i]);
        }
    }
    for i in 0..d {
        covariance[i * d + i] += REGULARIZATION;
    }
    covariance
}

/// Turns the upper triangle of Σ = L·Lᵀ into Lᵀ by elimination, and the unit matrix into L⁻¹ along with
/// it.
#[inline(always)]
fn whiten(sigma: &mut [f64], d: usize) -> Option<Vec<f64>> {
    let mut inverse = vec![0.0; d * d];
    for k in 0..d {
        let (upper, below) = sigma[k * d..].split_at_mut(d);
        let (inverse_row, inverse_below) = inverse[k * d..].split_at_mut(d);
        let pivot = upper[k];
        if !(pivot > 0.0 && pivot.is_finite()) {
            return None;
        }
        let scale = 1.0 / pivot.sqrt();
        inverse_row[k] = 1.0;
        upper[k..].iter_mut().for_each(|value| *value *= scale);
        inverse_row[..=k].iter_mut().for_each(|value| *value *= scale);
        let rows = below.chunks_exact_mut(d).zip(inverse_below.chunks_exact_mut(d));
        for (i, (row, inverse)) in (k + 1..).zip(rows) {
            add_scaled(&mut row[i..], &upper[i..], -upper[i]);
            add_scaled(&mut inverse[..=k], &inverse_row[..=k], -upper[i]);
        }
    }
    Some(inverse)
}

#[inline(always)]
fn add_scaled(sums: &mut [f64], values: &[f64], factor: f64) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += factor * value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_values_by_hand() {
        // Variances 1 and 4, covariance 1.
        let mut observations = [0.0, 1.0, 1.0, 5.0, 2.0, 3.0];
        let Gaussian { mean, whitening } = Gaussian::fit(&mut observations, 2).unwrap();
        assert_eq!(mean, [1.0, 3.0]);
        let (a, b, c) = (1.0 + REGULARIZATION, 1.0, 4.0 + REGULARIZATION);
        let schur = (c - b * b / a).sqrt();
        let expected = [a.sqrt().recip(), 0.0, -b / a / schur, schur.recip()];
        for (found, expected) in whitening.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-7, "{found} against {expected}");
        }
    }

    #[test]
    fn what_rounding_makes_indefinite_is_refused() {
        let mut observations = [0.0, 0.0, 1e12, 1e12, 2e12, 2e12];
        assert!(Gaussian::fit(&mut observations, 2).is_none());
    }
}
