//! Surfaces of threads, by their grey in `[0, 1]` at a point. Knows noise and the plane.

use crate::noise::Noise;
use crate::plane::{Point, mix, smooth};

/// A plain weave: threads that pass over and under each other.
pub(crate) fn woven(q: Point, noise: Noise, grain: Noise) -> f32 {
    let p = [q[0] * 20.0, q[1] * 20.0];
    let [column, row] = p.map(f32::floor);
    let [x, y] = [p[0] - column, p[1] - row];
    let warp_on_top = (column as i32).wrapping_add(row as i32) & 1 == 0;
    // Across the thread it is round; along it, it dives under its neighbours.
    let (across, along, thread) = if warp_on_top {
        (x, y, noise.at(column as i32, -1))
    } else {
        (y, x, noise.at(-1, row as i32))
    };
    let round = arch(across).sqrt();
    let height = 0.55 + 0.45 * arch(along);
    let fibre = if warp_on_top { [p[0] * 9.0, p[1] * 2.0] } else { [p[0] * 2.0, p[1] * 9.0] };
    let fibre = grain.octaves(fibre, 2) - 0.5;
    let shade = if warp_on_top { 0.0 } else { -0.06 };
    0.16 + 0.55 * round * height + 0.08 * (thread - 0.5) + 0.14 * fibre + shade
}

/// Columns of stitches, each of two loops that meet in a V.
pub(crate) fn knit(q: Point, noise: Noise, grain: Noise) -> f32 {
    let p = [q[0] * 15.0, q[1] * 19.0];
    let column = p[0].floor();
    let x = p[0] - column;
    // From the middle of the column to its border the loops rise.
    let from_middle = (2.0 * x - 1.0).abs();
    let t = p[1] + 0.9 * from_middle;
    let row = t.floor();
    let side = i32::from(x < 0.5);
    let stitch = noise.at((column as i32).wrapping_mul(2).wrapping_add(side), row as i32);
    let round = (arch(t - row) * arch(0.1 + 0.8 * from_middle)).sqrt();
    let fibre = grain.octaves([p[0] * 4.0, t * 8.0], 2) - 0.5;
    0.14 + 0.52 * round + 0.1 * (stitch - 0.5) + 0.16 * fibre * round
}

/// A twill of flat shiny threads that pass over two and under two, each row shifted by one.
pub(crate) fn twill(q: Point, noise: Noise, grain: Noise) -> f32 {
    let p = [q[0] * 22.0, q[1] * 22.0];
    let [column, row] = p.map(f32::floor);
    let [x, y] = [p[0] - column, p[1] - row];
    let (column, row) = (column as i32, row as i32);
    let phase = column.wrapping_sub(row).rem_euclid(4);
    let warp_on_top = phase < 2;
    // A thread lies on top of two crossings, the first of which has phase 1 or 2.
    let second = if phase == 1 || phase == 2 { 0.0 } else { 1.0 };
    let (across, along, thread) = if warp_on_top {
        (x, 0.5 * (y + second), noise.at(column, -1))
    } else {
        (y, 0.5 * (x + second), noise.at(-1, row))
    };
    // Fibres mirror the light where their bend faces it, the two directions at different places.
    let gloss = if warp_on_top { smooth(1.2 * along) } else { smooth(1.2 * (1.0 - along)) };
    let base = if warp_on_top { 0.38 } else { 0.26 };
    let edge = smooth(5.0 * across.min(1.0 - across));
    let fibre = if warp_on_top { [p[0] * 16.0, p[1] * 1.5] } else { [p[0] * 1.5, p[1] * 16.0] };
    let fibre = grain.octaves(fibre, 2) - 0.5;
    mix(0.12, base + 0.3 * gloss + 0.1 * (thread - 0.5) + 0.16 * fibre, 0.3 + 0.7 * edge)
}

/// A parabola that is 0 at 0 and 1, and 1 between them.
fn arch(t: f32) -> f32 {
    4.0 * t * (1.0 - t)
}
