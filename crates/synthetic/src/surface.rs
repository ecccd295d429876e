//! Surfaces of metal, leather, wood and stone, by their grey in `[0, 1]` at a point. Knows noise and
//! the plane.

use crate::noise::{Cell, Noise};
use crate::plane::{Point, mix, smooth, turn};

/// The grey that surfaces vary around.
pub(crate) const MEAN: f32 = 0.5;

/// Clouds of filtered noise.
pub(crate) fn cloudy(q: Point, noise: Noise, grain: Noise) -> f32 {
    // Two lattices at an angle hide each other's grid.
    let a = noise.octaves(scaled(q, 14.0, 14.0), 3) - 0.5;
    let b = grain.octaves(turn(scaled(q, 14.0, 14.0), [0.8, 0.6]), 3) - 0.5;
    MEAN + 0.6 * (a + b)
}

/// Fine lines in one direction.
pub(crate) fn brushed(q: Point, noise: Noise, grain: Noise) -> f32 {
    let long = noise.octaves(scaled(q, 2.5, 90.0), 3) - 0.5;
    let short = grain.octaves(scaled(q, 12.0, 160.0), 2) - 0.5;
    MEAN + 0.1 + 0.4 * long + 0.2 * short
}

/// Cells with dark grooves between them.
pub(crate) fn leather(q: Point, noise: Noise, grain: Noise) -> f32 {
    let warp = noise.value(scaled(q, 6.0, 6.0)) - 0.5;
    let Cell { first, second, .. } = noise.cell([q[0] * 22.0 + warp, q[1] * 22.0 - warp]);
    let groove = smooth((second - first) / 0.35);
    let relief = grain.octaves(scaled(q, 60.0, 60.0), 2) - 0.5;
    0.28 + 0.3 * groove + 0.06 * (1.0 - first) + 0.12 * relief
}

/// Knobs on a regular grid.
pub(crate) fn grid(q: Point, noise: Noise) -> f32 {
    let [x, y] = scaled(q, 13.0, 13.0).map(wave);
    let uneven = noise.octaves(scaled(q, 30.0, 30.0), 3) - 0.5;
    0.3 + 0.45 * smooth(1.3 * x * y) + 0.12 * uneven
}

/// Year rings cut lengthwise, fibres and pores.
pub(crate) fn wood(q: Point, noise: Noise, grain: Noise) -> f32 {
    let bend = noise.octaves(scaled(q, 1.3, 4.0), 2);
    let ring = 9.0 * q[1] + 3.2 * bend;
    let year = ring.floor();
    let t = ring - year;
    // Wood darkens slowly from spring on and is light again at once after winter.
    let late = t * t * (1.0 - smooth((t - 0.86) / 0.14));
    let tone = noise.at(year as i32, -7) - 0.5;
    let fibre = grain.octaves(scaled(q, 5.0, 130.0), 3) - 0.5;
    let pore = smooth((grain.octaves([q[0] * 14.0 + 90.0, q[1] * 150.0], 2) - 0.7) / 0.12);
    0.62 - 0.26 * late + 0.06 * tone + 0.2 * fibre - 0.16 * pore
}

/// Crystals of three minerals, pressed flat in one direction.
pub(crate) fn granite(q: Point, noise: Noise, grain: Noise) -> f32 {
    let p = scaled(q, 14.0, 36.0);
    let warp = [grain.value(p.map(|v| 1.7 * v)), grain.value(p.map(|v| 1.7 * v + 40.0))];
    let Cell { first, second, at: [x, y] } = noise.cell([p[0] + warp[0], p[1] + warp[1]]);
    let kind = noise.at(x.wrapping_add(511), y);
    let tone = noise.at(x, y.wrapping_add(511)) - 0.5;
    // Mica is dark, feldspar grey and quartz light.
    let mineral = if kind < 0.2 {
        0.26
    } else if kind < 0.65 {
        0.5
    } else {
        0.66
    };
    let seam = 1.0 - smooth((second - first) / 0.12);
    let speckle = grain.octaves(scaled(q, 90.0, 90.0), 2) - 0.5;
    mineral + 0.14 * tone - 0.08 * seam + 0.2 * speckle
}

/// Glazed tiles, every row shifted by half a tile, with mortar between them.
pub(crate) fn tiles(q: Point, noise: Noise, grain: Noise) -> f32 {
    let row = (q[1] * 12.0).floor();
    let y = q[1] * 12.0 - row;
    let shift = if (row as i32) & 1 == 0 { 0.0 } else { 0.5 };
    let along = q[0] * 6.0 + shift;
    let column = along.floor();
    let x = along - column;
    // In rows, since a tile is twice as wide as high.
    let to_edge = y.min(1.0 - y).min(2.0 * x.min(1.0 - x));
    let tone = noise.at(column as i32, row as i32) - 0.5;
    let glaze = grain.octaves(scaled(q, 16.0, 16.0), 3) - 0.5;
    let bevel = smooth((to_edge - 0.08) / 0.14);
    let tile = 0.5 + 0.1 * bevel + 0.14 * tone + 0.16 * glaze;
    let mortar = 0.34 + 0.16 * (grain.octaves(scaled(q, 110.0, 110.0), 2) - 0.5);
    mix(mortar, tile, smooth((to_edge - 0.04) / 0.05))
}

fn scaled(q: Point, x: f32, y: f32) -> Point {
    [q[0] * x, q[1] * y]
}

/// A smooth wave of period 1 from 0 to 1 and back, made of parabolas where a sine would differ
/// between machines.
fn wave(t: f32) -> f32 {
    let t = t - t.floor();
    smooth(1.0 - (2.0 * t - 1.0).abs())
}
