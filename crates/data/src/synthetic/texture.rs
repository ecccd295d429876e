//! Surfaces that fill the image.

use image::{GrayImage, RgbImage};

use super::dice::Dice;
use super::kind::{DefectKind, TextureClass};
use super::noise::Noise;
use super::plane::{Point, along, coverage, dot, mix, smooth, sub, turn};
use super::shape::Shape;
use super::{Painted, paint};

/// The grey that textures vary around.
const MEAN: f32 = 0.5;
/// The width of a defect's soft border in pixels.
const BORDER: f32 = 2.0;

/// One piece of a surface under one light.
pub(super) struct Texture {
    class: TextureClass,
    /// Where on the endless surface the image lies.
    origin: Point,
    /// The direction of the texture, near the image's rows.
    axis: Point,
    noise: Noise,
    grain: Noise,
    light: Point,
    gain: f32,
}

/// A change of the surface.
pub(super) struct TextureDefect {
    shape: Shape,
    kind: DefectKind,
    tone: f32,
    centre: Point,
    /// The width of the shape's border, the image's side being 1.
    border: f32,
}

impl Texture {
    pub(super) fn new(class: TextureClass, dice: &mut Dice) -> Self {
        let tilt = dice.range(-0.06, 0.06);
        let norm = (1.0 + tilt * tilt).sqrt();
        Self {
            class,
            origin: [dice.range(0.0, 64.0), dice.range(0.0, 64.0)],
            axis: [1.0 / norm, tilt / norm],
            noise: Noise::new(dice),
            grain: Noise::new(dice),
            light: dice.direction(),
            gain: dice.range(0.94, 1.06),
        }
    }

    pub(super) fn defect(&self, kind: DefectKind, dice: &mut Dice, pixel: f32) -> TextureDefect {
        let centre = [dice.range(0.25, 0.75), dice.range(0.25, 0.75)];
        let shape = match kind {
            DefectKind::Scratch => {
                let (length, area) = (dice.range(0.4, 0.7), dice.range(0.013, 0.025));
                Shape::scratch(dice, centre, length, area, pixel)
            }
            DefectKind::Spots => {
                let area = dice.range(0.013, 0.03);
                Shape::spots(dice, centre, area)
            }
            _ => {
                let area = dice.range(0.015, 0.04);
                Shape::blob(dice, centre, area)
            }
        };
        let tone = if dice.coin() { dice.range(0.85, 0.95) } else { dice.range(0.05, 0.15) };
        TextureDefect { shape, kind, tone, centre, border: BORDER * pixel }
    }

    pub(super) fn draw(&self, size: u32, defect: Option<&TextureDefect>) -> (RgbImage, GrayImage) {
        paint(size, |x, y, p| {
            let mut grey = self.grey(p);
            let share = defect.map_or(0.0, |d| coverage(d.shape.distance(p), d.border));
            if let Some(defect) = defect.filter(|_| share > 0.0) {
                grey = mix(grey, self.defect_grey(defect, p, grey), share);
            }
            let lit = grey * self.gain * (1.0 + 0.2 * dot(sub(p, [0.5; 2]), self.light));
            let grain = 0.03 * (self.grain.at(x as i32, y as i32) - 0.5);
            Painted { colour: [lit + grain; 3], changed: share > 0.0 }
        })
    }

    /// What the surface looks like where the defect covers it.
    fn defect_grey(&self, defect: &TextureDefect, p: Point, grey: f32) -> f32 {
        match defect.kind {
            DefectKind::Scratch => mix(grey, defect.tone, 0.7),
            DefectKind::Spots => mix(grey, defect.tone, 0.8),
            DefectKind::Faded => mix(MEAN, grey, 0.1),
            DefectKind::Distorted => {
                let [dx, dy] = sub(p, defect.centre);
                self.grey(along(defect.centre, 1.7, [-dy, dx]))
            }
            // A stain dims or brightens, and the texture shows through.
            _ => {
                let uneven = self.noise.octaves(p.map(|v| 24.0 * v), 2);
                mix(grey, defect.tone, 0.4 + 0.3 * uneven)
            }
        }
    }

    /// The unlit surface at `p`; in `[0, 1]`.
    fn grey(&self, p: Point) -> f32 {
        let q = turn(p, self.axis);
        let q = [q[0] + self.origin[0], q[1] + self.origin[1]];
        let scaled = |x: f32, y: f32| [q[0] * x, q[1] * y];
        match self.class {
            TextureClass::Cloudy => {
                // Two lattices at an angle hide each other's grid.
                let a = self.noise.octaves(scaled(14.0, 14.0), 3) - 0.5;
                let b = self.grain.octaves(turn(scaled(14.0, 14.0), [0.8, 0.6]), 3) - 0.5;
                MEAN + 0.6 * (a + b)
            }
            TextureClass::Woven => self.weave(scaled(20.0, 20.0)),
            TextureClass::Brushed => {
                let long = self.noise.octaves(scaled(2.5, 90.0), 3) - 0.5;
                let short = self.grain.octaves(scaled(12.0, 160.0), 2) - 0.5;
                MEAN + 0.1 + 0.4 * long + 0.2 * short
            }
            TextureClass::Leather => {
                let warp = self.noise.value(scaled(6.0, 6.0)) - 0.5;
                let cell = [q[0] * 22.0 + warp, q[1] * 22.0 - warp];
                let [first, second] = self.noise.cells(cell);
                let groove = smooth((second - first) / 0.35);
                let relief = self.grain.octaves(scaled(60.0, 60.0), 2) - 0.5;
                0.28 + 0.3 * groove + 0.06 * (1.0 - first) + 0.12 * relief
            }
            TextureClass::Grid => {
                let [x, y] = scaled(13.0, 13.0).map(wave);
                let uneven = self.noise.octaves(scaled(30.0, 30.0), 3) - 0.5;
                0.3 + 0.45 * smooth(1.3 * x * y) + 0.12 * uneven
            }
        }
    }

    /// Threads that pass over and under each other, one crossing per unit square.
    fn weave(&self, p: Point) -> f32 {
        let [column, row] = p.map(f32::floor);
        let [x, y] = [p[0] - column, p[1] - row];
        let warp_on_top = (column as i32).wrapping_add(row as i32) & 1 == 0;
        // Across the thread it is round; along it, it dives under its neighbours.
        let (across, along, thread) = if warp_on_top {
            (x, y, self.noise.at(column as i32, -1))
        } else {
            (y, x, self.noise.at(-1, row as i32))
        };
        let arch = |t: f32| 4.0 * t * (1.0 - t);
        let round = arch(across).sqrt();
        let height = 0.55 + 0.45 * arch(along);
        let fibre = if warp_on_top { [p[0] * 9.0, p[1] * 2.0] } else { [p[0] * 2.0, p[1] * 9.0] };
        let fibre = self.grain.octaves(fibre, 2) - 0.5;
        let shade = if warp_on_top { 0.0 } else { -0.06 };
        0.16 + 0.55 * round * height + 0.08 * (thread - 0.5) + 0.14 * fibre + shade
    }
}

/// A smooth wave of period 1 from 0 to 1 and back, made of parabolas where a sine would differ
/// between machines.
fn wave(t: f32) -> f32 {
    let t = t - t.floor();
    smooth(1.0 - (2.0 * t - 1.0).abs())
}
