//! The shape of a cross-scale flow, and what follows from it. Knows no tensors.

use serde::{Deserialize, Serialize};

use crate::error::FlowError;

/// The shape of a [`CrossScaleFlow`](crate::CrossScaleFlow).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrossScaleConfig {
    /// Side of the convolution windows of each coupling block, odd; the paper has 3, 3, 3 and 5.
    pub kernels: Vec<usize>,
    /// Channels between the two convolutions of a subnetwork; the paper uses 1024.
    pub hidden: usize,
    /// Bound of the log-scale: s = clamp · 0.636 · atan(s_raw / clamp), so |s| < clamp.
    pub clamp: f64,
}

impl CrossScaleConfig {
    /// The paper's flow: 4 couplings, the last with 5 x 5 windows, 1024 hidden channels, clamp 3.
    pub fn paper() -> Self {
        Self { kernels: vec![3, 3, 3, 5], hidden: 1024, clamp: 3.0 }
    }

    /// Number of trainable parameters of a flow over so many scales of `channels` channels; `usize::MAX` if it is
    /// larger.
    pub fn parameters(&self, channels: usize, scales: usize) -> usize {
        let (half, rest) = (channels / 2, channels - channels / 2);
        // To the scale itself, and to each neighbour of it.
        let outputs = scales.saturating_mul(3).saturating_sub(2);
        let coupling = |&kernel: &usize| {
            let conv = |c_in: usize, c_out: usize| {
                let window = kernel.saturating_mul(kernel);
                c_in.saturating_mul(window).saturating_add(1).saturating_mul(c_out)
            };
            let subnet = |c_in: usize, c_out: usize| {
                let input = scales.saturating_mul(conv(c_in, self.hidden));
                let output = outputs.saturating_mul(conv(self.hidden, c_out.saturating_mul(2)));
                input.saturating_add(output).saturating_add(scales)
            };
            subnet(half, rest).saturating_add(subnet(rest, half))
        };
        self.kernels.iter().map(coupling).fold(0, usize::saturating_add)
    }

    /// Multiplications, each with its addition, of all convolutions over an image of these rows and columns by
    /// scale.
    pub fn multiply_adds(&self, channels: usize, grids: &[[usize; 2]]) -> f64 {
        let window = |&kernel: &usize| (kernel as f64).powi(2);
        let windows: f64 = self.kernels.iter().map(window).sum();
        let scale = |(index, grid): (usize, &[usize; 2])| {
            let neighbours = usize::from(index > 0) + usize::from(index + 1 < grids.len());
            // Both subnetworks of a coupling together read all channels once and predict them twice, from each scale.
            let channels = channels as f64 * (1 + 2 * (1 + neighbours)) as f64;
            channels * grid.iter().product::<usize>() as f64
        };
        windows * self.hidden as f64 * grids.iter().enumerate().map(scale).sum::<f64>()
    }

    /// Whether there is such a flow over features of `channels` channels and these rows and columns, the largest
    /// scale first.
    ///
    /// # Errors
    /// [`FlowError::Config`].
    pub fn check(&self, channels: usize, grids: &[[usize; 2]]) -> Result<(), FlowError> {
        let problem = if channels < 2 {
            format!("a flow needs 2 channels or more to couple, found {channels}")
        } else if self.kernels.is_empty() || self.hidden == 0 {
            let Self { kernels, hidden, .. } = self;
            format!("kernels and hidden must be 1 or more, found {} and {hidden}", kernels.len())
        } else if let Some(kernel) = self.kernels.iter().find(|kernel| kernel.is_multiple_of(2)) {
            format!("kernels must be odd, found {kernel}")
        } else if !(self.clamp.is_finite() && self.clamp > 0.0) {
            format!("clamp must be positive, found {}", self.clamp)
        } else if grids.is_empty() || grids.as_flattened().contains(&0) {
            format!("expected one scale or more of one position or more, found {grids:?}")
        } else {
            return Ok(());
        };
        Err(FlowError::Config(problem))
    }
}
