//! Run-time choice of the vector instructions.
//!
//! A kernel asks `arch` once, on the thread that calls it, and runs its inner loops under
//! [`pulp::Arch::dispatch`], which compiles them for each instruction set. The inner loops are
//! written on `F32s`, one vector register of `f32` with the usual operators.
//!
//! By default the widest instructions of the CPU are used. The environment variable `NFBMR_SIMD`
//! (`scalar`, `avx2`, `avx512` or `neon`, read once) holds the kernels to a narrower set, and
//! [`with_level`] does so for one thread, which is how the tests reach every path.

use std::cell::Cell;
use std::ops::{Add, Div, Mul, Neg, Sub};
use std::sync::OnceLock;

use pulp::{Arch, Simd};

/// Environment variable that names the instruction set to use.
const VARIABLE: &str = "NFBMR_SIMD";

/// Most lanes of `f32` that any level has.
pub(crate) const MAX_LANES: usize = 16;

/// A set of vector instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Whatever the compilation target has everywhere.
    Scalar,
    /// AVX2 with FMA: 8 lanes of `f32`.
    Avx2,
    /// AVX-512 (F, BW, CD, DQ, VL): 16 lanes of `f32`. Needs the crate feature `avx512`.
    Avx512,
    /// NEON: 4 lanes of `f32`.
    Neon,
}

impl Level {
    /// All levels, narrowest first.
    const ALL: [Level; 4] = [Level::Scalar, Level::Neon, Level::Avx2, Level::Avx512];

    /// The levels that this build has code for and this CPU can run, narrowest first.
    pub fn available() -> Vec<Level> {
        Self::ALL.into_iter().filter(|level| level.arch().is_some()).collect()
    }

    /// The level that kernels called from this thread use.
    pub fn current() -> Level {
        OVERRIDE.get().unwrap_or_else(default_level)
    }

    /// The name that `NFBMR_SIMD` knows the level by.
    pub fn name(self) -> &'static str {
        match self {
            Level::Scalar => "scalar",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
            Level::Neon => "neon",
        }
    }

    /// The dispatcher of the level, where this build and this CPU have it.
    fn arch(self) -> Option<Arch> {
        match self {
            Level::Scalar => Some(Arch::Scalar),
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Level::Avx2 => pulp::x86::V3::try_new().map(Arch::V3),
            #[cfg(all(any(target_arch = "x86", target_arch = "x86_64"), feature = "avx512"))]
            Level::Avx512 => pulp::x86::V4::try_new().map(Arch::V4),
            #[cfg(target_arch = "aarch64")]
            Level::Neon => pulp::aarch64::Neon::try_new().map(Arch::Neon),
            #[allow(unreachable_patterns, reason = "the levels of other CPUs")]
            _ => None,
        }
    }
}

thread_local! {
    /// The level that `with_level` holds this thread to.
    static OVERRIDE: Cell<Option<Level>> = const { Cell::new(None) };
}

/// The level of threads that `with_level` doesn't hold.
fn default_level() -> Level {
    static DEFAULT: OnceLock<Level> = OnceLock::new();
    *DEFAULT.get_or_init(|| {
        let available = Level::available();
        let wanted = std::env::var(VARIABLE).ok();
        // A name that this CPU can't honour is as good as none.
        available
            .iter()
            .copied()
            .find(|level| wanted.as_deref() == Some(level.name()))
            .or(available.last().copied())
            .unwrap_or(Level::Scalar)
    })
}

/// Runs `f` with the kernels that it calls on this thread held to `level`.
///
/// # Panics
///
/// If this build or this CPU lacks the level; see [`Level::available`].
pub fn with_level<R>(level: Level, f: impl FnOnce() -> R) -> R {
    /// Puts the former level back, on unwinding too.
    struct Restore(Option<Level>);
    impl Drop for Restore {
        fn drop(&mut self) {
            OVERRIDE.set(self.0);
        }
    }

    assert!(level.arch().is_some(), "this CPU or this build has no {} instructions", level.name());
    let _restore = Restore(OVERRIDE.replace(Some(level)));
    f()
}

/// The dispatcher for kernels called from this thread.
///
/// Ask before work goes to other threads: they don't see what [`with_level`] says here.
pub(crate) fn arch() -> Arch {
    Level::current().arch().unwrap_or(Arch::Scalar)
}

/// One vector register of `f32`.
///
/// Everything is lane-wise, inlined, and rounded as IEEE 754 says. Only meant inside code that
/// [`pulp::Arch::dispatch`] compiles for `S`; elsewhere it's correct but slow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct F32s<S: Simd> {
    simd: S,
    lanes: S::f32s,
}

impl<S: Simd> F32s<S> {
    /// Number of lanes.
    pub(crate) const LANES: usize = S::F32_LANES;

    /// All lanes equal to `value`.
    #[inline(always)]
    pub(crate) fn splat(simd: S, value: f32) -> Self {
        Self { simd, lanes: simd.splat_f32s(value) }
    }

    /// The register as it is.
    #[inline(always)]
    pub(crate) fn new(simd: S, lanes: S::f32s) -> Self {
        Self { simd, lanes }
    }

    /// The pulp vector.
    #[inline(always)]
    pub(crate) fn into_inner(self) -> S::f32s {
        self.lanes
    }

    /// All lanes equal to `value`, on the instruction set of `self`.
    #[inline(always)]
    pub(crate) fn same(self, value: f32) -> Self {
        Self::splat(self.simd, value)
    }

    /// The first `LANES` values of `slice`.
    #[inline(always)]
    pub(crate) fn load(simd: S, slice: &[f32]) -> Self {
        Self { simd, lanes: S::as_simd_f32s(&slice[..Self::LANES]).0[0] }
    }

    /// Up to `LANES` values of `slice`; the other lanes are zero.
    #[inline(always)]
    pub(crate) fn load_partial(simd: S, slice: &[f32]) -> Self {
        Self { simd, lanes: simd.partial_load_f32s(slice) }
    }

    /// Writes all lanes to the front of `slice`.
    #[inline(always)]
    pub(crate) fn store(self, slice: &mut [f32]) {
        S::as_mut_simd_f32s(&mut slice[..Self::LANES]).0[0] = self.lanes;
    }

    /// Writes as many lanes as `slice` holds, at most all.
    #[inline(always)]
    pub(crate) fn store_partial(self, slice: &mut [f32]) {
        self.simd.partial_store_f32s(slice, self.lanes);
    }

    /// `LANES` values from `pointer` on.
    ///
    /// # Safety
    ///
    /// `pointer` must be valid for reads of `LANES` values of `f32`.
    #[inline(always)]
    pub(crate) unsafe fn load_ptr(simd: S, pointer: *const f32) -> Self {
        // SAFETY: the caller vouches for the range; unaligned reads have no further condition, and
        // any bits are a valid vector.
        Self { simd, lanes: unsafe { pointer.cast::<S::f32s>().read_unaligned() } }
    }

    /// Writes all lanes from `pointer` on.
    ///
    /// # Safety
    ///
    /// `pointer` must be valid for writes of `LANES` values of `f32`.
    #[inline(always)]
    pub(crate) unsafe fn store_ptr(self, pointer: *mut f32) {
        // SAFETY: the caller vouches for the range; unaligned writes have no further condition.
        unsafe { pointer.cast::<S::f32s>().write_unaligned(self.lanes) }
    }

    /// `self * factor + addend`, fused where the instruction set does that, else rounded twice.
    #[inline(always)]
    pub(crate) fn mul_add(self, factor: Self, addend: Self) -> Self {
        let lanes = self.simd.mul_add_e_f32s(self.lanes, factor.lanes, addend.lanes);
        Self { lanes, ..self }
    }

    /// The smaller of `self` and `bound`; NaN where `self` is NaN. `bound` must not be NaN.
    #[inline(always)]
    pub(crate) fn at_most(self, bound: Self) -> Self {
        // x86's minimum gives its second argument if either is NaN and NEON's gives NaN, but
        // `f32::min` drops NaN.
        let lanes = if S::IS_SCALAR {
            let less = self.simd.less_than_f32s(bound.lanes, self.lanes);
            self.simd.select_f32s(less, bound.lanes, self.lanes)
        } else {
            self.simd.min_f32s(bound.lanes, self.lanes)
        };
        Self { lanes, ..self }
    }

    /// The larger of `self` and `bound`; NaN where `self` is NaN. `bound` must not be NaN.
    #[inline(always)]
    pub(crate) fn at_least(self, bound: Self) -> Self {
        let lanes = if S::IS_SCALAR {
            let less = self.simd.less_than_f32s(self.lanes, bound.lanes);
            self.simd.select_f32s(less, bound.lanes, self.lanes)
        } else {
            self.simd.max_f32s(bound.lanes, self.lanes)
        };
        Self { lanes, ..self }
    }

    /// `yes` where `self > other`, else `no`.
    #[inline(always)]
    pub(crate) fn select_greater(self, other: Self, yes: Self, no: Self) -> Self {
        let mask = self.simd.greater_than_f32s(self.lanes, other.lanes);
        Self { lanes: self.simd.select_f32s(mask, yes.lanes, no.lanes), ..self }
    }

    /// Absolute value.
    #[inline(always)]
    pub(crate) fn abs(self) -> Self {
        self.map_bits(
            #[inline(always)]
            |simd, bits| simd.and_u32s(bits, simd.splat_u32s(0x7fff_ffff)),
        )
    }

    /// `self`, which must have clear sign bits, with the signs of `other`.
    #[inline(always)]
    pub(crate) fn or_sign_of(self, other: Self) -> Self {
        let other = self.simd.transmute_u32s_f32s(other.lanes);
        self.map_bits(
            #[inline(always)]
            |simd, bits| simd.or_u32s(bits, simd.and_u32s(other, simd.splat_u32s(0x8000_0000))),
        )
    }

    /// Sum of the lanes.
    #[inline(always)]
    pub(crate) fn sum(self) -> f32 {
        self.simd.reduce_sum_f32s(self.lanes)
    }

    /// The lanes whose bits are what `f` makes of those of `self`.
    #[inline(always)]
    pub(crate) fn map_bits(self, f: impl FnOnce(S, S::u32s) -> S::u32s) -> Self {
        let bits = f(self.simd, self.simd.transmute_u32s_f32s(self.lanes));
        Self { lanes: self.simd.transmute_f32s_u32s(bits), ..self }
    }
}

/// Which values of a slice a register holds.
#[derive(Clone, Copy)]
pub(crate) struct Lanes<S: Simd> {
    simd: S,
    start: usize,
    whole: bool,
}

impl<S: Simd> Lanes<S> {
    /// The values of `slice`; lanes beyond its end are zero.
    #[inline(always)]
    pub(crate) fn load(self, slice: &[f32]) -> F32s<S> {
        let slice = &slice[self.start..];
        if self.whole { F32s::load(self.simd, slice) } else { F32s::load_partial(self.simd, slice) }
    }

    /// Writes the values of `slice`.
    #[inline(always)]
    pub(crate) fn store(self, slice: &mut [f32], values: F32s<S>) {
        let slice = &mut slice[self.start..];
        if self.whole { values.store(slice) } else { values.store_partial(slice) }
    }
}

/// Calls `f` for each register's worth of slices of `len` values, which must not be longer.
#[inline(always)]
pub(crate) fn for_each_vector<S: Simd>(simd: S, len: usize, mut f: impl FnMut(Lanes<S>)) {
    let end = len - len % F32s::<S>::LANES;
    let mut start = 0;
    // Two calls, so that each is compiled for its kind of lanes.
    while start < end {
        f(Lanes { simd, start, whole: true });
        start += F32s::<S>::LANES;
    }
    if start < len {
        f(Lanes { simd, start, whole: false });
    }
}

impl<S: Simd> Add for F32s<S> {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self { lanes: self.simd.add_f32s(self.lanes, other.lanes), ..self }
    }
}

impl<S: Simd> Sub for F32s<S> {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self { lanes: self.simd.sub_f32s(self.lanes, other.lanes), ..self }
    }
}

impl<S: Simd> Mul for F32s<S> {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self { lanes: self.simd.mul_f32s(self.lanes, other.lanes), ..self }
    }
}

impl<S: Simd> Div for F32s<S> {
    type Output = Self;

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        Self { lanes: self.simd.div_f32s(self.lanes, other.lanes), ..self }
    }
}

impl<S: Simd> Neg for F32s<S> {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        self.map_bits(
            #[inline(always)]
            |simd, bits| simd.xor_u32s(bits, simd.splat_u32s(0x8000_0000)),
        )
    }
}
