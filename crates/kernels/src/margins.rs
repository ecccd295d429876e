//! Rows and columns at the edges of planes. Nothing else of the crate is known here.

/// Rows and columns of zeros around a plane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Margins {
    /// Rows above.
    pub top: usize,
    /// Columns to the left.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Margins {
    /// The same number of rows and columns on all four sides.
    pub fn uniform(size: usize) -> Self {
        Self { top: size, left: size, bottom: size, right: size }
    }

    /// TensorFlow's `SAME`: as much as gives `ceil(size / stride)` outputs, the odd one at the
    /// bottom and on the right.
    pub fn same(height: usize, width: usize, kernel: usize, stride: usize) -> Self {
        let total = |size: usize| {
            ((size.div_ceil(stride).max(1) - 1) * stride + kernel).saturating_sub(size)
        };
        let (rows, columns) = (total(height), total(width));
        Self {
            top: rows / 2,
            left: columns / 2,
            bottom: rows - rows / 2,
            right: columns - columns / 2,
        }
    }

    /// Height and width of the output of a `kernel` x `kernel` convolution.
    ///
    /// # Panics
    ///
    /// If the padded plane is smaller than the kernel or the stride is 0.
    pub fn output_size(
        self,
        height: usize,
        width: usize,
        kernel: usize,
        stride: usize,
    ) -> (usize, usize) {
        let rows = height + self.top + self.bottom;
        let columns = width + self.left + self.right;
        assert!(stride > 0, "the stride must be positive");
        assert!(
            kernel > 0 && rows >= kernel && columns >= kernel,
            "the padded plane, {rows} x {columns}, must hold the {kernel} x {kernel} kernel"
        );
        ((rows - kernel) / stride + 1, (columns - kernel) / stride + 1)
    }
}
