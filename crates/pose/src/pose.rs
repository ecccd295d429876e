//! How a part lies: place, turn and size.

use serde::{Deserialize, Serialize};

use crate::affine::Affine;

/// How good parts differ in how they lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Motion {
    /// In their place.
    Shift,
    /// In their place and angle.
    Rigid,
    /// In their place, angle and size.
    Similarity,
}

impl Motion {
    /// Whether parts are turned.
    pub fn turns(self) -> bool {
        self != Self::Shift
    }

    /// Whether parts differ in size.
    pub fn scales(self) -> bool {
        self == Self::Similarity
    }
}

/// How a part lies in an image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pose {
    /// Where the middle of the template lies: column and row, in shares of the image's longer side.
    pub center: [f64; 2],
    /// The turn from the template to the image in radians, clockwise as an image is seen.
    pub angle: f64,
    /// The size of the part over that in the template.
    pub scale: f64,
}

impl Pose {
    /// From offsets from the template's middle to places in the image, both in shares of the image's longer side.
    pub(crate) fn affine(&self) -> Affine {
        let (sin, cos) = self.angle.sin_cos();
        let [x, y] = self.center;
        let s = self.scale;
        Affine { rows: [[s * cos, -s * sin, x], [s * sin, s * cos, y]] }
    }

    /// The pose of a template that lies in this one by `inner`.
    pub(crate) fn of_inner(&self, inner: &Self) -> Self {
        Self {
            center: self.affine().apply(inner.center),
            angle: wrapped(self.angle + inner.angle),
            scale: self.scale * inner.scale,
        }
    }
}

/// An angle between -π and π.
pub(crate) fn wrapped(angle: f64) -> f64 {
    let turn = std::f64::consts::TAU;
    angle - (angle / turn).round() * turn
}
