//! Marks that are painted into good images, as defects are.

use image::{Rgb, RgbImage};
use rand::{Rng, RngExt};

/// The least and the most of a mark's size, as a share of the part's.
const SIZE: [f64; 2] = [0.03, 0.07];
/// How much longer than wide a mark is at most.
const LONGEST: f64 = 5.0;
/// The least and the most by which a mark is brighter or darker, of 255.
const TONE: [f64; 2] = [25.0, 60.0];

/// A copy of an image with a soft ellipse on the part: brighter, darker, or of what the image shows elsewhere. `part` gives
/// places on it, in pixels, and its size.
pub(super) fn painted(
    image: &RgbImage,
    part: &[[f64; 2]],
    size: f64,
    dice: &mut impl Rng,
) -> RgbImage {
    let mut painted = image.clone();
    let mut place = || part.get(dice_index(dice, part.len())).copied();
    let (Some(middle), Some(other)) = (place(), place()) else { return painted };
    let between = |[low, high]: [f64; 2], share: f64| low + share * (high - low);
    let radius = size * between(SIZE, dice.random());
    let stretch = between([1.0, LONGEST], dice.random::<f64>()).sqrt();
    let (sin, cos) = (std::f64::consts::PI * dice.random::<f64>()).sin_cos();
    let tone = between(TONE, dice.random()) * if dice.random() { 1.0 } else { -1.0 };
    let copies = dice.random::<f64>() < 0.5;
    let (width, height) = image.dimensions();
    let reach = (radius * stretch * 1.5).ceil();
    let range = |middle: f64, side: u32| {
        let (first, last) =
            ((middle - reach).max(0.0), (middle + reach).clamp(0.0, f64::from(side)));
        first as u32..last as u32
    };
    for y in range(middle[1], height) {
        for x in range(middle[0], width) {
            let (u, v) = (f64::from(x) + 0.5 - middle[0], f64::from(y) + 0.5 - middle[1]);
            let (along, across) = ((cos * u + sin * v) / stretch, (cos * v - sin * u) * stretch);
            let share = (1.5 - along.hypot(across) / radius.max(1e-9)).clamp(0.0, 0.5) * 2.0;
            let own = *image.get_pixel(x, y);
            let mark = match copies {
                true => {
                    let at = |middle: f64, off: f64, side: u32| {
                        (middle + off).clamp(0.0, f64::from(side - 1)) as u32
                    };
                    image
                        .get_pixel(at(other[0], u, width), at(other[1], v, height))
                        .0
                        .map(f64::from)
                }
                false => own.0.map(|value| f64::from(value) + tone),
            };
            let mixed = std::array::from_fn(|c| {
                let [own, mark] = [
                    own.0.get(c).copied().map_or(0.0, f64::from),
                    mark.get(c).copied().unwrap_or(0.0),
                ];
                (own + share * (mark - own)).round().clamp(0.0, 255.0) as u8
            });
            painted.put_pixel(x, y, Rgb(mixed));
        }
    }
    painted
}

fn dice_index(dice: &mut impl Rng, count: usize) -> usize {
    ((dice.random::<f64>() * count as f64) as usize).min(count.saturating_sub(1))
}
