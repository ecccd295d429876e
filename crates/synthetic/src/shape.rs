//! Outlines of defects. Knows dice, noise and the plane, not what they lie on.

use crate::dice::Dice;
use crate::noise::Noise;
use crate::plane::{Point, along, dot, length, sub, turn};

/// The pieces that a curved stroke is made of.
const PIECES: usize = 8;

/// An area, by its signed distance: negative inside.
pub(crate) enum Shape {
    /// Lines of the given half width.
    Strokes(Vec<[Point; PIECES + 1]>, f32),
    /// An ellipse of rough outline.
    Blob { centre: Point, axis: Point, radii: [f32; 2], noise: Noise, roughness: f32 },
    /// Discs of their radii.
    Discs(Vec<(Point, f32)>),
}

impl Shape {
    /// Up to three curves of about `length` that run side by side through `centre` and cover
    /// `area` together.
    pub(crate) fn scratch(
        dice: &mut Dice,
        centre: Point,
        length: f32,
        area: f32,
        pixel: f32,
    ) -> Self {
        // Lines thinner than two pixels would break up, so small images get fewer lines.
        let count = ((area / (length * 2.4 * pixel)) as usize).clamp(1, 3);
        let half_width = (area / (2.0 * length * count as f32) - 0.5 * pixel).max(0.6 * pixel);
        let axis = dice.direction();
        let normal = [-axis[1], axis[0]];
        let bend = dice.range(-0.25, 0.25) * length;
        let mut strokes = Vec::with_capacity(count);
        for stroke in 0..count {
            let aside = stroke as f32 * (4.0 * half_width + dice.range(0.01, 0.03));
            let start = along(centre, dice.range(-0.55, -0.45) * length, axis);
            let end = along(centre, dice.range(0.45, 0.55) * length, axis);
            let start = along(start, aside + dice.range(-0.01, 0.01), normal);
            let end = along(end, aside + dice.range(-0.01, 0.01), normal);
            let control = along(centre, aside + bend, normal);
            strokes.push(std::array::from_fn(|i| {
                bezier(start, control, end, i as f32 / PIECES as f32)
            }));
        }
        Self::Strokes(strokes, half_width)
    }

    /// A rough ellipse of about `area`.
    pub(crate) fn blob(dice: &mut Dice, centre: Point, area: f32) -> Self {
        let stretch = dice.range(1.0, 1.6);
        // The area of an ellipse is pi * a * b.
        let radius = (area / (std::f32::consts::PI * stretch)).sqrt();
        Self::Blob {
            centre,
            axis: dice.direction(),
            radii: [radius * stretch, radius],
            noise: Noise::new(dice),
            roughness: 0.6,
        }
    }

    /// Discs around `centre` that cover about `area` together.
    pub(crate) fn spots(dice: &mut Dice, centre: Point, area: f32) -> Self {
        let count = 5 + dice.below(4);
        let radius = (area / (std::f32::consts::PI * count as f32)).sqrt();
        let spread = 2.2 * radius * (count as f32).sqrt();
        let discs = (0..count)
            .map(|_| {
                let offset = spread * dice.range(0.0, 1.0);
                (along(centre, offset, dice.direction()), radius * dice.range(0.75, 1.25))
            })
            .collect();
        Self::Discs(discs)
    }

    /// The distance of `p` to the outline, negative inside.
    pub(crate) fn distance(&self, p: Point) -> f32 {
        match self {
            Self::Strokes(strokes, half_width) => {
                let nearest = strokes
                    .iter()
                    .flat_map(|points| points.windows(2))
                    .map(|piece| to_segment(p, piece[0], piece[1]))
                    .fold(f32::MAX, f32::min);
                nearest - half_width
            }
            Self::Blob { centre, axis, radii, noise, roughness } => {
                let q = turn(sub(p, *centre), *axis);
                let q = [q[0] / radii[0], q[1] / radii[1]];
                // The noise is tied to the place, so the outline has bays and tongues.
                let rough = noise.octaves([2.0 * q[0] + 50.0, 2.0 * q[1] + 50.0], 3) - 0.5;
                (length(q) - 1.0 - roughness * rough) * radii[0].min(radii[1])
            }
            Self::Discs(discs) => discs
                .iter()
                .map(|(centre, radius)| length(sub(p, *centre)) - radius)
                .fold(f32::MAX, f32::min),
        }
    }
}

fn bezier(start: Point, control: Point, end: Point, t: f32) -> Point {
    let s = 1.0 - t;
    let at = |i: usize| s * s * start[i] + 2.0 * s * t * control[i] + t * t * end[i];
    [at(0), at(1)]
}

fn to_segment(p: Point, a: Point, b: Point) -> f32 {
    let (ap, ab) = (sub(p, a), sub(b, a));
    let square = dot(ab, ab);
    let t = if square > 0.0 { (dot(ap, ab) / square).clamp(0.0, 1.0) } else { 0.0 };
    length(sub(ap, [t * ab[0], t * ab[1]]))
}
