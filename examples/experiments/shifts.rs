//! What may change about the images of a line, as a change of an image and of its mask.

use std::fmt;
use std::io::Cursor;

use clap::ValueEnum;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::blur;
use image::{GrayImage, ImageFormat, ImageResult, Rgb, RgbImage};
use imageproc::geometric_transformations::{Border, Interpolation, Projection, warp_with};
use imageproc::noise::gaussian_noise;
use serde::{Deserialize, Serialize};

/// The side, in pixels, of the image that a blur is stated for: the input of the default.
const BLUR_SIDE: f32 = 320.0;

/// What changes. Values are those of the file, 0 to 255, which are cut off at either end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Every value is multiplied by the strength.
    Brightness,
    /// Every value is so many times as far from the mean of the image.
    Contrast,
    /// Red is multiplied by 1 + s and blue by 1 - s, with s in percent.
    WhiteBalance,
    /// A Gaussian whose deviation is in pixels of the image at 320 px a side.
    Blur,
    /// Stored as JPEG of this quality, from 1 to 100.
    Jpeg,
    /// Noise of this deviation on each value, of the file's own pixels.
    Noise,
    /// All moves to the right by so many percent of the width.
    Shift,
    /// All turns clockwise about the centre by so many degrees.
    Turn,
    /// All grows by this factor about the centre.
    Scale,
}

/// A change of a stated strength.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    pub kind: Kind,
    pub strength: f32,
}

impl Kind {
    /// The changes of this kind that are measured.
    pub fn changes(self) -> impl Iterator<Item = Change> {
        let strengths: &[f32] = match self {
            Self::Brightness => &[0.9, 1.1, 1.25],
            Self::Contrast => &[0.8, 1.2],
            Self::WhiteBalance => &[-10.0, 5.0, 10.0],
            Self::Blur => &[0.5, 1.0, 2.0],
            Self::Jpeg => &[90.0, 70.0, 40.0],
            Self::Noise => &[2.0, 5.0, 10.0],
            Self::Shift => &[1.0, 2.0, 5.0],
            Self::Turn => &[1.0, 3.0, 10.0],
            Self::Scale => &[0.98, 1.02, 1.1],
        };
        strengths.iter().map(move |&strength| Change { kind: self, strength })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, strength } = self;
        match kind {
            Kind::Brightness => write!(f, "brightness x {strength}"),
            Kind::Contrast => write!(f, "contrast x {strength}"),
            Kind::WhiteBalance => write!(f, "red {strength:+} %, blue {:+} %", -strength),
            Kind::Blur => write!(f, "blur {strength} px of 320"),
            Kind::Jpeg => write!(f, "JPEG {strength}"),
            Kind::Noise => write!(f, "noise {strength}"),
            Kind::Shift => write!(f, "shift {strength} %"),
            Kind::Turn => write!(f, "turn {strength}°"),
            Kind::Scale => write!(f, "scale x {strength}"),
        }
    }
}

impl Change {
    /// The image as it comes from the changed line; noise is drawn by the seed.
    ///
    /// # Errors
    /// What encoding as JPEG fails with.
    pub fn image(self, image: &RgbImage, seed: u64) -> ImageResult<RgbImage> {
        let strength = self.strength;
        Ok(match self.kind {
            Kind::Brightness => by_value(image, |_, value| value * strength),
            Kind::Contrast => {
                let mean = mean(image);
                by_value(image, |_, value| mean + (value - mean) * strength)
            }
            Kind::WhiteBalance => {
                let gains = [1.0 + strength / 100.0, 1.0, 1.0 - strength / 100.0];
                by_value(image, |channel, value| value * gains[channel])
            }
            Kind::Blur => {
                let side = image.width().max(image.height());
                blur(image, strength * side as f32 / BLUR_SIDE)
            }
            Kind::Jpeg => {
                let mut encoded = Vec::new();
                JpegEncoder::new_with_quality(&mut encoded, strength as u8).encode_image(image)?;
                let decoded = image::load(Cursor::new(encoded), ImageFormat::Jpeg)?;
                decoded.into_rgb8()
            }
            Kind::Noise => gaussian_noise(image, 0.0, strength.into(), seed),
            Kind::Shift | Kind::Turn | Kind::Scale => match self.motion(image.dimensions()) {
                Some(from) => warp_with(image, from, Interpolation::Bicubic, Border::Replicate),
                None => image.clone(),
            },
        })
    }

    /// The mask of the image, which moves along: each pixel is that of the nearest one.
    pub fn mask(self, mask: &GrayImage) -> GrayImage {
        match self.motion(mask.dimensions()) {
            Some(from) => warp_with(mask, from, Interpolation::Nearest, Border::Replicate),
            None => mask.clone(),
        }
    }

    /// Where each pixel of an image of this size comes from. Beyond its borders the image is
    /// mirrored: pixels of the border drawn out to streaks would be a defect of a surface.
    fn motion(self, (width, height): (u32, u32)) -> Option<impl Fn(f32, f32) -> (f32, f32)> {
        let [right, bottom] = [width, height].map(|side| side as f32 - 1.0);
        let about_centre = |motion: Projection| {
            let (x, y) = (right / 2.0, bottom / 2.0);
            Projection::translate(x, y) * motion * Projection::translate(-x, -y)
        };
        let strength = self.strength;
        let motion = match self.kind {
            Kind::Shift => Projection::translate(strength / 100.0 * width as f32, 0.0),
            Kind::Turn => about_centre(Projection::rotate(strength.to_radians())),
            Kind::Scale => about_centre(Projection::scale(strength, strength)),
            _ => return None,
        };
        let mirrored = |at: f32, last: f32| last - (last - at.abs()).abs();
        let back = motion.invert();
        Some(move |x, y| {
            let (x, y) = back * (x, y);
            (mirrored(x, right), mirrored(y, bottom))
        })
    }
}

/// What `of` makes of each value, by its channel.
fn by_value(image: &RgbImage, of: impl Fn(usize, f32) -> f32) -> RgbImage {
    let mut changed = image.clone();
    for Rgb(values) in changed.pixels_mut() {
        for (channel, value) in values.iter_mut().enumerate() {
            // What is out of range becomes the end that is nearest.
            *value = of(channel, f32::from(*value)).round() as u8;
        }
    }
    changed
}

fn mean(image: &RgbImage) -> f32 {
    let sum: f64 = image.iter().map(|&value| f64::from(value)).sum();
    (sum / image.len().max(1) as f64) as f32
}

#[cfg(test)]
mod tests {
    use image::Luma;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn change(kind: Kind, strength: f32) -> Change {
        Change { kind, strength }
    }

    fn changed(kind: Kind, strength: f32, image: &RgbImage) -> RgbImage {
        change(kind, strength).image(image, 7).unwrap()
    }

    /// 41 x 41 black pixels but for one.
    fn dot(x: u32, y: u32) -> RgbImage {
        let mut image = RgbImage::new(41, 41);
        image.put_pixel(x, y, Rgb([200; 3]));
        image
    }

    fn mask_of(image: &RgbImage) -> GrayImage {
        GrayImage::from_fn(image.width(), image.height(), |x, y| Luma([image.get_pixel(x, y).0[0]]))
    }

    fn brightest(image: &RgbImage) -> (u32, u32) {
        let pixels = image.enumerate_pixels();
        let (x, y, _) = pixels.max_by_key(|(_, _, pixel)| pixel.0[0]).unwrap();
        (x, y)
    }

    fn distance(a: &RgbImage, b: &RgbImage) -> f64 {
        let squares = a.iter().zip(b.iter()).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2));
        (squares.sum::<f64>() / a.len() as f64).sqrt()
    }

    fn texture(side: u32) -> RgbImage {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        RgbImage::from_fn(side, side, |_, _| Rgb([0; 3].map(|_: u8| rng.random_range(60..190))))
    }

    #[test]
    fn values_are_multiplied_and_cut_off() {
        let image = RgbImage::from_pixel(2, 2, Rgb([10, 100, 220]));
        assert_eq!(changed(Kind::Brightness, 1.25, &image).get_pixel(0, 0).0, [13, 125, 255]);
        assert_eq!(changed(Kind::WhiteBalance, 10.0, &image).get_pixel(1, 1).0, [11, 100, 198]);
        assert_eq!(changed(Kind::WhiteBalance, -10.0, &image).get_pixel(1, 1).0, [9, 100, 242]);
    }

    #[test]
    fn contrast_keeps_the_mean() {
        let mut image = RgbImage::from_pixel(2, 1, Rgb([80; 3]));
        image.put_pixel(1, 0, Rgb([120; 3]));
        let more = changed(Kind::Contrast, 1.2, &image);
        assert_eq!((more.get_pixel(0, 0).0, more.get_pixel(1, 0).0), ([76; 3], [124; 3]));
    }

    #[test]
    fn the_same_blur_is_wider_on_a_larger_image() {
        let flat = RgbImage::from_pixel(40, 30, Rgb([90, 20, 250]));
        assert_eq!(changed(Kind::Blur, 2.0, &flat), flat);
        // At 640 px and 1280 px a side the deviation is 2 and 4 px.
        let peak = |side: u32| {
            let mut image = RgbImage::new(side, 41);
            for (x, y) in (0..9).flat_map(|x| (0..9).map(move |y| (x, y))) {
                image.put_pixel(side / 2 - 4 + x, 16 + y, Rgb([255; 3]));
            }
            changed(Kind::Blur, 1.0, &image).get_pixel(side / 2, 20).0[0]
        };
        // Of a square of 9 px: 255 erf(4.5 / (sqrt 2 sigma))^2.
        assert!(peak(640).abs_diff(243) <= 4, "{}", peak(640));
        assert!(peak(1280).abs_diff(139) <= 4, "{}", peak(1280));
    }

    #[test]
    fn jpeg_of_a_lower_quality_is_farther_from_the_image() {
        let image = texture(64);
        let far = |quality| distance(&image, &changed(Kind::Jpeg, quality, &image));
        assert!(far(90.0) > 0.5 && far(70.0) > far(90.0) && far(40.0) > far(70.0));
    }

    #[test]
    fn noise_has_its_deviation_and_is_drawn_by_the_seed() {
        let image = RgbImage::from_pixel(100, 100, Rgb([128; 3]));
        let noise = change(Kind::Noise, 5.0);
        let noisy = noise.image(&image, 1).unwrap();
        assert!((distance(&image, &noisy) - 5.0).abs() < 0.15, "{}", distance(&image, &noisy));
        assert!((mean(&noisy) - 128.0).abs() < 0.6, "{}", mean(&noisy));
        assert_eq!(noisy, noise.image(&image, 1).unwrap());
        assert_ne!(noisy, noise.image(&image, 2).unwrap());
    }

    #[test]
    fn images_and_their_masks_move_alike() {
        // The centre is (20, 20).
        for (kind, strength, from, to) in [
            (Kind::Shift, 10.0, (20, 20), (24, 20)),
            (Kind::Turn, 90.0, (26, 20), (20, 26)),
            (Kind::Turn, 180.0, (26, 18), (14, 22)),
            (Kind::Scale, 1.5, (26, 18), (29, 17)),
        ] {
            let moved = changed(kind, strength, &dot(from.0, from.1));
            assert_eq!(brightest(&moved), to, "{kind:?}");
            let mask = change(kind, strength).mask(&mask_of(&dot(from.0, from.1)));
            assert_eq!(mask.get_pixel(to.0, to.1).0, [200], "{kind:?}");
        }
        // What doesn't move leaves the mask alone.
        let mask = mask_of(&dot(3, 4));
        assert_eq!(change(Kind::Blur, 2.0).mask(&mask), mask);
    }

    #[test]
    fn beyond_its_borders_an_image_is_mirrored() {
        let image = RgbImage::from_fn(40, 4, |x, _| Rgb([x as u8 * 5; 3]));
        let row = |moved: &RgbImage| -> Vec<u8> {
            (0..40).map(|x| moved.get_pixel(x, 2).0[0] / 5).collect()
        };
        let right = row(&changed(Kind::Shift, 10.0, &image));
        assert_eq!((&right[..6], right[39]), (&[4, 3, 2, 1, 0, 1][..], 35));
        let left = row(&changed(Kind::Shift, -10.0, &image));
        assert_eq!((left[0], &left[34..]), (4, &[38, 39, 38, 37, 36, 35][..]));
    }

    #[test]
    fn each_kind_has_two_strengths_or_more_and_each_changes_an_image() {
        let image = texture(320);
        for kind in Kind::value_variants() {
            assert!(kind.changes().count() >= 2, "{kind:?}");
            for change in kind.changes() {
                let changed = change.image(&image, 0).unwrap();
                assert_eq!(changed.dimensions(), image.dimensions());
                assert!(changed != image, "{change}");
            }
        }
    }
}
