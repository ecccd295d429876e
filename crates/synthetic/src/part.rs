//! Metal parts on a plain background, and defects on them. Knows outlines, noise, shapes and scenes,
//! no textures.

use image::{GrayImage, RgbImage};

use crate::dice::Dice;
use crate::kind::{DefectKind, PartClass};
use crate::noise::Noise;
use crate::outline::{Hole, holes, outline, reach};
use crate::paint::{Painted, paint, to_byte};
use crate::plane::{Point, along, coverage, dot, length, mix, smooth, sub, turn};
use crate::scene::Scene;
use crate::shape::Shape;

/// The width of the bevel along the edges, the image's side being 1.
const BEVEL: f32 = 0.014;
/// How far the shadow falls.
const SHADOW: f32 = 0.016;
/// The change in grey levels from which on a pixel belongs to a defect of the part's form.
const VISIBLE: u8 = 6;
/// The width of a surface defect's soft border in pixels.
const BORDER: f32 = 2.0;
const METAL: [f32; 3] = [1.0, 0.985, 0.955];
const GROUND: [f32; 3] = [0.96, 1.0, 1.06];
/// How far a small part stays from the image's border.
const MARGIN: f32 = 0.03;
/// The light that a colour swallows at most, as a share; below 1, since defects are to show.
const DYE: f32 = 0.55;

/// One part in one place under one light.
///
/// The part, its surface and its defects are drawn where the dice put it. An image that shows the
/// part elsewhere looks up each of its points there.
pub(crate) struct Part {
    class: PartClass,
    bore: Option<Hole>,
    holes: Vec<Hole>,
    centre: Point,
    axis: Point,
    scale: f32,
    light: Point,
    gain: f32,
    surface: Noise,
    ground: Noise,
    grain: Noise,
    colour: [f32; 3],
    /// Where the image shows the part, if elsewhere than the dice put it.
    shown: Option<Pose>,
}

/// A place, an angle and a size, the part's where the dice put it being 1.
struct Pose {
    centre: Point,
    axis: Point,
    zoom: f32,
}

/// A change of the part's form or surface.
pub(crate) enum PartDefect {
    MissingHole(usize),
    Bite(Shape),
    Mark { shape: Shape, tone: f32, strength: f32, border: f32 },
}

impl Part {
    pub(crate) fn new(class: PartClass, dice: &mut Dice) -> Self {
        let (bore, holes) = holes(class);
        Self {
            class,
            bore,
            holes,
            centre: [dice.range(0.46, 0.54), dice.range(0.46, 0.54)],
            axis: dice.direction(),
            scale: dice.range(0.98, 1.04),
            light: dice.direction(),
            gain: dice.range(0.92, 1.08),
            surface: Noise::new(dice),
            ground: Noise::new(dice),
            grain: Noise::new(dice),
            colour: METAL,
            shown: None,
        }
    }

    /// The part as a scene shows it, by the dice of this image and those that all images share.
    pub(crate) fn shown(self, scene: &Scene, own: &mut Dice, shared: &mut Dice) -> Self {
        let zoom = scene.part_scale;
        let border = reach(self.class) * self.scale * zoom + MARGIN;
        let anywhere = [own.range(border, 1.0 - border), own.range(border, 1.0 - border)];
        let shown = if scene.straight {
            Some(Pose { centre: [0.5; 2], axis: [1.0, 0.0], zoom })
        } else if zoom < 1.0 {
            Some(Pose { centre: anywhere, axis: self.axis, zoom })
        } else {
            None
        };
        let colour = match scene.colours {
            0 | 1 => METAL,
            count => {
                // All around the circle of hues, so that no two look alike.
                let step = own.below(count as usize) as f32 / count as f32;
                let tint = tint(shared.range(0.0, 1.0) + step);
                std::array::from_fn(|c| METAL[c] * mix(1.0, tint[c], DYE))
            }
        };
        Self { colour, shown, ..self }
    }

    pub(crate) fn defect(&self, kind: DefectKind, dice: &mut Dice, pixel: f32) -> PartDefect {
        match kind {
            DefectKind::MissingHole => PartDefect::MissingHole(dice.below(self.holes.len())),
            DefectKind::Bite => {
                let place = self.edge_point(dice);
                let area = dice.range(0.024, 0.045);
                PartDefect::Bite(Shape::blob(dice, place, area))
            }
            DefectKind::Scratch => {
                let place = self.inner_point(dice);
                let (length, area) = (dice.range(0.25, 0.45), dice.range(0.014, 0.025));
                let shape = Shape::scratch(dice, place, length, area, pixel);
                let tone = if dice.coin() { 0.95 } else { 0.2 };
                PartDefect::Mark { shape, tone, strength: 0.75, border: BORDER * pixel }
            }
            _ => {
                let place = self.inner_point(dice);
                let area = dice.range(0.015, 0.045);
                let shape = Shape::blob(dice, place, area);
                let tone = dice.range(0.1, 0.25);
                PartDefect::Mark { shape, tone, strength: 0.6, border: 2.0 * BORDER * pixel }
            }
        }
    }

    pub(crate) fn draw(&self, size: u32, defect: Option<&PartDefect>) -> (RgbImage, GrayImage) {
        let pixel = 1.0 / (size as f32 * self.shown.as_ref().map_or(1.0, |shown| shown.zoom));
        let light = self.light_on_part();
        paint(size, |x, y, at| {
            let p = self.looked_up(at);
            let grain = 0.03 * (self.grain.at(x as i32, y as i32) - 0.5);
            let colour = |defect| self.colour(at, p, light, defect, pixel).map(|v| v + grain);
            let Some(defect) = defect.filter(|defect| self.reaches(defect, p, pixel)) else {
                return Painted { colour: colour(None), changed: false };
            };
            let with_defect = colour(Some(defect));
            let changed = match defect {
                PartDefect::Mark { shape, border, .. } => {
                    self.distance(p, None) < 0.0 && coverage(shape.distance(p), *border) > 0.0
                }
                // A form has shadows and bevels of its own: what can be seen to change counts.
                _ => {
                    let in_metal = |defect| self.distance(p, defect) < 0.0;
                    let differ = |a: f32, b: f32| to_byte(a).abs_diff(to_byte(b)) >= VISIBLE;
                    in_metal(Some(defect)) != in_metal(None)
                        || differ(with_defect[1], colour(None)[1])
                }
            };
            Painted { colour: with_defect, changed }
        })
    }

    /// Whether the defect, its bevel or its shadow may change the pixel at `p`.
    fn reaches(&self, defect: &PartDefect, p: Point, pixel: f32) -> bool {
        let margin = 2.0 * (BEVEL + SHADOW) + pixel;
        match defect {
            PartDefect::MissingHole(index) => self.holes[*index].distance(self.to_part(p)) < margin,
            PartDefect::Bite(shape) => shape.distance(p) < margin,
            PartDefect::Mark { shape, border, .. } => shape.distance(p) < *border,
        }
    }

    /// Where the dice put what the image shows at `at`.
    fn looked_up(&self, at: Point) -> Point {
        let Some(shown) = &self.shown else {
            return at;
        };
        let [x, y] = turn(sub(at, shown.centre), shown.axis).map(|v| v / shown.zoom);
        along(along(self.centre, x, self.axis), y, [-self.axis[1], self.axis[0]])
    }

    /// The direction of the light, seen from the part where the dice put it.
    fn light_on_part(&self) -> Point {
        let Some(shown) = &self.shown else {
            return self.light;
        };
        let [x, y] = turn(self.light, shown.axis);
        along([x * self.axis[0], x * self.axis[1]], y, [-self.axis[1], self.axis[0]])
    }

    /// The colour of the image at `at`, which is `p` where the dice put the part.
    fn colour(
        &self,
        at: Point,
        p: Point,
        light: Point,
        defect: Option<&PartDefect>,
        pixel: f32,
    ) -> [f32; 3] {
        let distance = self.distance(p, defect);
        let share = coverage(distance, pixel);
        // Either is drawn only where it shows.
        let metal = if share > 0.0 { self.metal(p, light, distance, defect) } else { 0.0 };
        let ground = if share < 1.0 { self.ground_grey(at, p, light, defect) } else { 0.0 };
        let lit = self.gain * (1.0 + 0.12 * dot(sub(at, [0.5; 2]), self.light));
        std::array::from_fn(|c| lit * mix(ground * GROUND[c], metal * self.colour[c], share))
    }

    /// The part's surface: fine machining lines, a bevel that catches the light, marks.
    fn metal(&self, p: Point, light: Point, distance: f32, defect: Option<&PartDefect>) -> f32 {
        let q = turn(p, self.axis);
        let lines = self.surface.octaves([q[0] * 5.0 + 40.0, q[1] * 110.0 + 400.0], 3) - 0.5;
        let cloud = self.surface.octaves([q[0] * 8.0 + 80.0, q[1] * 8.0 + 80.0], 2) - 0.5;
        let mut grey = 0.62 + 0.14 * lines + 0.06 * cloud;
        let bevel = 1.0 - smooth(-distance / BEVEL);
        if bevel > 0.0 {
            let step = 0.25 * BEVEL;
            let slope = |d: Point| self.distance(along(p, step, d), defect) - distance;
            let normal = [slope([1.0, 0.0]), slope([0.0, 1.0])];
            let facing = dot(normal, light) / length(normal).max(1e-6);
            grey += bevel * (0.22 * facing - 0.08);
        }
        if let Some(PartDefect::Mark { shape, tone, strength, border }) = defect {
            // The border of the part stays sharp: marks end where `draw` ends their mask.
            if distance < 0.0 {
                grey = mix(grey, *tone, strength * coverage(shape.distance(p), *border));
            }
        }
        grey
    }

    fn ground_grey(&self, at: Point, p: Point, light: Point, defect: Option<&PartDefect>) -> f32 {
        let fine = self.ground.octaves(at.map(|v| v * 70.0), 3) - 0.5;
        let caster = along(p, SHADOW, light);
        let shadow = coverage(self.distance(caster, defect), 2.0 * SHADOW);
        (0.27 + 0.05 * fine) * (1.0 - 0.55 * shadow)
    }

    /// The distance to the part's nearest edge, outer or of a hole; negative in the metal.
    fn distance(&self, p: Point, defect: Option<&PartDefect>) -> f32 {
        let q = self.to_part(p);
        let missing = match defect {
            Some(PartDefect::MissingHole(index)) => Some(*index),
            _ => None,
        };
        let present =
            self.holes.iter().enumerate().filter(|(i, _)| Some(*i) != missing).map(|(_, h)| h);
        let solid = outline(self.class, q);
        let cut = self.bore.iter().chain(present).fold(solid, |d, hole| d.max(-hole.distance(q)));
        let cut = cut * self.scale;
        match defect {
            Some(PartDefect::Bite(shape)) => cut.max(-shape.distance(p)),
            _ => cut,
        }
    }

    /// `p` in the coordinates of the part's outline.
    fn to_part(&self, p: Point) -> Point {
        turn(sub(p, self.centre), self.axis).map(|v| v / self.scale)
    }

    /// A point of the metal, away from its edges if the dice allow.
    fn inner_point(&self, dice: &mut Dice) -> Point {
        let mut best = (self.centre, f32::MAX);
        for _ in 0..4 {
            let p = along(self.centre, dice.range(0.0, 0.3), dice.direction());
            let distance = self.distance(p, None);
            if distance < best.1 {
                best = (p, distance);
            }
        }
        best.0
    }

    /// Where a ray from outside meets the part.
    fn edge_point(&self, dice: &mut Dice) -> Point {
        let direction = dice.direction();
        let ray = (0..=48).rev().map(|step| along(self.centre, 0.01 * step as f32, direction));
        ray.into_iter().find(|&p| self.distance(p, None) < 0.0).unwrap_or(self.centre)
    }
}

/// The pure colour of a hue, the circle of hues being 1 around. Made of straight lines, which are the
/// same on every machine.
fn tint(hue: f32) -> [f32; 3] {
    [0.0, 2.0 / 3.0, 1.0 / 3.0].map(|shift: f32| {
        let turned = hue + shift;
        (6.0 * (turned - turned.floor() - 0.5).abs() - 1.0).clamp(0.0, 1.0)
    })
}
