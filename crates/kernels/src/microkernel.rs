//! The innermost loop of every matrix product here: a tile of the output in registers.
//!
//! With `A` in rows and `B` in panels of 16 columns, a tile of `R` rows and a few vectors of
//! columns is the sum over `k` of outer products: one broadcast value of `A` per row times the
//! vectors of `B`. The number of rows is as large as the registers allow, which is what hides the
//! latency of the multiply-adds and keeps loads below them (Goto & van de Geijn, *Anatomy of
//! High-Performance Matrix Multiplication*, 2008).

use pulp::Simd;

use crate::simd::F32s;

/// Columns of a panel of `B`: a cache line, and a whole number of vectors on every CPU.
///
/// A panel of depth `k` is stored as `[k, 16]`.
pub(crate) const PANEL: usize = 16;

/// Most rows of a tile.
pub(crate) const fn max_rows<S: Simd>() -> usize {
    match (S::F32_LANES, S::REGISTER_COUNT) {
        (16, 32..) => 12,
        (4.., _) => 6,
        _ => 2,
    }
}

/// Most panels of a tile.
pub(crate) const fn max_panels<S: Simd>() -> usize {
    if S::F32_LANES == PANEL { 2 } else { 1 }
}

/// `acc[r][..] + sum_k rows[r][step k] panels[..][k]`, with `W / P` vectors to a panel.
///
/// # Panics
///
/// If a row or a panel is too short for the depth.
#[inline(always)]
pub(crate) fn multiply_add<S: Simd, const P: usize, const W: usize, const R: usize>(
    simd: S,
    depth: usize,
    rows: [&[f32]; R],
    step: usize,
    panels: [&[f32]; P],
    mut acc: [[F32s<S>; W]; R],
) -> [[F32s<S>; W]; R] {
    assert!(W / P * S::F32_LANES == PANEL, "vectors of a panel");
    if depth == 0 {
        return acc;
    }
    #[expect(clippy::expect_used, reason = "an index of a slice of the caller fits usize")]
    let last = step.checked_mul(depth - 1).expect("a row fits memory");
    // `array::map` would be calls that aren't inlined.
    let mut row_pointers = [std::ptr::null(); R];
    for (pointer, row) in row_pointers.iter_mut().zip(rows) {
        *pointer = row[..=last].as_ptr();
    }
    let mut panel_pointers = [std::ptr::null(); P];
    for (pointer, panel) in panel_pointers.iter_mut().zip(panels) {
        *pointer = panel[..depth * PANEL].as_ptr();
    }
    for k in 0..depth {
        let mut b = [F32s::splat(simd, 0.0); W];
        for (w, b) in b.iter_mut().enumerate() {
            let (panel, offset) = (w / (W / P), w % (W / P) * S::F32_LANES);
            // SAFETY: the panel has `16 depth` values, of which these begin at `16 k + offset`;
            // `k < depth`, and the vectors of a panel have 16 lanes together. The checks that
            // the compiler couldn't prove away took a third of the time.
            *b = unsafe { F32s::load_ptr(simd, panel_pointers[panel].add(k * PANEL + offset)) };
        }
        for (row, acc) in row_pointers.iter().zip(&mut acc) {
            // SAFETY: the row has more than `step (depth - 1)` values, and `k < depth`.
            let a = F32s::splat(simd, unsafe { row.add(step * k).read() });
            for (acc, b) in acc.iter_mut().zip(b) {
                *acc = b.mul_add(a, *acc);
            }
        }
    }
    acc
}

/// Something to do for each tile of a product.
pub(crate) trait ForTile {
    /// Does it for the `R` rows from `row` on and the `P` panels from `panel` on.
    fn tile<S: Simd, const P: usize, const W: usize, const R: usize>(
        &mut self,
        simd: S,
        row: usize,
        panel: usize,
    );
}

/// Calls `op` for the tiles of `rows` rows, which must fit one tile, and all `panels` panels.
#[inline(always)]
fn for_panels<S: Simd, const R: usize>(simd: S, row: usize, panels: usize, op: &mut impl ForTile) {
    let mut panel = 0;
    if const { max_panels::<S>() == 2 } {
        while panel + 2 <= panels {
            op.tile::<S, 2, 2, R>(simd, row, panel);
            panel += 2;
        }
    }
    while panel < panels {
        if const { S::F32_LANES == 16 } {
            op.tile::<S, 1, 1, R>(simd, row, panel);
        } else if const { S::F32_LANES == 8 } {
            op.tile::<S, 1, 2, R>(simd, row, panel);
        } else if const { S::F32_LANES == 4 } {
            op.tile::<S, 1, 4, R>(simd, row, panel);
        } else if const { S::F32_LANES == 2 } {
            op.tile::<S, 1, 8, R>(simd, row, panel);
        } else {
            op.tile::<S, 1, 16, R>(simd, row, panel);
        }
        panel += 1;
    }
}

/// Calls `op` for the tiles of a product with `rows` rows and `panels` panels, rows outermost.
///
/// The rows are shared evenly between tiles, since a tile with few rows is a slow one.
#[inline(always)]
pub(crate) fn for_each_tile<S: Simd>(simd: S, rows: usize, panels: usize, op: &mut impl ForTile) {
    let groups = rows.div_ceil(const { max_rows::<S>() });
    let mut row = 0;
    for group in 0..groups {
        let end = (group + 1) * rows / groups;
        macro_rules! with_rows {
            ($($count:literal)*) => {
                match end - row {
                    $($count => if const { $count <= max_rows::<S>() } {
                        for_panels::<S, $count>(simd, row, panels, op);
                    })*
                    _ => unreachable!("a tile has at most 12 rows"),
                }
            };
        }
        with_rows!(1 2 3 4 5 6 7 8 9 10 11 12);
        row = end;
    }
}
