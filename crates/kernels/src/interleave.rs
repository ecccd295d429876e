//! Between rows of channels and vectors of channels. Knows the width of a panel alone.

#[cfg(target_arch = "x86_64")]
use pulp::bytemuck;

use crate::microkernel::PANEL;

/// Side of the blocks that are transposed in registers.
const SIDE: usize = 4;

/// The transpose of a block.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn transpose([a, b, c, d]: [[f32; SIDE]; SIDE]) -> [[f32; SIDE]; SIDE] {
    [
        [a[0], b[0], c[0], d[0]],
        [a[1], b[1], c[1], d[1]],
        [a[2], b[2], c[2], d[2]],
        [a[3], b[3], c[3], d[3]],
    ]
}

/// The transpose of a block, in shuffles of SSE, which every x86-64 CPU has and which the compiler
/// doesn't make from scalar code.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn transpose(block: [[f32; SIDE]; SIDE]) -> [[f32; SIDE]; SIDE] {
    use std::arch::x86_64::{
        __m128, _mm_movehl_ps, _mm_movelh_ps, _mm_unpackhi_ps, _mm_unpacklo_ps,
    };

    let [a, b, c, d]: [__m128; SIDE] = bytemuck::cast(block);
    // SAFETY: SSE belongs to x86-64.
    let transposed = unsafe {
        let (ab_low, ab_high) = (_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));
        let (cd_low, cd_high) = (_mm_unpacklo_ps(c, d), _mm_unpackhi_ps(c, d));
        [
            _mm_movelh_ps(ab_low, cd_low),
            _mm_movehl_ps(cd_low, ab_low),
            _mm_movelh_ps(ab_high, cd_high),
            _mm_movehl_ps(cd_high, ab_high),
        ]
    };
    bytemuck::cast(transposed)
}

/// `columns[i][lane] = rows[lane][i]` for up to 16 rows; other lanes are left alone.
///
/// # Panics
///
/// If there are fewer columns than values in a row.
#[inline(always)]
pub(crate) fn interleave(columns: &mut [[f32; PANEL]], rows: &[&[f32]]) {
    let (blocks, rest) = rows.as_chunks::<SIDE>();
    for (block, rows) in blocks.iter().enumerate() {
        let lane = block * SIDE;
        let width = rows[0].len();
        let [a, b, c, d] = rows;
        let (a, b) = (a[..width].as_chunks::<SIDE>().0, b[..width].as_chunks::<SIDE>().0);
        let (c, d) = (c[..width].as_chunks::<SIDE>().0, d[..width].as_chunks::<SIDE>().0);
        let (body, tail) = columns[..width].as_chunks_mut::<SIDE>();
        for ((((columns, a), b), c), d) in body.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            for (column, values) in columns.iter_mut().zip(transpose([*a, *b, *c, *d])) {
                column[lane..lane + SIDE].copy_from_slice(&values);
            }
        }
        let first = width - tail.len();
        for (i, column) in tail.iter_mut().enumerate() {
            for (value, row) in column[lane..lane + SIDE].iter_mut().zip(rows) {
                *value = row[first + i];
            }
        }
    }
    for (lane, row) in rest.iter().enumerate() {
        for (column, value) in columns.iter_mut().zip(*row) {
            column[blocks.len() * SIDE + lane] = *value;
        }
    }
}

/// `rows[lane][i] = columns[i][lane]` for up to 16 rows, which must have equal lengths.
///
/// # Panics
///
/// If there are fewer columns than values in a row.
#[inline(always)]
pub(crate) fn deinterleave(rows: &mut [&mut [f32]], columns: &[[f32; PANEL]]) {
    let (blocks, rest) = rows.as_chunks_mut::<SIDE>();
    let lanes = blocks.len() * SIDE;
    for (block, rows) in blocks.iter_mut().enumerate() {
        let lane = block * SIDE;
        let width = rows[0].len();
        let (body, tail) = columns[..width].as_chunks::<SIDE>();
        let [a, b, c, d] = rows;
        let (a, b) = (a[..width].as_chunks_mut::<SIDE>(), b[..width].as_chunks_mut::<SIDE>());
        let (c, d) = (c[..width].as_chunks_mut::<SIDE>(), d[..width].as_chunks_mut::<SIDE>());
        let bodies = a.0.iter_mut().zip(b.0).zip(c.0).zip(d.0);
        for ((((a, b), c), d), columns) in bodies.zip(body) {
            let mut values = [[0.0; SIDE]; SIDE];
            for (values, column) in values.iter_mut().zip(columns) {
                values.copy_from_slice(&column[lane..lane + SIDE]);
            }
            [*a, *b, *c, *d] = transpose(values);
        }
        for (l, row) in [a.1, b.1, c.1, d.1].into_iter().enumerate() {
            for (value, column) in row.iter_mut().zip(tail) {
                *value = column[lane + l];
            }
        }
    }
    for (lane, row) in rest.iter_mut().enumerate() {
        for (value, column) in row.iter_mut().zip(columns) {
            *value = column[lanes + lane];
        }
    }
}
