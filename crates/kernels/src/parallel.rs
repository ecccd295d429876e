//! How work is shared between the threads of rayon's current pool. Knows vectors and no kernel.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::simd::{F32s, arch};

/// Work on fewer elements than this stays on the calling thread: waking another one costs as much.
pub(crate) const SERIAL_ELEMENTS: usize = 32 * 1024;

/// Elements of one task of an element-wise kernel over `len` elements; a multiple of 64.
///
/// A few tasks per thread even out threads that start late or share their core.
pub(crate) fn chunk_len(len: usize) -> usize {
    if len < SERIAL_ELEMENTS {
        return len.max(1);
    }
    let tasks = 4 * rayon::current_num_threads();
    len.div_ceil(tasks).max(SERIAL_ELEMENTS / 4).next_multiple_of(64)
}

/// An element-wise function.
pub(crate) trait SliceKernel: Copy + Send + Sync {
    /// The function of each lane.
    fn map<S: Simd>(self, x: F32s<S>) -> F32s<S>;
}

/// `x <- kernel(x)` on the calling thread.
#[inline(always)]
fn map_slice<S: Simd>(simd: S, x: &mut [f32], kernel: impl SliceKernel) {
    let (body, tail) = S::as_mut_simd_f32s(x);
    for value in body {
        *value = kernel.map(F32s::new(simd, *value)).into_inner();
    }
    if !tail.is_empty() {
        kernel.map(F32s::load_partial(simd, tail)).store_partial(tail);
    }
}

/// `x <- kernel(x)`, split over the pool's threads.
pub(crate) fn for_each_chunk<K: SliceKernel>(x: &mut [f32], kernel: K) {
    struct Chunk<'a, K>(&'a mut [f32], K);

    impl<K: SliceKernel> WithSimd for Chunk<'_, K> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            map_slice(simd, self.0, self.1);
        }
    }

    let arch = arch();
    let chunk = chunk_len(x.len());
    if chunk >= x.len() {
        arch.dispatch(Chunk(x, kernel));
    } else {
        x.par_chunks_mut(chunk).for_each(|x| arch.dispatch(Chunk(x, kernel)));
    }
}
