//! Synthetic defects on real images. Knows outlines of defects, no kinds.

use image::{GrayImage, Luma, RgbImage};

use crate::dice::{Dice, Purpose};
use crate::error::SyntheticError;
use crate::paint::to_byte;
use crate::plane::{coverage, mix};
use crate::shape::Shape;

/// The smallest side of an image to paste on, in pixels.
const MIN_SIDE: u32 = 16;

/// Puts one synthetic defect on a normal image and returns the image and the defect's mask.
///
/// The defect is one of three, as `seed` decides: a patch of irregular outline cut from another
/// place of the image and pasted a little brighter or darker (after CutPaste, Li et al. 2021), a
/// scratch, or a stain. The mask is 255 where the defect lies and 0 elsewhere, where the image is
/// left as it is; it covers about 1 % to 4 % of the square over the shorter side. This serves to
/// choose settings when there are no images of real defects.
///
/// # Errors
/// [`SyntheticError::TooSmall`] where a side is below 16 pixels.
///
/// ```
/// use image::{Rgb, RgbImage};
/// use nfbmr_synthetic::paste_defect;
///
/// let normal = RgbImage::from_pixel(64, 48, Rgb([90, 100, 110]));
/// let (image, mask) = paste_defect(&normal, 1)?;
/// assert_ne!(image, normal);
/// assert_eq!(mask.dimensions(), normal.dimensions());
/// # Ok::<(), nfbmr_synthetic::SyntheticError>(())
/// ```
pub fn paste_defect(normal: &RgbImage, seed: u64) -> Result<(RgbImage, GrayImage), SyntheticError> {
    let (width, height) = normal.dimensions();
    if width.min(height) < MIN_SIDE {
        return Err(SyntheticError::TooSmall { min: MIN_SIDE, width, height });
    }
    let dice = &mut Dice::new(0, seed, 0, Purpose::Paste);
    // The shapes are drawn in units of the shorter side, so that they fit.
    let pixel = 1.0 / width.min(height) as f32;
    let reach = [width as f32 * pixel, height as f32 * pixel];
    let centre = reach.map(|side| dice.range(0.3, 0.7) * side);
    let (shape, effect) = draw_defect(dice, centre, pixel, [width, height]);

    let mut image = normal.clone();
    let mut mask = GrayImage::new(width, height);
    for (x, y, pasted) in image.enumerate_pixels_mut() {
        let p = [(x as f32 + 0.5) * pixel, (y as f32 + 0.5) * pixel];
        let share = coverage(shape.distance(p), 2.0 * pixel);
        if share == 0.0 {
            continue;
        }
        mask.put_pixel(x, y, Luma([255]));
        let changed = match effect {
            Effect::Patch { shift, brightness } => {
                let source = normal.get_pixel((x + shift[0]) % width, (y + shift[1]) % height);
                source.0.map(|value| f32::from(value) / 255.0 + brightness)
            }
            Effect::Tone { tone, strength } => {
                pasted.0.map(|value| mix(f32::from(value) / 255.0, tone, strength))
            }
        };
        for (value, changed) in pasted.0.iter_mut().zip(changed) {
            *value = to_byte(mix(f32::from(*value) / 255.0, changed, share));
        }
    }
    Ok((image, mask))
}

/// What happens to the pixels that a defect covers.
enum Effect {
    /// They are taken from `shift` columns and rows further, and brightened.
    Patch { shift: [u32; 2], brightness: f32 },
    /// They are drawn towards a grey.
    Tone { tone: f32, strength: f32 },
}

fn draw_defect(dice: &mut Dice, centre: [f32; 2], pixel: f32, size: [u32; 2]) -> (Shape, Effect) {
    let tone = if dice.coin() { dice.range(0.85, 1.0) } else { dice.range(0.0, 0.15) };
    match dice.below(3) {
        0 => {
            let area = dice.range(0.01, 0.04);
            // A quarter to three quarters of the image away, whatever lies there.
            let shift = size.map(|side| (dice.range(0.25, 0.75) * side as f32) as u32);
            let brightness = if dice.coin() { 0.08 } else { -0.08 };
            (Shape::blob(dice, centre, area), Effect::Patch { shift, brightness })
        }
        1 => {
            let (length, area) = (dice.range(0.25, 0.5), dice.range(0.006, 0.015));
            let shape = Shape::scratch(dice, centre, length, area, pixel);
            (shape, Effect::Tone { tone, strength: 0.65 })
        }
        _ => {
            let area = dice.range(0.01, 0.03);
            (Shape::blob(dice, centre, area), Effect::Tone { tone, strength: 0.4 })
        }
    }
}
