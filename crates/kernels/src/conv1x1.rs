//! 1 x 1 convolution, a matrix product over the channels. Knows the product and its epilogues.

use rayon::prelude::*;

use crate::conv_layer::ConvLayer;
use crate::matmul::{ColumnMajor, Epilogue, RowMajor, matmul};
use crate::scratch::with_scratch;

/// Sizes of a 1 x 1 convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv1x1Dims {
    /// Output channels.
    pub co: usize,
    /// Input channels.
    pub ci: usize,
    /// Positions: batch times height times width.
    pub n: usize,
}

impl Conv1x1Dims {
    fn check_weight(&self, weight: &[f32]) {
        assert_eq!(weight.len(), self.co * self.ci, "weight must be [co, ci]");
    }

    fn check_input(&self, x: &[f32]) {
        assert_eq!(x.len(), self.ci * self.n, "input must be [ci, n]");
    }

    fn check_output(&self, y: &[f32]) {
        assert_eq!(y.len(), self.co * self.n, "output must be [co, n]");
    }
}

/// 1 x 1 convolution with a fused epilogue.
///
/// `out = activation(weight x + bias) + residual`, where the weight is `[co, ci]`, `x` is `[ci, n]`,
/// the bias has `co` values, and the residual is like `out`, `[co, n]`.
///
/// # Panics
///
/// If a slice doesn't have the length that `dims` says.
pub fn conv1x1(
    out: &mut [f32],
    dims: Conv1x1Dims,
    layer: ConvLayer<'_>,
    x: &[f32],
    residual: Option<&[f32]>,
) {
    let Conv1x1Dims { co, ci, n } = dims;
    let ConvLayer { weight, bias, activation } = layer;
    dims.check_output(out);
    dims.check_weight(weight);
    dims.check_input(x);
    if let Some(bias) = bias {
        assert_eq!(bias.len(), co, "bias must be [co]");
    }
    if let Some(residual) = residual {
        dims.check_output(residual);
    }
    let epilogue = Epilogue { accumulate: false, bias, activation, residual };
    matmul(out, weight, &RowMajor { values: x, n }, [co, n, ci], epilogue);
}

/// Gradient of a 1 x 1 convolution with respect to its input: `dx = W^T dz`.
///
/// `dz`, `[co, n]`, is the gradient before the activation, such as
/// [`activation_backward`](crate::activation_backward) computes. `dx` is `[ci, n]`.
///
/// # Panics
///
/// If a slice doesn't have the length that `dims` says.
pub fn conv1x1_grad_input(dx: &mut [f32], dims: Conv1x1Dims, weight: &[f32], dz: &[f32]) {
    let Conv1x1Dims { co, ci, n } = dims;
    dims.check_input(dx);
    dims.check_weight(weight);
    dims.check_output(dz);
    with_scratch(co * ci, |transposed| {
        transpose(transposed, weight, co, ci);
        let b = RowMajor { values: dz, n };
        matmul(dx, transposed, &b, [ci, n, co], Epilogue::default());
    });
}

/// Gradients of a 1 x 1 convolution with respect to its weight and bias.
///
/// `dw = dz x^T`, `[co, ci]`, and `db`, `[co]`, the sums of the rows of `dz`, `[co, n]`, which is
/// the gradient before the activation. With `accumulate`, they are added to what is there. The
/// result doesn't depend on the number of threads.
///
/// # Panics
///
/// If a slice doesn't have the length that `dims` says.
pub fn conv1x1_grad_weight(
    dw: &mut [f32],
    db: Option<&mut [f32]>,
    dims: Conv1x1Dims,
    dz: &[f32],
    x: &[f32],
    accumulate: bool,
) {
    let Conv1x1Dims { co, ci, n } = dims;
    dims.check_weight(dw);
    dims.check_output(dz);
    dims.check_input(x);
    if let Some(db) = db {
        assert_eq!(db.len(), co, "db must be [co]");
        grad_bias(db, dz, n, accumulate);
    }
    let epilogue = Epilogue { accumulate, ..Epilogue::default() };
    matmul(dw, dz, &ColumnMajor { values: x, k: n }, [co, ci, n], epilogue);
}

/// `db = sum_n dz[.., n]`.
pub(crate) fn grad_bias(db: &mut [f32], dz: &[f32], n: usize, accumulate: bool) {
    let sum = |(row, db): (usize, &mut f32)| {
        let sum = sum(&dz[row * n..][..n]);
        *db = if accumulate { *db + sum } else { sum };
    };
    if dz.len() < crate::parallel::SERIAL_ELEMENTS {
        db.iter_mut().enumerate().for_each(sum);
    } else {
        db.par_iter_mut().enumerate().with_min_len(8).for_each(sum);
    }
}

/// Sum of `values` in 32 interleaved parts, which is fast and keeps rounding errors small.
fn sum(values: &[f32]) -> f32 {
    let (chunks, rest) = values.as_chunks::<32>();
    let mut parts = [0.0; 32];
    for chunk in chunks {
        for (part, value) in parts.iter_mut().zip(chunk) {
            *part += value;
        }
    }
    for (part, value) in parts.iter_mut().zip(rest) {
        *part += value;
    }
    let mut half = 16;
    while half > 0 {
        for i in 0..half {
            parts[i] += parts[i + half];
        }
        half /= 2;
    }
    parts[0]
}

/// `out[cols, rows] = x[rows, cols]^T`.
fn transpose(out: &mut [f32], x: &[f32], rows: usize, cols: usize) {
    /// Side of the blocks, a cache line.
    const SIDE: usize = 16;
    if rows == 0 || cols == 0 {
        return;
    }
    let strip = |(i, out): (usize, &mut [f32])| {
        let first = i * SIDE;
        for row in (0..rows).step_by(SIDE) {
            for (c, out) in out.chunks_exact_mut(rows).enumerate() {
                let end = rows.min(row + SIDE);
                for (out, r) in out[row..end].iter_mut().zip(row..) {
                    *out = x[r * cols + first + c];
                }
            }
        }
    };
    if x.len() < crate::parallel::SERIAL_ELEMENTS {
        out.chunks_mut(SIDE * rows).enumerate().for_each(strip);
    } else {
        out.par_chunks_mut(SIDE * rows).enumerate().for_each(strip);
    }
}
