//! What is found of a part in an image.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::pose::Pose;

/// Where a part lies, and why that isn't sure.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Location {
    /// How it lies; the likeliest guess where there is a problem.
    pub pose: Pose,
    /// The correlation of the image and the template there, 1 for the same.
    pub confidence: f64,
    /// Why the part isn't located.
    pub problem: Option<Problem>,
}

/// Why a part isn't located, or lies wrong.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
#[non_exhaustive]
pub enum Problem {
    /// Nothing of about its size stands out of the ground, or nothing that looks like it.
    NotFound,
    /// It reaches the border of the image.
    TouchesBorder,
    /// There is more than one.
    Several,
    /// It is turned further than allowed, in degrees clockwise from how good parts lie.
    Angle {
        /// The turn.
        found: f64,
        /// The most that is allowed either way.
        allowed: f64,
    },
    /// It lies farther away than allowed from where good parts lie, in shares of the image's longer side.
    Shift {
        /// The distance.
        found: f64,
        /// The most that is allowed.
        allowed: f64,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("not found"),
            Self::TouchesBorder => f.write_str("touches the border of the image"),
            Self::Several => f.write_str("several parts"),
            Self::Angle { found, allowed } => {
                write!(f, "turned by {found:.1}°, allowed are {allowed}°")
            }
            Self::Shift { found, allowed } => {
                write!(f, "shifted by {found:.3} of the image's longer side, allowed are {allowed}")
            }
        }
    }
}

/// How far a part may lie from where good parts lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tolerance {
    /// The most it may be turned either way, in degrees. Good parts have to lie at about one angle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub angle: Option<f64>,
    /// The most it may be shifted, in shares of the image's longer side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shift: Option<f64>,
}

impl Tolerance {
    /// Whether it allows anything at all.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }
}
