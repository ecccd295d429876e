//! Smooth noise. Knows dice and the plane.

use crate::dice::Dice;
use crate::plane::{Point, mix, smooth};

/// Random numbers tied to the points of a lattice.
#[derive(Clone, Copy)]
pub(crate) struct Noise(u32);

impl Noise {
    pub(crate) fn new(dice: &mut Dice) -> Self {
        Self(dice.bits())
    }

    /// A number in `[0, 1)` for a lattice point, unrelated to its neighbours'.
    pub(crate) fn at(self, x: i32, y: i32) -> f32 {
        let mut hash = (x as u32).wrapping_mul(0x9E37_79B1)
            ^ (y as u32).wrapping_mul(0x85EB_CA77).rotate_left(13)
            ^ self.0;
        // The finalizer of MurmurHash3.
        hash = (hash ^ (hash >> 16)).wrapping_mul(0x85EB_CA6B);
        hash = (hash ^ (hash >> 13)).wrapping_mul(0xC2B2_AE35);
        hash ^= hash >> 16;
        (hash >> 8) as f32 / (1 << 24) as f32
    }

    /// The lattice interpolated smoothly at `p`; in `[0, 1)`.
    pub(crate) fn value(self, p: Point) -> f32 {
        let [fx, fy] = p.map(f32::floor);
        let [tx, ty] = [smooth(p[0] - fx), smooth(p[1] - fy)];
        let (x, y) = (fx as i32, fy as i32);
        let row = |y| mix(self.at(x, y), self.at(x.wrapping_add(1), y), tx);
        mix(row(y), row(y.wrapping_add(1)), ty)
    }

    /// The sum of `octaves` noises, each of twice the frequency and half the amplitude; in
    /// `[0, 1)`.
    pub(crate) fn octaves(self, p: Point, octaves: u32) -> f32 {
        let (mut sum, mut total, mut amplitude, mut p) = (0.0, 0.0, 1.0, p);
        for octave in 0..octaves {
            // Another seed per octave, or their lattices would line up at the origin.
            sum += amplitude * Self(self.0.wrapping_add(octave.wrapping_mul(0x6C07_8965))).value(p);
            total += amplitude;
            amplitude *= 0.5;
            p = p.map(|v| 2.0 * v);
        }
        sum / total
    }

    /// The cell around the nearest of one random point per lattice cell.
    pub(crate) fn cell(self, p: Point) -> Cell {
        let [fx, fy] = p.map(f32::floor);
        let (x, y) = (fx as i32, fy as i32);
        let other = Self(self.0 ^ 0x5BD1_E995);
        let (mut first, mut second, mut at) = (f32::MAX, f32::MAX, [x, y]);
        for row in -1..=1 {
            for column in -1..=1 {
                let (cx, cy) = (x.wrapping_add(column), y.wrapping_add(row));
                let dx = cx as f32 + 0.1 + 0.8 * self.at(cx, cy) - p[0];
                let dy = cy as f32 + 0.1 + 0.8 * other.at(cx, cy) - p[1];
                let square = dx * dx + dy * dy;
                if square < first {
                    (first, second, at) = (square, first, [cx, cy]);
                } else if square < second {
                    second = square;
                }
            }
        }
        Cell { first: first.sqrt(), second: second.sqrt(), at }
    }
}

/// A cell of random outline.
pub(crate) struct Cell {
    /// The distance to the nearest point, around which the cell lies.
    pub(crate) first: f32,
    /// The distance to the second nearest.
    pub(crate) second: f32,
    /// The lattice cell of the nearest point.
    pub(crate) at: [i32; 2],
}
