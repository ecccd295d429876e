//! Outlines and holes of parts, by signed distance: negative inside. Knows parts by name and the
//! plane.

use crate::kind::PartClass;
use crate::plane::{Point, dot, length, sub, turn};

/// Half the square root of three: the sine of 60 degrees.
const SIN_60: f32 = 0.866_025_4;

/// The directions every 30 degrees of half a turn.
const TWELFTHS: [Point; 6] =
    [[1.0, 0.0], [SIN_60, 0.5], [0.5, SIN_60], [0.0, 1.0], [-0.5, SIN_60], [-SIN_60, 0.5]];

/// A round hole.
#[derive(Clone, Copy)]
pub(crate) struct Hole {
    centre: Point,
    radius: f32,
}

/// The distance to the outer edge of a part at the origin.
pub(crate) fn outline(class: PartClass, p: Point) -> f32 {
    match class {
        PartClass::Gear => {
            let teeth = TWELFTHS.map(|axis| rounded_box(turn(p, axis), [0.335, 0.036], 0.012));
            teeth.into_iter().fold(length(p) - 0.28, f32::min)
        }
        PartClass::Flange => {
            let sides = [TWELFTHS[0], TWELFTHS[2], TWELFTHS[4]].map(|axis| dot(p, axis).abs());
            sides.into_iter().fold(0.0, f32::max) - 0.3
        }
        PartClass::Bracket => {
            let upright = rounded_box(sub(p, [-0.19, 0.0]), [0.1, 0.29], 0.03);
            let foot = rounded_box(sub(p, [0.0, 0.19]), [0.29, 0.1], 0.03);
            upright.min(foot)
        }
    }
}

/// How far a part reaches from the origin at most.
pub(crate) fn reach(class: PartClass) -> f32 {
    match class {
        PartClass::Gear => 0.338,
        PartClass::Flange => 0.347,
        PartClass::Bracket => 0.398,
    }
}

/// The holes of a part: those that can be missing, after the bore if there is one.
pub(crate) fn holes(class: PartClass) -> (Option<Hole>, Vec<Hole>) {
    let ring = |axes: &[Point], distance: f32| {
        let both = axes.iter().flat_map(|[x, y]| [[*x, *y], [-x, -y]]);
        both.map(|[x, y]| Hole { centre: [distance * x, distance * y], radius: 0.062 }).collect()
    };
    let bore = |radius| Some(Hole { centre: [0.0; 2], radius });
    match class {
        PartClass::Gear => (bore(0.085), ring(&[TWELFTHS[0], TWELFTHS[3]], 0.185)),
        PartClass::Flange => (bore(0.09), ring(&[TWELFTHS[1], TWELFTHS[3], TWELFTHS[5]], 0.205)),
        PartClass::Bracket => {
            let centres = [[-0.19, -0.19], [-0.19, 0.19], [0.19, 0.19]];
            (None, centres.map(|centre| Hole { centre, radius: 0.062 }).to_vec())
        }
    }
}

impl Hole {
    /// The distance to the edge of the hole.
    pub(crate) fn distance(self, p: Point) -> f32 {
        length(sub(p, self.centre)) - self.radius
    }
}

fn rounded_box(p: Point, half: [f32; 2], radius: f32) -> f32 {
    let q = [p[0].abs() - half[0] + radius, p[1].abs() - half[1] + radius];
    length(q.map(|v| v.max(0.0))) + q[0].max(q[1]).min(0.0) - radius
}
