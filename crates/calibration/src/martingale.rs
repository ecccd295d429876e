//! Betting against the uniformity of p-values.

use serde::{Deserialize, Serialize};

use crate::error::CalibrationError;

/// The share of its capital that a bettor spreads over all bets before each p-value.
const JUMP: f64 = 0.01;

/// The bets: a p-value p multiplies the capital on ε by 1 + ε (p - 1/2).
const BETS: [f64; 3] = [-1.0, 0.0, 1.0];

/// A sequential test of whether p-values are independent and uniform: a martingale that starts at 1.
///
/// It is the Simple Jumper of Vovk et al. (2021), entered bit by bit: 1 / (t (t + 1)) of the capital starts
/// to bet at p-value t, the rest stays aside. Bets that began long ago have lost most of what they had
/// by the time that something changes, those that begin then have not.
///
/// While p-values are uniform, the evidence ever reaches 1 / δ with a probability of at most δ (Ville's
/// inequality), however long the test goes on and whenever one looks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct UniformityTest {
    /// What is on each of the [`BETS`].
    capital: [f64; 3],
    /// How many p-values there were.
    observed: u64,
}

/// [`UniformityTest`] as a file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    capital: [f64; 3],
    observed: u64,
}

impl TryFrom<Unchecked> for UniformityTest {
    type Error = CalibrationError;

    fn try_from(Unchecked { capital, observed }: Unchecked) -> Result<Self, Self::Error> {
        match capital.iter().find(|capital| !(capital.is_finite() && **capital >= 0.0)) {
            Some(found) => Err(CalibrationError::DriftState {
                expected: "finite capital of at least 0",
                found: found.to_string(),
            }),
            None => Ok(Self { capital, observed }),
        }
    }
}

impl Default for UniformityTest {
    fn default() -> Self {
        Self::new()
    }
}

impl UniformityTest {
    /// A test that has seen nothing.
    pub fn new() -> Self {
        Self { capital: [0.0; 3], observed: 0 }
    }

    /// Takes in the next p-value and returns the evidence.
    ///
    /// # Errors
    /// [`CalibrationError::PValue`] where the p-value is not from 0 to 1; the test stays as it was.
    pub fn observe(&mut self, p_value: f64) -> Result<f64, CalibrationError> {
        if !(0.0..=1.0).contains(&p_value) {
            return Err(CalibrationError::PValue { found: p_value });
        }
        self.observed = self.observed.saturating_add(1);
        let observed = self.observed as f64;
        let entering = 1.0 / (observed * (observed + 1.0));
        let spread = (JUMP * self.capital.iter().sum::<f64>() + entering) / 3.0;
        for (capital, bet) in self.capital.iter_mut().zip(BETS) {
            let staked = (1.0 - JUMP) * *capital + spread;
            // After some thousand p-values against uniformity the capital would overflow.
            *capital = (staked * (1.0 + bet * (p_value - 0.5))).min(f64::MAX / 4.0);
        }
        Ok(self.evidence())
    }

    /// How many p-values there were.
    pub fn observed(&self) -> u64 {
        self.observed
    }

    /// The value of the martingale: the evidence against uniformity.
    pub fn evidence(&self) -> f64 {
        let aside = 1.0 / (self.observed as f64 + 1.0);
        self.capital.iter().sum::<f64>() + aside
    }

    /// Whether the evidence comes from low p-values rather than from high ones.
    pub(crate) fn favours_low(&self) -> bool {
        self.capital[0] > self.capital[2]
    }
}
