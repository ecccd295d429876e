//! How features are averaged and whitened: settings and the weights that follow from them, no tensors.

use serde::{Deserialize, Serialize};

use crate::WhiteningError;

const MAX_NEIGHBORHOOD: usize = 31;

/// How the positions of a neighbourhood count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Window {
    /// All alike, as in PatchCore.
    Mean,
    /// By binomial coefficients in rows and columns, nearer ones more: 1, 2, 1 of a neighbourhood of 3.
    Binomial,
}

impl Window {
    /// The weights of a row of so many positions, which add up to 1.
    pub(crate) fn weights(self, side: usize) -> Vec<f64> {
        let mut weights = vec![1.0; side];
        if self == Self::Binomial {
            let next = |weight: f64, k: usize| weight * (side - k) as f64 / k as f64;
            let weight = |k: usize| (1..=k).fold(1.0, next);
            weights = (0..side).map(weight).collect();
        }
        let sum: f64 = weights.iter().sum();
        weights.into_iter().map(|weight| weight / sum).collect()
    }
}

/// How features are averaged and whitened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WhiteningConfig {
    /// Side of the square of positions over which features are averaged before all else, odd and up to
    /// 31; 3. Positions outside the image don't count.
    pub neighborhood: usize,
    /// How those positions count; [`Window::Binomial`].
    pub window: Window,
    /// For how many images the covariance over all positions counts, n₀; 20. With N images the covariance
    /// at a position has the weight N / (N + n₀).
    pub prior: f64,
    /// Added to the variance of each direction, as a share of the mean variance; 0.01.
    pub ridge: f64,
}

impl Default for WhiteningConfig {
    fn default() -> Self {
        Self { neighborhood: 3, window: Window::Binomial, prior: 20.0, ridge: 0.01 }
    }
}

impl WhiteningConfig {
    /// Checks what the types leave open.
    ///
    /// # Errors
    /// [`WhiteningError::Config`].
    pub fn validate(&self) -> Result<(), WhiteningError> {
        let &Self { neighborhood, window: _, prior, ridge } = self;
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let problem = if neighborhood % 2 == 0 || neighborhood > MAX_NEIGHBORHOOD {
            format!("neighborhood must be odd and up to {MAX_NEIGHBORHOOD}, found {neighborhood}")
        } else if !(prior.is_finite() && prior >= 0.0) {
            format!("prior must be 0 or more, found {prior}")
        } else if !positive(ridge) {
            format!("ridge must be positive, found {ridge}")
        } else {
            return Ok(());
        };
        Err(WhiteningError::Config(problem))
    }

    /// The weights of the positions of a row of the neighbourhood.
    pub(crate) fn weights(&self) -> Vec<f64> {
        self.window.weights(self.neighborhood)
    }

    /// The weight of the covariance over all positions.
    pub(crate) fn shrinkage(&self, images: usize) -> f64 {
        self.prior / (self.prior + images as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_by_hand() {
        assert_eq!(Window::Mean.weights(1), [1.0]);
        assert_eq!(Window::Binomial.weights(1), [1.0]);
        assert_eq!(Window::Mean.weights(4), [0.25; 4]);
        assert_eq!(Window::Binomial.weights(3), [0.25, 0.5, 0.25]);
        assert_eq!(Window::Binomial.weights(5), [0.0625, 0.25, 0.375, 0.25, 0.0625]);
        let widest: f64 = Window::Binomial.weights(MAX_NEIGHBORHOOD).iter().sum();
        assert!((widest - 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_left_out_is_the_default() {
        let config: WhiteningConfig = serde_json::from_str(r#"{"prior": 20.0}"#).unwrap();
        assert_eq!(config, WhiteningConfig::default());
    }
}
