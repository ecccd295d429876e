//! The setting of how parts are laid over each other, and where one was found in an image.

use std::fmt;

use nfbmr_pose::{Affine, Motion, Problem, Tolerance};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::PipelineError;

/// Whether parts are located, and laid over each other before anything else sees them.
///
/// A template is learnt from the training images ([`nfbmr_pose`]): of the part, where one stands out of the ground, or of
/// the whole image. Where the part lies in another image is found by it, and the box of the part fills the input of the
/// networks. In files and on the command line the name of the motion alone is enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Alignment {
    /// How good parts differ in how they lie.
    pub motion: AlignmentMotion,
    /// How far a part may lie from where good parts lie; a part beyond it is anomalous.
    #[serde(skip_serializing_if = "Tolerance::is_open")]
    pub tolerance: Tolerance,
}

/// How good parts differ in how they lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AlignmentMotion {
    /// Images are taken as they are.
    Off,
    /// What training finds: off, unless defects that it paints into good images are told better with one of the others.
    #[default]
    Auto,
    /// In their place.
    Shift,
    /// In their place and angle.
    Rigid,
    /// In their place, angle and size.
    Similarity,
}

impl AlignmentMotion {
    /// The motion of a template; `None` without one, or before it is chosen.
    pub(crate) fn motion(self) -> Option<Motion> {
        match self {
            Self::Off | Self::Auto => None,
            Self::Shift => Some(Motion::Shift),
            Self::Rigid => Some(Motion::Rigid),
            Self::Similarity => Some(Motion::Similarity),
        }
    }

    /// Whether parts are turned.
    pub(crate) fn turns(self) -> bool {
        matches!(self, Self::Rigid | Self::Similarity)
    }
}

impl From<Motion> for AlignmentMotion {
    fn from(motion: Motion) -> Self {
        match motion {
            Motion::Shift => Self::Shift,
            Motion::Rigid => Self::Rigid,
            Motion::Similarity => Self::Similarity,
        }
    }
}

impl fmt::Display for AlignmentMotion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Auto => "auto",
            Self::Shift => "shift",
            Self::Rigid => "rigid",
            Self::Similarity => "similarity",
        })
    }
}

impl From<AlignmentMotion> for Alignment {
    fn from(motion: AlignmentMotion) -> Self {
        Self { motion, tolerance: Tolerance::default() }
    }
}

impl Alignment {
    pub(crate) fn check(&self) -> Result<(), PipelineError> {
        let Tolerance { angle, shift } = self.tolerance;
        let positive =
            |value: Option<f64>| value.is_none_or(|value| value.is_finite() && value > 0.0);
        let problem = if !positive(angle) || !positive(shift) {
            "alignment.tolerance: expected an angle in degrees and a shift in shares of the image, both above 0"
        } else if self.motion == AlignmentMotion::Off && !self.tolerance.is_open() {
            "alignment.tolerance: expected an alignment, found `off`"
        } else {
            return Ok(());
        };
        Err(PipelineError::Config(problem.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Alignment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MotionOrAll;

        #[derive(Deserialize)]
        #[serde(default, deny_unknown_fields)]
        struct All {
            motion: AlignmentMotion,
            tolerance: Tolerance,
        }

        impl Default for All {
            fn default() -> Self {
                let Alignment { motion, tolerance } = Alignment::default();
                Self { motion, tolerance }
            }
        }

        impl<'de> Visitor<'de> for MotionOrAll {
            type Value = Alignment;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`off`, `auto`, `shift`, `rigid`, `similarity`, or a table of `motion` and `tolerance`")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
                let name = serde::de::value::StrDeserializer::<E>::new(name);
                AlignmentMotion::deserialize(name).map(Alignment::from)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let All { motion, tolerance } = All::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Alignment { motion, tolerance })
            }
        }

        deserializer.deserialize_any(MotionOrAll)
    }
}

/// Where a part lies in an image.
///
/// As JSON it is an object of `x`, `y`, `angle`, `scale`, `confidence`, `problem` and `corners`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Located {
    /// The column of the middle of its box, in pixels from the left of the image.
    pub x: f64,
    /// The row of the middle of its box, in pixels from the top of the image.
    pub y: f64,
    /// How it is turned, in degrees clockwise: from the mean of good parts where these lie at about one angle, from the
    /// template otherwise.
    pub angle: f64,
    /// Its size over that in the template.
    pub scale: f64,
    /// How alike the image and the template are: their correlation, 1 for the same.
    pub confidence: f64,
    /// Why the part isn't located, or that it lies wrong: the image is anomalous for that alone.
    pub problem: Option<Problem>,
    /// The corners of its box in pixels of the image, around it. What lies outside isn't inspected.
    pub corners: [[f64; 2]; 4],
}

impl Located {
    /// Whether a place of the image is in the box of the part.
    pub(crate) fn contains(&self, [x, y]: [f64; 2]) -> bool {
        let next = self.corners.iter().cycle().skip(1);
        self.corners.iter().zip(next).all(|(a, b)| {
            let ([u, v], [s, t]) = ([b[0] - a[0], b[1] - a[1]], [x - a[0], y - a[1]]);
            u * t - v * s >= 0.0
        })
    }
}

impl Serialize for Located {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Located", 7)?;
        fields.serialize_field("x", &self.x)?;
        fields.serialize_field("y", &self.y)?;
        fields.serialize_field("angle", &self.angle)?;
        fields.serialize_field("scale", &self.scale)?;
        fields.serialize_field("confidence", &self.confidence)?;
        fields.serialize_field("problem", &self.problem.map(|problem| problem.to_string()))?;
        fields.serialize_field("corners", &self.corners)?;
        fields.end()
    }
}

/// How an image that was laid over the template lies in the input of the networks.
#[derive(Clone, Debug)]
pub(crate) struct Aligned {
    pub(crate) located: Located,
    /// From places in the input to those in the image, both in pixels.
    pub(crate) to_image: Affine,
    /// Whether each pixel of the input shows something of the image that is inspected, row by row.
    pub(crate) inspected: Vec<bool>,
}
