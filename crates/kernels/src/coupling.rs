//! The affine coupling of RealNVP with a soft clamp on the log-scale.
//!
//! A subnet's output, `[2 C, N]`, holds the raw log-scales in its first `C` rows and the shifts in
//! the others. With the learned factor `gamma`,
//!
//! ```text
//! s = 0.636 clamp atan(gamma raw_s / clamp)      |s| < 0.636 clamp pi / 2 = 0.999 clamp
//! z = exp(s) x + gamma shift
//! log_det += sum_c s
//! ```

use std::ops::Range;

use pulp::{Simd, WithSimd};

use crate::columns::{column_ranges, run_tasks, split_columns, split_row};
use crate::elementary::{atan, exp};
use crate::simd::{F32s, arch, for_each_vector};

/// About `2 / pi`, as in the Glow-style couplings of FrEIA.
const ATAN_SCALE: f32 = 0.636;

/// Shape and parameters of an affine coupling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coupling {
    /// Number of transformed channels, `C`.
    pub channels: usize,
    /// Number of positions, `N`.
    pub columns: usize,
    /// Factor of the subnet's output.
    pub gamma: f32,
    /// Bound of the log-scale; positive.
    pub clamp: f32,
}

/// What [`Coupling::backward`] needs of the forward pass: what it read, and the scale it wrote.
#[derive(Clone, Copy, Debug)]
pub struct CouplingTrace<'a> {
    /// The subnet's output, raw log-scales and then shifts, `[2 channels, columns]`.
    pub raw: &'a [f32],
    /// The transformed channels before the pass, `[channels, columns]`.
    pub x: &'a [f32],
    /// `exp(s)`, as [`Coupling::forward`] gives it, `[channels, columns]`.
    pub scale: &'a [f32],
}

impl Coupling {
    fn check(&self, name: &str, len: usize, rows_per_channel: usize) {
        assert!(
            len == rows_per_channel * self.channels * self.columns,
            "{name} has {len} values, not [{rows_per_channel} * {}, {}]",
            self.channels,
            self.columns
        );
    }

    fn check_positions(&self, name: &str, len: usize) {
        assert!(len == self.columns, "{name} has {len} values, not [{}]", self.columns);
    }

    /// The log-scale of a raw one.
    #[inline(always)]
    fn log_scale<S: Simd>(&self, raw: F32s<S>) -> F32s<S> {
        let u = raw * raw.same(self.gamma / self.clamp);
        atan(u) * raw.same(ATAN_SCALE * self.clamp)
    }

    /// `z <- exp(s) x + gamma shift` and `log_det += sum_c s`.
    ///
    /// `raw` is `[2 channels, columns]`, `x` and `z` are `[channels, columns]`, `log_det` is
    /// `[columns]`. `scale`, `[channels, columns]`, receives `exp(s)`, which
    /// [`backward`](Self::backward) needs. The result doesn't depend on the number of threads.
    ///
    /// # Panics
    ///
    /// If a slice doesn't have the length that its shape says.
    pub fn forward(
        &self,
        z: &mut [f32],
        log_det: &mut [f32],
        scale: Option<&mut [f32]>,
        raw: &[f32],
        x: &[f32],
    ) {
        self.check("z", z.len(), 1);
        self.check_positions("log_det", log_det.len());
        self.check("raw", raw.len(), 2);
        self.check("x", x.len(), 1);
        if let Some(scale) = &scale {
            self.check("scale", scale.len(), 1);
        }

        let arch = arch();
        let ranges = column_ranges(self.channels, self.columns);
        let z = split_columns(z, self.columns, &ranges);
        let log_det = split_row(log_det, &ranges);
        let mut scale = scale.map(|scale| split_columns(scale, self.columns, &ranges).into_iter());
        let tasks = ranges.into_iter().zip(z).zip(log_det).map(|((range, z), log_det)| Forward {
            inputs: Inputs { coupling: *self, range, raw, x },
            z,
            log_det,
            scale: scale.as_mut().and_then(Iterator::next),
        });
        run_tasks(tasks.collect(), |task| arch.dispatch(task));
    }

    /// `x <- (z - gamma shift) exp(-s)`, with shapes as in [`forward`](Self::forward).
    ///
    /// # Panics
    ///
    /// If a slice doesn't have the length that its shape says.
    pub fn inverse(&self, x: &mut [f32], raw: &[f32], z: &[f32]) {
        self.check("x", x.len(), 1);
        self.check("raw", raw.len(), 2);
        self.check("z", z.len(), 1);
        let arch = arch();
        let ranges = column_ranges(self.channels, self.columns);
        let x = split_columns(x, self.columns, &ranges);
        let tasks = ranges
            .into_iter()
            .zip(x)
            .map(|(range, x)| Inverse { inputs: Inputs { coupling: *self, range, raw, x: z }, x });
        run_tasks(tasks.collect(), |task| arch.dispatch(task));
    }

    /// Gradients of [`forward`](Self::forward); gives that with respect to `gamma`.
    ///
    /// With `t = exp(s) x`,
    ///
    /// ```text
    /// ds = dz t + dlog_det
    /// draw_s = 0.636 gamma ds / (1 + (gamma raw_s / clamp)^2)    draw_shift = gamma dz
    /// dx = exp(s) dz
    /// dgamma = sum (0.636 raw_s ds / (1 + (gamma raw_s / clamp)^2) + shift dz)
    /// ```
    ///
    /// `draw`, `[2 channels, columns]`, and `dx`, `[channels, columns]`, are overwritten. `dz` is
    /// `[channels, columns]`, `dlog_det` is `[columns]`. `dgamma` depends on the number of threads, but
    /// on nothing else.
    ///
    /// # Panics
    ///
    /// If a slice doesn't have the length that its shape says.
    pub fn backward(
        &self,
        draw: &mut [f32],
        dx: &mut [f32],
        dz: &[f32],
        dlog_det: &[f32],
        trace: CouplingTrace<'_>,
    ) -> f32 {
        let CouplingTrace { raw, x, scale } = trace;
        self.check("draw", draw.len(), 2);
        self.check("dx", dx.len(), 1);
        self.check("dz", dz.len(), 1);
        self.check_positions("dlog_det", dlog_det.len());
        self.check("scale", scale.len(), 1);
        self.check("raw", raw.len(), 2);
        self.check("x", x.len(), 1);
        let arch = arch();
        let ranges = column_ranges(self.channels, self.columns);
        let draw = split_columns(draw, self.columns, &ranges);
        let dx = split_columns(dx, self.columns, &ranges);
        let tasks = ranges.into_iter().zip(draw).zip(dx).map(|((range, draw), dx)| {
            let inputs = Inputs { coupling: *self, range, raw, x };
            Backward { inputs, draw, dx, dz, dlog_det, scale }
        });
        run_tasks(tasks.collect(), |task| arch.dispatch(task)).into_iter().sum::<f64>() as f32
    }
}

/// What all passes read, and the columns of a task.
struct Inputs<'a> {
    coupling: Coupling,
    range: Range<usize>,
    raw: &'a [f32],
    x: &'a [f32],
}

impl<'a> Inputs<'a> {
    /// The task's piece of the row `c` of a matrix.
    #[inline(always)]
    fn row<'b>(&self, matrix: &'b [f32], c: usize) -> &'b [f32] {
        &matrix[c * self.coupling.columns..][self.range.clone()]
    }

    /// The task's pieces of the raw log-scales, the shifts and `x` of the channel `c`.
    #[inline(always)]
    fn rows(&self, c: usize) -> [&'a [f32]; 3] {
        let shift = self.row(self.raw, self.coupling.channels + c);
        [self.row(self.raw, c), shift, self.row(self.x, c)]
    }
}

/// One task of [`Coupling::forward`].
struct Forward<'a> {
    inputs: Inputs<'a>,
    z: Vec<&'a mut [f32]>,
    log_det: &'a mut [f32],
    scale: Option<Vec<&'a mut [f32]>>,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { inputs, z, log_det, mut scale } = self;
        let coupling = inputs.coupling;
        for (c, z) in z.into_iter().enumerate() {
            let [raw, shift, x] = inputs.rows(c);
            let mut scale = scale.as_mut().map(
                #[inline(always)]
                |scale| &mut *scale[c],
            );
            for_each_vector(
                simd,
                z.len(),
                #[inline(always)]
                |at| {
                    let s = coupling.log_scale(at.load(raw));
                    let factor = exp(s);
                    let shift = at.load(shift) * s.same(coupling.gamma);
                    at.store(z, factor.mul_add(at.load(x), shift));
                    at.store(log_det, at.load(log_det) + s);
                    if let Some(scale) = &mut scale {
                        at.store(scale, factor);
                    }
                },
            );
        }
    }
}

/// One task of [`Coupling::inverse`]; `inputs.x` is `z`.
struct Inverse<'a> {
    inputs: Inputs<'a>,
    x: Vec<&'a mut [f32]>,
}

impl WithSimd for Inverse<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { inputs, x } = self;
        let coupling = inputs.coupling;
        for (c, x) in x.into_iter().enumerate() {
            let [raw, shift, z] = inputs.rows(c);
            for_each_vector(
                simd,
                x.len(),
                #[inline(always)]
                |at| {
                    let s = coupling.log_scale(at.load(raw));
                    let rest = at.load(shift).mul_add(s.same(-coupling.gamma), at.load(z));
                    at.store(x, rest * exp(-s));
                },
            );
        }
    }
}

/// One task of [`Coupling::backward`].
struct Backward<'a> {
    inputs: Inputs<'a>,
    draw: Vec<&'a mut [f32]>,
    dx: Vec<&'a mut [f32]>,
    dz: &'a [f32],
    dlog_det: &'a [f32],
    scale: &'a [f32],
}

impl WithSimd for Backward<'_> {
    /// The task's part of `dgamma`.
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let Self { inputs, mut draw, dx, dz, dlog_det, scale } = self;
        let Coupling { channels, gamma, clamp, .. } = inputs.coupling;
        let dlog_det = &dlog_det[inputs.range.clone()];
        let (draw_s, draw_shift) = draw.split_at_mut(channels);
        let mut dgamma = 0.0;
        for (c, ((draw_s, draw_shift), dx)) in draw_s.iter_mut().zip(draw_shift).zip(dx).enumerate()
        {
            let [raw, shift, x] = inputs.rows(c);
            let (dz, scale) = (inputs.row(dz, c), inputs.row(scale, c));
            let mut row_dgamma = F32s::splat(simd, 0.0);
            for_each_vector(
                simd,
                dx.len(),
                #[inline(always)]
                |at| {
                    let raw = at.load(raw);
                    let u = raw * raw.same(gamma / clamp);
                    let slope = raw.same(ATAN_SCALE) / u.mul_add(u, u.same(1.0));
                    let (dz, scale) = (at.load(dz), at.load(scale));
                    let ds = (dz * scale).mul_add(at.load(x), at.load(dlog_det)) * slope;
                    at.store(draw_s, ds * ds.same(gamma));
                    at.store(draw_shift, dz * dz.same(gamma));
                    at.store(dx, dz * scale);
                    row_dgamma = raw.mul_add(ds, row_dgamma);
                    row_dgamma = at.load(shift).mul_add(dz, row_dgamma);
                },
            );
            dgamma += f64::from(row_dgamma.sum());
        }
        dgamma
    }
}
