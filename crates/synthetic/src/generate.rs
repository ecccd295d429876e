//! An image of a kind, with a defect of about the area aimed at. Knows textures and parts, no files.

use image::{GrayImage, RgbImage};

use crate::dice::{Dice, Purpose};
use crate::error::SyntheticError;
use crate::kind::{DefectKind, Kind};
use crate::part::{Part, PartDefect};
use crate::scene::Scene;
use crate::texture::{Texture, TextureDefect};

/// The smallest side of a drawn image in pixels; below it, defects are no longer recognisable.
const MIN_SIDE: u32 = 32;
/// The largest side of a drawn image in pixels.
const MAX_SIDE: u32 = 8192;
/// The share of an image that a defect's mask is aimed at, smallest and largest; the part fills the
/// image.
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

/// Draws a square image of `size` x `size` pixels, in the default [`Scene`].
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
    Scene::default().generate(kind, seed, index, defect, size)
}

impl Scene {
    /// Draws the image that [`generate`] does, in this scene.
    ///
    /// The mask of a smaller part's defect is smaller as well.
    ///
    /// # Errors
    /// Those of [`generate`], and [`SyntheticError`] where the size of parts is out of range.
    pub fn generate(
        &self,
        kind: Kind,
        seed: u64,
        index: u64,
        defect: Option<DefectKind>,
        size: u32,
    ) -> Result<SyntheticImage, SyntheticError> {
        if !(MIN_SIDE..=MAX_SIDE).contains(&size) {
            return Err(SyntheticError::Size { min: MIN_SIDE, max: MAX_SIDE, found: size });
        }
        self.check()?;
        let dice = |index, purpose| Dice::new(kind.id(), seed, index, purpose);
        let scene = &mut dice(index, Purpose::Scene);
        let subject = match kind {
            Kind::Texture(class) => Subject::Texture(Texture::new(class, scene)),
            Kind::Part(class) => Subject::Part(Part::new(class, scene)),
        };
        let own = &mut dice(index, Purpose::Shown);
        let shared = &mut dice(0, Purpose::Colour);
        let Some(defect) = defect else {
            let image = subject.shown(self, own, shared).draw(size, None).image;
            return Ok(SyntheticImage { image, mask: None });
        };
        if !kind.defects().contains(&defect) {
            return Err(SyntheticError::Defect { kind, defect });
        }

        // The defect is chosen where the dice put the part, so that it is the same in every scene,
        // in as many pixels as the part has.
        let plain = *self == Self::default() || matches!(subject, Subject::Texture(_));
        let side = if plain { size } else { ((size as f32 * self.part_scale) as u32).max(1) };
        let (defect, image) = subject.choose(defect, &mut dice(index, Purpose::Defect), side);
        match plain {
            true => Ok(image),
            false => Ok(subject.shown(self, own, shared).draw(size, Some(&defect))),
        }
    }
}

/// What the dice made of a kind.
enum Subject {
    Texture(Texture),
    Part(Part),
}

/// What the dice made of a defect.
enum Defect {
    Texture(TextureDefect),
    Part(PartDefect),
}

impl Subject {
    fn shown(self, scene: &Scene, own: &mut Dice, shared: &mut Dice) -> Self {
        match self {
            Self::Texture(texture) => Self::Texture(texture),
            Self::Part(part) => Self::Part(part.shown(scene, own, shared)),
        }
    }

    fn draw(&self, size: u32, defect: Option<&Defect>) -> SyntheticImage {
        let (image, mask) = match (self, defect) {
            (Self::Texture(texture), Some(Defect::Texture(defect))) => {
                texture.draw(size, Some(defect))
            }
            (Self::Part(part), Some(Defect::Part(defect))) => part.draw(size, Some(defect)),
            (Self::Texture(texture), _) => texture.draw(size, None),
            (Self::Part(part), _) => part.draw(size, None),
        };
        SyntheticImage { image, mask: Some(mask) }
    }

    /// A defect of about the area aimed at, and its image.
    ///
    /// It may fall partly outside the part or the image: the dice are thrown again until enough of
    /// it shows, and the attempt nearest to the aim is kept should none do.
    fn choose(&self, kind: DefectKind, dice: &mut Dice, size: u32) -> (Defect, SyntheticImage) {
        let (mut nearest, mut nearest_miss) = self.with_defect(kind, dice, size);
        for _ in 1..ATTEMPTS {
            if nearest_miss == 0.0 {
                break;
            }
            let (drawn, miss) = self.with_defect(kind, dice, size);
            if miss < nearest_miss {
                (nearest, nearest_miss) = (drawn, miss);
            }
        }
        nearest
    }

    /// A defect with its image, and how far its area is from the range aimed at, as a share of the
    /// image.
    fn with_defect(
        &self,
        kind: DefectKind,
        dice: &mut Dice,
        size: u32,
    ) -> ((Defect, SyntheticImage), f32) {
        let pixel = 1.0 / size as f32;
        let defect = match self {
            Self::Texture(texture) => Defect::Texture(texture.defect(kind, dice, pixel)),
            Self::Part(part) => Defect::Part(part.defect(kind, dice, pixel)),
        };
        let image = self.draw(size, Some(&defect));
        let area = image.mask.as_ref().map_or(0.0, marked_share);
        let miss = (AREA[0] - area).max(area - AREA[1]).max(0.0);
        ((defect, image), miss)
    }
}

/// The share of the pixels that a mask marks.
fn marked_share(mask: &GrayImage) -> f32 {
    let marked = mask.iter().filter(|&&value| value > 0).count();
    marked as f32 / (mask.len().max(1)) as f32
}
