//! The inverse of a Cholesky factor, on plain numbers.

use pulp::Arch;

use crate::moments::add_scaled;

/// L⁻¹ `[d, d]`, lower triangular, of Σ = L·Lᵀ, of which the upper triangle is given: |L⁻¹·(x − μ)| is the
/// Mahalanobis distance, and never the root of a negative number as (x − μ)ᵀ·Σ⁻¹·(x − μ) may be after
/// rounding. `None` if Σ is indefinite, as rounding can leave it.
pub fn inverse_cholesky(sigma: Vec<f64>, d: usize) -> Option<Vec<f32>> {
    let inverse = Arch::new().dispatch(|| eliminate(sigma, d))?;
    Some(inverse.into_iter().map(|value| value as f32).collect())
}

/// Turns Σ into Lᵀ by elimination, and the unit matrix into L⁻¹ along with it.
#[inline(always)]
fn eliminate(mut sigma: Vec<f64>, d: usize) -> Option<Vec<f64>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_dimensions_by_hand() {
        let (a, b, c) = (1.25, 1.0, 4.5);
        let inverse = inverse_cholesky(vec![a, b, f64::NAN, c], 2).unwrap();
        let schur = (c - b * b / a).sqrt();
        let expected = [a.sqrt().recip(), 0.0, -b / a / schur, schur.recip()];
        for (found, expected) in inverse.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-7, "{found} against {expected}");
        }
    }

    #[test]
    fn the_indefinite_is_refused() {
        assert!(inverse_cholesky(vec![1.0, 2.0, 0.0, 1.0], 2).is_none());
        assert!(inverse_cholesky(vec![f64::INFINITY], 1).is_none());
    }
}
