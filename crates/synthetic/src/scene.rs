//! How parts lie and what colour they have. Nothing else of the crate but errors is known here.

use crate::error::SyntheticError;

/// The smallest part that can be drawn, the largest being 1.
const MIN_PART: f32 = 0.3;

/// How the parts of images are drawn: by default at any angle, as large as fits, of plain metal.
///
/// The same seed and index is the same part under the same light in every scene, with the same
/// defect where it is of the same size; only where it lies, how large it is and what colour it has
/// differ. Textures fill the image and are the same in every scene.
///
/// ```
/// use nfbmr_synthetic::{Kind, PartClass, Scene, generate};
///
/// let gear = Kind::Part(PartClass::Gear);
/// let small = Scene { part_scale: 0.5, colours: 3, ..Scene::default() };
/// assert_ne!(small.generate(gear, 7, 0, None, 64)?, generate(gear, 7, 0, None, 64)?);
/// # Ok::<(), nfbmr_synthetic::SyntheticError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scene {
    /// Parts lie upright in the middle of the image, in place of at any angle near it.
    pub straight: bool,
    /// The size of parts, from 0.3 to 1, where a part fills most of the image. A smaller one lies
    /// anywhere in the image, none of it outside.
    pub part_scale: f32,
    /// How many colours parts come in, drawn by the seed, of which each image has one; plain metal
    /// below two.
    pub colours: u32,
}

impl Default for Scene {
    fn default() -> Self {
        Self { straight: false, part_scale: 1.0, colours: 1 }
    }
}

impl Scene {
    /// Refuses a size that cannot be drawn.
    pub(crate) fn check(&self) -> Result<(), SyntheticError> {
        match (MIN_PART..=1.0).contains(&self.part_scale) {
            true => Ok(()),
            false => Err(SyntheticError::PartScale { min: MIN_PART, found: self.part_scale }),
        }
    }
}
