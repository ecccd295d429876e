//! Surfaces that fill the image, and defects on them. Knows the greys of surfaces and fabrics, no
//! parts.

use image::{GrayImage, RgbImage};

use crate::dice::Dice;
use crate::kind::{DefectKind, TextureClass};
use crate::noise::Noise;
use crate::paint::{Painted, paint};
use crate::plane::{Point, along, coverage, dot, mix, sub, turn};
use crate::shape::Shape;
use crate::surface::MEAN;
use crate::{fabric, surface};

/// The width of a defect's soft border in pixels.
const BORDER: f32 = 2.0;

/// One piece of a surface under one light.
pub(crate) struct Texture {
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
pub(crate) struct TextureDefect {
    shape: Shape,
    kind: DefectKind,
    tone: f32,
    centre: Point,
    /// The width of the shape's border, the image's side being 1.
    border: f32,
}

impl Texture {
    pub(crate) fn new(class: TextureClass, dice: &mut Dice) -> Self {
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

    pub(crate) fn defect(&self, kind: DefectKind, dice: &mut Dice, pixel: f32) -> TextureDefect {
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

    pub(crate) fn draw(&self, size: u32, defect: Option<&TextureDefect>) -> (RgbImage, GrayImage) {
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
        let [noise, grain] = [self.noise, self.grain];
        match self.class {
            TextureClass::Cloudy => surface::cloudy(q, noise, grain),
            TextureClass::Woven => fabric::woven(q, noise, grain),
            TextureClass::Brushed => surface::brushed(q, noise, grain),
            TextureClass::Leather => surface::leather(q, noise, grain),
            TextureClass::Grid => surface::grid(q, noise),
            TextureClass::Knit => fabric::knit(q, noise, grain),
            TextureClass::Wood => surface::wood(q, noise, grain),
            TextureClass::Granite => surface::granite(q, noise, grain),
            TextureClass::Tiles => surface::tiles(q, noise, grain),
            TextureClass::Twill => fabric::twill(q, noise, grain),
        }
    }
}
