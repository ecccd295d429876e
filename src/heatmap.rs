//! Anomaly maps as pictures. It knows maps and images, not how either came about.

use image::RgbImage;
use nfbmr_pipeline::{PipelineError, ScoreMap};

/// A grey, which the scale doesn't have.
const OUTSIDE: [u8; 3] = [128; 3];

/// An anomaly map over its image: nothing at `low`, full colour (of the scale Inferno) at `high`. What isn't
/// inspected stays as it is in the image.
///
/// A map of another size is brought to the image's. A `low` and `high` for all images of a part make them
/// comparable: half of the range between them is a sensible place for the threshold.
///
/// # Errors
/// [`PipelineError::Size`] if the map or the image is empty.
pub fn heatmap(
    image: &RgbImage,
    map: &ScoreMap,
    low: f32,
    high: f32,
) -> Result<RgbImage, PipelineError> {
    let resized = match (map.width, map.height) == image.dimensions() {
        true => None,
        false => Some(map.resize(image.width(), image.height())?),
    };
    let map = resized.as_ref().unwrap_or(map);
    let mut overlay = image.clone();
    for (index, (pixel, &value)) in overlay.pixels_mut().zip(&map.values).enumerate() {
        if !map.is_inspected(index) {
            continue;
        }
        let (heat, color) = color(value, low, high);
        for (channel, color) in pixel.0.iter_mut().zip(color) {
            let mixed =
                f32::from(*channel) * (1.0 - heat) * 0.6 + f32::from(color) * (0.4 + 0.6 * heat);
            *channel = mixed.min(255.0) as u8;
        }
    }
    Ok(overlay)
}

/// An anomaly map in the colours of [`heatmap`] alone, grey where it isn't inspected.
pub(crate) fn colored(map: &ScoreMap, low: f32, high: f32) -> RgbImage {
    let mut image = RgbImage::new(map.width, map.height);
    for (index, (pixel, &value)) in image.pixels_mut().zip(&map.values).enumerate() {
        pixel.0 = if map.is_inspected(index) { color(value, low, high).1 } else { OUTSIDE };
    }
    image
}

/// The place of a value on the scale, from 0 to 1, and its colour.
fn color(value: f32, low: f32, high: f32) -> (f32, [u8; 3]) {
    let heat = match high > low {
        true => ((value - low) / (high - low)).clamp(0.0, 1.0),
        false => f32::from(u8::from(value > low)),
    };
    let color = colorous::INFERNO.eval_continuous(f64::from(heat));
    (heat, [color.r, color.g, color.b])
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn the_scale_goes_from_low_to_high() {
        let image = RgbImage::from_pixel(3, 1, Rgb([100; 3]));
        let map = |values: [f32; 3]| ScoreMap::new(3, 1, values.to_vec());
        let drawn = heatmap(&image, &map([-9.0, 3.0, 9.0]), 2.0, 4.0).unwrap();
        let at = |x: u32| drawn.get_pixel(x, 0).0;
        // Inferno starts nearly black and ends pale yellow.
        assert!(at(0).iter().all(|&channel| (55..=65).contains(&channel)), "{:?}", at(0));
        let [red, green, blue] = at(2);
        assert!(red > 245 && green > 245 && blue < 175, "{:?}", at(2));
        assert!(at(1)[0] > at(0)[0] && at(1)[1] < at(2)[1], "{:?}", at(1));
        // A scale without width is a threshold.
        let step = heatmap(&image, &map([1.0, 2.0, 3.0]), 2.0, 2.0).unwrap();
        assert_eq!([0, 1, 2].map(|x| step.get_pixel(x, 0).0), [at(0), at(0), at(2)]);
    }

    #[test]
    fn a_map_alone_has_the_same_scale() {
        let map = ScoreMap::new(3, 1, vec![-9.0, 3.0, 9.0]);
        let drawn = colored(&map, 2.0, 4.0);
        let [low, middle, high] = [0, 1, 2].map(|x| drawn.get_pixel(x, 0).0);
        assert!(low.iter().all(|&channel| channel < 5), "{low:?}");
        assert!(middle[0] > 150 && middle[2] < 100, "{middle:?}");
        assert!(high[0] > 245 && high[1] > 245, "{high:?}");
    }

    #[test]
    fn a_map_is_brought_to_its_image() {
        let image = RgbImage::new(8, 6);
        let map = ScoreMap::new(1, 1, vec![1.0]);
        assert_eq!(heatmap(&image, &map, 0.0, 1.0).unwrap().dimensions(), (8, 6));
        let none = ScoreMap::new(0, 0, Vec::new());
        assert!(matches!(heatmap(&image, &none, 0.0, 1.0), Err(PipelineError::Size(_))));
    }

    #[test]
    fn what_is_not_inspected_has_no_colour() {
        let image = RgbImage::from_pixel(4, 2, Rgb([100; 3]));
        let map =
            ScoreMap { inspected: Some(vec![true, false]), ..ScoreMap::new(2, 1, vec![9.0; 2]) };
        let drawn = heatmap(&image, &map, 2.0, 4.0).unwrap();
        for (x, _, pixel) in drawn.enumerate_pixels() {
            assert_eq!(pixel.0 == [100; 3], x >= 2, "{x}: {pixel:?}");
        }
        let drawn = colored(&map, 2.0, 4.0);
        assert!(drawn.get_pixel(0, 0).0[0] > 245 && drawn.get_pixel(1, 0).0 == OUTSIDE);
    }
}
