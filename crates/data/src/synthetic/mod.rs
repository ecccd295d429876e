//! Seeded synthetic images with known defects.
//!
//! [`generate`] draws an image of a [`Kind`]: an inspected surface ([`TextureClass`]) or a part
//! on a background ([`PartClass`]), normal or with one [`DefectKind`]. An image depends on its
//! kind, seed, index and size only, so that any of them can be drawn again alone, on any machine:
//! the drawing uses no operation that IEEE 754 does not define to the last bit.
//! [`write_mvtec`] writes a data set of such images and [`write_datasets`] one for each of several
//! kinds, and [`paste_defect`] puts a synthetic defect
//! on a real image.
//!
//! ```
//! use nfbmr_data::synthetic::{DefectKind, Kind, TextureClass, generate};
//!
//! let kind = Kind::Texture(TextureClass::Woven);
//! let normal = generate(kind, 7, 0, None, 64)?;
//! let scratched = generate(kind, 7, 0, Some(DefectKind::Scratch), 64)?;
//! assert!(normal.mask.is_none());
//! assert!(scratched.mask.is_some());
//! # Ok::<(), nfbmr_data::synthetic::SyntheticError>(())
//! ```

mod dice;
mod error;
mod fabric;
mod kind;
mod noise;
mod outline;
mod part;
mod paste;
mod plane;
mod shape;
mod surface;
mod texture;
mod write;

use image::{GrayImage, Luma, Rgb, RgbImage};

pub use error::SyntheticError;
pub use kind::{DefectKind, Kind, PartClass, TextureClass};
pub use paste::paste_defect;
pub use write::{Counts, write_datasets, write_mvtec};

use dice::{Dice, Purpose};
use part::Part;
use texture::Texture;

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

/// A colour in `[0, 1]` and whether a defect changed it.
struct Painted {
    colour: [f32; 3],
    changed: bool,
}

/// Calls `paint` with the column, the row and the centre of every pixel, the side being 1.
fn paint(size: u32, paint: impl Fn(u32, u32, [f32; 2]) -> Painted) -> (RgbImage, GrayImage) {
    let mut image = RgbImage::new(size, size);
    let mut mask = GrayImage::new(size, size);
    for (x, y, pixel) in image.enumerate_pixels_mut() {
        let point = [(x as f32 + 0.5) / size as f32, (y as f32 + 0.5) / size as f32];
        let Painted { colour, changed } = paint(x, y, point);
        *pixel = Rgb(colour.map(to_byte));
        if changed {
            mask.put_pixel(x, y, Luma([255]));
        }
    }
    (image, mask)
}

/// `[0, 1]` to `0..=255`, rounded.
fn to_byte(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
}
