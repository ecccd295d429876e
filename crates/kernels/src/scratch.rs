//! Reused, cache-line-aligned working memory.
//!
//! Fresh megabytes on each call would cost more page faults than some of the kernels take, so each
//! thread keeps what its largest call needed.

use std::cell::Cell;

use pulp::bytemuck::{self, Pod, Zeroable};

/// Values in a cache line.
const LINE: usize = 16;

/// A cache line of values.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

// SAFETY: a line is 16 values of `f32` without padding, and all zero bits are a valid `f32`.
unsafe impl Zeroable for Line {}
// SAFETY: a line is 16 values of `f32`, 64 bytes as its alignment, so without padding; any bits are
// a valid `f32`; it's `Copy` and has no interior mutability or lifetime.
unsafe impl Pod for Line {}

/// Values that begin at a cache line.
#[derive(Clone)]
pub(crate) struct Aligned(Vec<Line>);

impl Aligned {
    /// At least `len` zeros.
    pub(crate) fn zeroed(len: usize) -> Self {
        Self(vec![Line([0.0; LINE]); len.div_ceil(LINE)])
    }

    /// The values, up to 15 more than were asked for.
    pub(crate) fn as_slice(&self) -> &[f32] {
        bytemuck::cast_slice(&self.0)
    }

    /// The values, up to 15 more than were asked for.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(&mut self.0)
    }
}

thread_local! {
    /// The buffers of this thread that no call is using.
    static FREE: Cell<Vec<Aligned>> = const { Cell::new(Vec::new()) };
}

/// Calls `f` with `len` values of unspecified content, the first at a cache line.
///
/// Calls may nest, also through work that rayon steals while `f` waits.
pub(crate) fn with_scratch<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut free = FREE.take();
    // The smallest buffer that fits, else the largest, which then grows.
    let best = (0..free.len()).min_by_key(|&i| {
        let capacity = free[i].0.len() * LINE;
        if capacity >= len { (false, capacity) } else { (true, usize::MAX - capacity) }
    });
    let mut buffer = best.map_or_else(|| Aligned(Vec::new()), |i| free.swap_remove(i));
    FREE.set(free);
    if buffer.0.len() * LINE < len {
        // What is there would only be copied.
        buffer = Aligned::zeroed(len);
    }
    let result = f(&mut buffer.as_mut_slice()[..len]);
    let mut free = FREE.take();
    free.push(buffer);
    FREE.set(free);
    result
}
