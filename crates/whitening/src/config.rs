use serde::{Deserialize, Serialize};

use crate::WhiteningError;

const MAX_NEIGHBORHOOD: usize = 31;

/// How features are averaged and whitened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WhiteningConfig {
    /// Side of the square of positions over which features are averaged before all else, odd and up to
    /// 31; 3, as in PatchCore. Positions outside the image don't count.
    pub neighborhood: usize,
    /// For how many images the covariance over all positions counts, n₀; 20. With N images the covariance
    /// at a position has the weight N / (N + n₀).
    pub prior: f64,
    /// Added to the variance of each direction, as a share of the mean variance; 0.01.
    pub ridge: f64,
}

impl Default for WhiteningConfig {
    fn default() -> Self {
        Self { neighborhood: 3, prior: 20.0, ridge: 0.01 }
    }
}

impl WhiteningConfig {
    /// Checks what the types leave open.
    ///
    /// # Errors
    /// [`WhiteningError::Config`].
    pub fn validate(&self) -> Result<(), WhiteningError> {
        let &Self { neighborhood, prior, ridge } = self;
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

    /// The weight of the covariance over all positions.
    pub(crate) fn shrinkage(&self, images: usize) -> f64 {
        self.prior / (self.prior + images as f64)
    }
}
