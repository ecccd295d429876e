//! An image as its pose is found: small, as signals that tell where a part lies.

use image::imageops::grayscale;
use image::{GrayImage, RgbImage};
use nfbmr_data::resize_rgb;

use crate::foreground::Foreground;
use crate::grid::{CHANNELS, Grid};

/// The longer side in pixels.
const SIDE: u32 = 224;

/// An image reduced to what its pose is found by: brightness, edges and what stands out of the ground.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Brightness, strength of edges, and 0 to 1 for the ground to the part.
    pub(crate) signals: Grid,
    pub(crate) foreground: Option<Foreground>,
}

impl Scene {
    /// Of an image of any size.
    pub fn new(image: &RgbImage) -> Self {
        let small = reduced(image);
        let foreground = Foreground::find(&small);
        let grey = grayscale(&small);
        let (width, height) = (grey.width() as usize, grey.height() as usize);
        let smooth = smoothed(&grey);
        let at = |x: usize, y: usize| smooth[y.min(height - 1) * width + x.min(width - 1)];
        let mut values = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let across = at(x + 1, y) - at(x.saturating_sub(1), y);
                let down = at(x, y + 1) - at(x, y.saturating_sub(1));
                let part = foreground.as_ref().map_or(0.0, |found| found.likeness[y * width + x]);
                // The root keeps one bright edge from outweighing all others.
                let edge = (across * across + down * down).sqrt().sqrt();
                let signals: [f32; CHANNELS] = [at(x, y), edge, part];
                values.push(signals);
            }
        }
        Self { signals: Grid { width, height, values }, foreground }
    }

    /// Places on what stands out, or all over the image but for a tenth along its border where nothing does, and its size
    /// from side to side; both in pixels of an image of that width and height.
    pub fn part(&self, [width, height]: [u32; 2]) -> (Vec<[f64; 2]>, f64) {
        let Grid { width: columns, height: rows, .. } = self.signals;
        let stretch = [f64::from(width) / columns as f64, f64::from(height) / rows as f64];
        let on_part = |index: usize| match &self.foreground {
            Some(found) => found.likeness.get(index).is_some_and(|&likeness| likeness > 0.0),
            None => {
                let inner = |at: usize, side: usize| 10 * at >= side && 10 * (at + 1) <= 9 * side;
                inner(index % columns, columns) && inner(index / columns, rows)
            }
        };
        let place = |index: usize| {
            let at = [index % columns, index / columns];
            [0, 1].map(|i| (at[i] as f64 + 0.5) * stretch[i])
        };
        let places = (0..columns * rows).filter(|&index| on_part(index)).map(place).collect();
        let radius = self.foreground.as_ref().map_or(self.unit() / 2.0, |found| found.radius);
        (places, 2.0 * radius * stretch[0])
    }

    /// Width and height in shares of the longer side.
    pub(crate) fn extent(&self) -> [f64; 2] {
        let Grid { width, height, .. } = self.signals;
        let longer = width.max(height).max(1) as f64;
        [width as f64 / longer, height as f64 / longer]
    }

    /// Pixels of the longer side.
    pub(crate) fn unit(&self) -> f64 {
        self.signals.width.max(self.signals.height).max(1) as f64
    }
}

/// The image at the side that poses are found at, at least 8 pixels wide and high.
fn reduced(image: &RgbImage) -> RgbImage {
    let (width, height) = image.dimensions();
    let longer = width.max(height).max(1);
    let side = |own: u32| {
        let own = u64::from(own) * u64::from(SIDE);
        (own.div_ceil(u64::from(longer)) as u32).max(8)
    };
    // An image without pixels shows nothing.
    resize_rgb(image, side(width), side(height))
        .unwrap_or_else(|_| RgbImage::new(side(width), side(height)))
}

/// Brightness, averaged over neighbours.
fn smoothed(grey: &GrayImage) -> Vec<f32> {
    let smooth = imageproc::filter::gaussian_blur_f32(grey, 1.0);
    smooth.into_raw().into_iter().map(f32::from).collect()
}
