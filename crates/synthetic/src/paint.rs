//! Pixels of an image and its mask from a function of the plane. Knows nothing of what is drawn.

use image::{GrayImage, Luma, Rgb, RgbImage};

/// A colour in `[0, 1]` and whether a defect changed it.
pub(crate) struct Painted {
    pub(crate) colour: [f32; 3],
    pub(crate) changed: bool,
}

/// Calls `paint` with the column, the row and the centre of every pixel, the side being 1.
pub(crate) fn paint(
    size: u32,
    paint: impl Fn(u32, u32, [f32; 2]) -> Painted,
) -> (RgbImage, GrayImage) {
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
pub(crate) fn to_byte(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
}
