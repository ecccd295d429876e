//! The shape of a flow, and what follows from it. Knows no tensors.

use serde::{Deserialize, Serialize};

use crate::error::FlowError;

/// The shape of a [`Flow`](crate::Flow).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowConfig {
    /// Number of coupling blocks; the paper uses 4.
    pub couplings: usize,
    /// Channels between the two convolutions of a subnetwork; the paper uses 1024.
    pub hidden: usize,
    /// Side of the convolution windows, odd; 3 in the paper preset.
    pub kernel: usize,
    /// Bound of the log-scale: s = clamp · 0.636 · atan(s_raw / clamp), so |s| < clamp.
    pub clamp: f64,
}

impl FlowConfig {
    /// The paper's flow: 4 couplings, 1024 hidden channels, 3 x 3 windows, clamp 3.
    pub fn paper() -> Self {
        Self { couplings: 4, hidden: 1024, kernel: 3, clamp: 3.0 }
    }

    /// Number of trainable parameters of a flow over `channels` channels; `usize::MAX` if it is larger.
    pub fn parameters(&self, channels: usize) -> usize {
        let conv = |c_in: usize, c_out: usize| {
            let window = self.kernel.saturating_mul(self.kernel);
            c_in.saturating_mul(window).saturating_add(1).saturating_mul(c_out)
        };
        let subnet = |c_in: usize, c_out: usize| {
            let conv2 = conv(self.hidden, c_out.saturating_mul(2));
            conv(c_in, self.hidden).saturating_add(conv2).saturating_add(1)
        };
        let (half, rest) = (channels / 2, channels - channels / 2);
        let coupling = subnet(half, rest).saturating_add(subnet(rest, half));
        self.couplings.saturating_mul(coupling)
    }

    /// Multiplications, each with its addition, of all convolutions over `positions` of an image.
    pub fn multiply_adds(&self, channels: usize, positions: usize) -> f64 {
        let window = (self.kernel as f64).powi(2);
        // Both subnetworks of a coupling together read and predict all channels once.
        let coupling = window * self.hidden as f64 * (channels as f64 * 3.0);
        self.couplings as f64 * coupling * positions as f64
    }

    /// Whether there is such a flow over `channels` channels.
    ///
    /// # Errors
    /// [`FlowError::Config`].
    pub fn check(&self, channels: usize) -> Result<(), FlowError> {
        let problem = if channels < 2 {
            format!("a flow needs 2 channels or more to couple, found {channels}")
        } else if self.couplings == 0 || self.hidden == 0 {
            let Self { couplings, hidden, .. } = self;
            format!("couplings and hidden must be 1 or more, found {couplings} and {hidden}")
        } else if self.kernel.is_multiple_of(2) {
            format!("kernel must be odd, found {}", self.kernel)
        } else if !(self.clamp.is_finite() && self.clamp > 0.0) {
            format!("clamp must be positive, found {}", self.clamp)
        } else {
            return Ok(());
        };
        Err(FlowError::Config(problem))
    }
}
