//! The sizes of a 3 x 3 convolution. Nothing of how it is computed is known here.

/// Sizes of a 3 x 3 convolution with stride 1 and zero padding 1, which keeps height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv3x3Dims {
    /// Output channels.
    pub co: usize,
    /// Input channels.
    pub ci: usize,
    /// Images.
    pub batch: usize,
    /// Height of input and output.
    pub height: usize,
    /// Width of input and output.
    pub width: usize,
}

impl Conv3x3Dims {
    /// Values of a channel.
    pub(super) fn channel(&self) -> usize {
        self.batch * self.height * self.width
    }

    pub(super) fn check_input(&self, x: &[f32]) {
        assert_eq!(x.len(), self.ci * self.channel(), "input must be [ci, batch, height, width]");
    }

    pub(super) fn check_output(&self, y: &[f32]) {
        assert_eq!(y.len(), self.co * self.channel(), "output must be [co, batch, height, width]");
    }
}
