//! An image of a kind, with a defect of about the area aimed at. Knows textures and parts, no files.

use image::{GrayImage, RgbImage};

use crate::dice::{Dice, Purpose};
use crate::error::SyntheticError;
use crate::kind::{DefectKind, Kind};
use crate::part::Part;
use crate::texture::Texture;

/// The smallest side of a drawn image in pixels; below it, defects are no longer recognisable.
const MIN_SIDE: u32 = 32;
/// The largest side of a drawn image in pixels.
const MAX_SIDE: u32 = 8192;
/// The share of the image that a defect's mask is aimed at, smallest and largest.
const AREA: [f32; 2] = [0.01, 0.05];
/// How often a defect of another area is drawn anew.
const ATTEMPTS: u32 = 32;

/// A drawn image and its defect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntheticImage {
    /// The pixels.
    pub image: RgbImage,
    /// 255 where the defect changed the image, else 0; none for a normal image.
    pub mask: Option<GrayImage>,
}

/// Draws a square image of `size` x `size` pixels.
///
/// With a defect, the image is the normal one of the same seed and index, changed where the mask
/// says; the mask covers 1 % to 5 % of the image (a scratch up to 6 % at sizes below 64, where
/// lines cannot be thinner).
///
/// # Errors
/// [`SyntheticError`] where `size` is below 32 or above 8192, or `kind` cannot have `defect`
/// (see [`Kind::defects`]).
pub fn generate(
    kind: Kind,
    seed: u64,
    index: u64,
    defect: Option<DefectKind>,
    size: u32,
) -> Result<SyntheticImage, SyntheticError> {
    if !(MIN_SIDE..=MAX_SIDE).contains(&size) {
        return Err(SyntheticError::Size { min: MIN_SIDE, max: MAX_SIDE, found: size });
    }
    let mut scene = Dice::new(kind.id(), seed, index, Purpose::Scene);
    let scene = match kind {
        Kind::Texture(class) => Scene::Texture(Texture::new(class, &mut scene)),
        Kind::Part(class) => Scene::Part(Part::new(class, &mut scene)),
    };
    let Some(defect) = defect else {
        return Ok(SyntheticImage { image: scene.normal(size), mask: None });
    };
    if !kind.defects().contains(&defect) {
        return Err(SyntheticError::Defect { kind, defect });
    }

    // A defect may fall partly outside the part or the image: the dice are thrown again until
    // enough of it shows, and the attempt nearest to the aim is kept should none do.
    let mut dice = Dice::new(kind.id(), seed, index, Purpose::Defect);
    let (mut nearest, mut nearest_miss) = scene.with_defect(defect, &mut dice, size);
    for _ in 1..ATTEMPTS {
        if nearest_miss == 0.0 {
            break;
        }
        let (image, miss) = scene.with_defect(defect, &mut dice, size);
        if miss < nearest_miss {
            (nearest, nearest_miss) = (image, miss);
        }
    }
    Ok(nearest)
}

/// What the dice made of a kind.
enum Scene {
    Texture(Texture),
    Part(Part),
}

impl Scene {
    fn normal(&self, size: u32) -> RgbImage {
        match self {
            Self::Texture(texture) => texture.draw(size, None).0,
            Self::Part(part) => part.draw(size, None).0,
        }
    }

    /// Draws a defect, and how far its area is from the range aimed at, as a share of the image.
    fn with_defect(&self, kind: DefectKind, dice: &mut Dice, size: u32) -> (SyntheticImage, f32) {
        let pixel = 1.0 / size as f32;
        let (image, mask) = match self {
            Self::Texture(texture) => texture.draw(size, Some(&texture.defect(kind, dice, pixel))),
            Self::Part(part) => part.draw(size, Some(&part.defect(kind, dice, pixel))),
        };
        let area = marked_share(&mask);
        let miss = (AREA[0] - area).max(area - AREA[1]).max(0.0);
        (SyntheticImage { image, mask: Some(mask) }, miss)
    }
}

/// The share of the pixels that a mask marks.
fn marked_share(mask: &GrayImage) -> f32 {
    let marked = mask.iter().filter(|&&value| value > 0).count();
    marked as f32 / (mask.len().max(1)) as f32
}
