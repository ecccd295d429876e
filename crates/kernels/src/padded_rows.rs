//! Zero-padded rows, arranged so that a strided convolution reads them contiguously. Knows vectors
//! alone.

use pulp::Simd;

use crate::simd::{F32s, MAX_LANES};

/// How padded rows lie in working memory.
///
/// A row is split into `stride` phases: phase `p` holds the padded columns `p`, `p + stride`,
/// `p + 2 stride`, ... So for each tap of the kernel, neighbouring output columns read neighbouring
/// values, whatever the stride.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PaddedRows {
    width: usize,
    /// Column of a phase where the first column of its padded row lies.
    lead: usize,
    left: usize,
    stride: usize,
    phase: usize,
}

impl PaddedRows {
    /// Rows of `width` values after `left` zeros, for `outputs` output columns, counting those that
    /// a kernel computes only to fill its vectors.
    pub(crate) fn new(
        width: usize,
        left: usize,
        kernel: usize,
        stride: usize,
        outputs: usize,
    ) -> Self {
        let read = outputs + (kernel - 1) / stride;
        // Brings the values to the start of a cache line.
        let lead = (left / stride).next_multiple_of(MAX_LANES) - left / stride;
        let phase = lead + read.max((left + width).div_ceil(stride));
        Self { width, lead, left, stride, phase: phase.next_multiple_of(MAX_LANES) }
    }

    /// Values from one row to the next.
    pub(crate) fn pitch(self) -> usize {
        self.phase * self.stride
    }

    /// Where in a row the tap `j` of the output column 0 lies.
    #[inline(always)]
    pub(crate) fn tap(self, j: usize) -> usize {
        self.lead + (j % self.stride) * self.phase + j / self.stride
    }

    /// The largest [`tap`](Self::tap) of a kernel.
    #[inline(always)]
    pub(crate) fn reach(self, kernel: usize) -> usize {
        self.tap(kernel - 1).max(self.tap(self.stride.min(kernel) - 1))
    }

    /// The same layout, with the stride that it has as a constant known to the compiler.
    #[inline(always)]
    pub(crate) fn with_stride(self, stride: usize) -> Self {
        debug_assert_eq!(stride, self.stride);
        Self { stride, ..self }
    }

    /// Fills the rows `padded` from the rows of `plane` from `first` on; rows outside of it are
    /// zeros.
    ///
    /// The columns of padding are left as they are; zero them beforehand.
    #[inline(always)]
    pub(crate) fn fill<S: Simd>(self, simd: S, padded: &mut [f32], plane: &[f32], first: isize) {
        let count = padded.len() / self.pitch();
        let height = plane.len().checked_div(self.width).unwrap_or(0);
        let above = first.unsigned_abs() * usize::from(first < 0);
        let first = first.unsigned_abs() * usize::from(first > 0);
        let above = above.min(count);
        let inside = height.saturating_sub(first).min(count - above);
        let (zeros, padded) = padded.split_at_mut(above * self.pitch());
        zeros.fill(0.0);
        let (padded, zeros) = padded.split_at_mut(inside * self.pitch());
        zeros.fill(0.0);
        if inside > 0 {
            let rows = plane[first * self.width..].chunks_exact(self.width);
            for (padded, x) in padded.chunks_exact_mut(self.pitch()).zip(rows) {
                self.fill_row(simd, padded, x);
            }
        }
    }

    /// Fills one row from its values.
    #[inline(always)]
    fn fill_row<S: Simd>(self, simd: S, padded: &mut [f32], x: &[f32]) {
        match self.stride {
            // A call to copy the few vectors of a row would take longer than to copy them.
            1 => {
                let (from, from_tail) = S::as_simd_f32s(x);
                let (to, to_tail) =
                    S::as_mut_simd_f32s(&mut padded[self.lead + self.left..][..self.width]);
                for (to, from) in to.iter_mut().zip(from) {
                    *to = *from;
                }
                if !from_tail.is_empty() {
                    F32s::load_partial(simd, from_tail).store_partial(to_tail);
                }
            }
            2 => {
                let (even, odd) = padded.split_at_mut(self.phase);
                let (even, odd) = (&mut even[self.lead..], &mut odd[self.lead..]);
                // The pairs begin at an even padded column.
                let (first, second, x) = if self.left.is_multiple_of(2) {
                    (&mut even[self.left / 2..], &mut odd[self.left / 2..], x)
                } else {
                    let Some((head, x)) = x.split_first() else { return };
                    odd[self.left / 2] = *head;
                    (&mut even[self.left / 2 + 1..], &mut odd[self.left / 2 + 1..], x)
                };
                let (pairs, last) = x.as_chunks::<2>();
                for (([x0, x1], first), second) in
                    pairs.iter().zip(first.iter_mut()).zip(second.iter_mut())
                {
                    *first = *x0;
                    *second = *x1;
                }
                if let [last] = last {
                    first[pairs.len()] = *last;
                }
            }
            stride => {
                for (column, x) in (self.left..).zip(x) {
                    padded[self.lead + (column % stride) * self.phase + column / stride] = *x;
                }
            }
        }
    }
}
