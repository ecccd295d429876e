//! What stands out of the ground of an image, told by the colours along its border.

use std::collections::HashMap;

use image::{GrayImage, Luma, RgbImage};
use imageproc::contrast::otsu_level;
use imageproc::region_labelling::{Connectivity, connected_components};
use nalgebra::{Matrix3, Vector3};

/// Pixels of the border on each side.
const BORDER: u32 = 3;
/// A part stands out by so many times the deviation of the border from its own colour.
const CONTRAST: f32 = 4.0;
/// The least share of the image that a part takes.
const LEAST: f64 = 0.003;

/// The largest connected piece that stands out of the ground. Lengths are in pixels of the reduced image.
#[derive(Clone, Debug)]
pub(crate) struct Foreground {
    /// Its centre of mass.
    pub(crate) center: [f64; 2],
    /// Its pixels.
    pub(crate) area: f64,
    /// From the centre of mass to its farthest pixel but for two in a hundred.
    pub(crate) radius: f64,
    /// Whether it reaches the border of the image.
    pub(crate) touches: bool,
    /// Pixels of the second largest piece.
    pub(crate) second: f64,
    /// How far each pixel of the piece stands out, 0 to 1; 0 elsewhere.
    pub(crate) likeness: Vec<f32>,
}

impl Foreground {
    /// `None` where nothing stands out, as on a surface that fills the image.
    pub(crate) fn find(image: &RgbImage) -> Option<Self> {
        let (width, height) = image.dimensions();
        let contrast = contrast(image)?;
        let largest = contrast.values.iter().copied().fold(0.0f32, f32::max).max(1.0);
        let scaled = contrast.values.iter().map(|value| (255.0 * value / largest) as u8).collect();
        let level = otsu_level(&GrayImage::from_raw(width, height, scaled)?);
        let threshold = largest * (f32::from(level) + 1.0) / 255.0;
        if threshold < CONTRAST * contrast.of_border {
            return None;
        }
        let over = |&value: &f32| if value >= threshold { 255 } else { 0 };
        let binary =
            GrayImage::from_raw(width, height, contrast.values.iter().map(over).collect())?;
        let labels = connected_components(&binary, Connectivity::Eight, Luma([0]));
        let mut areas: HashMap<u32, u32> = HashMap::new();
        labels.pixels().filter(|label| label.0[0] > 0).for_each(|label| {
            *areas.entry(label.0[0]).or_default() += 1;
        });
        // The label of ties is that of the first in the order of rows.
        let mut pieces: Vec<(u32, u32)> = areas.into_iter().collect();
        pieces.sort_unstable_by_key(|&(label, area)| (std::cmp::Reverse(area), label));
        let &(own, area) = pieces.first()?;
        if f64::from(area) < LEAST * f64::from(width) * f64::from(height) {
            return None;
        }
        let pixels = || labels.enumerate_pixels().filter(|(.., label)| label.0[0] == own);
        let places = || pixels().map(|(x, y, _)| [f64::from(x) + 0.5, f64::from(y) + 0.5]);
        let sum = places().fold([0.0; 2], |[u, v], [x, y]| [u + x, v + y]);
        let center = sum.map(|sum| sum / f64::from(area));
        let mut radii: Vec<f64> =
            places().map(|[x, y]| (x - center[0]).hypot(y - center[1])).collect();
        radii.sort_unstable_by(f64::total_cmp);
        let radius = radii.get(radii.len() * 98 / 100).copied()?;
        let at_edge = |x: u32, y: u32| x == 0 || y == 0 || x + 1 == width || y + 1 == height;
        let likeness =
            labels.pixels().zip(&contrast.values).map(|(label, value)| match label.0[0] {
                label if label == own => (value / (2.0 * threshold)).min(1.0),
                _ => 0.0,
            });
        Some(Self {
            center,
            area: f64::from(area),
            radius,
            touches: pixels().any(|(x, y, _)| at_edge(x, y)),
            second: pieces.get(1).map_or(0.0, |&(_, area)| f64::from(area)),
            likeness: likeness.collect(),
        })
    }
}

/// How far each pixel is from the colour of the ground there.
struct Contrast {
    values: Vec<f32>,
    /// The root mean square along the border, but for what stands out there.
    of_border: f32,
}

/// The ground's colour is linear in the place, as under light from one side, and fitted to the border: first to all of it,
/// then to what is near the first fit.
fn contrast(image: &RgbImage) -> Option<Contrast> {
    let (width, height) = image.dimensions();
    let is_border =
        |x: u32, y: u32| x < BORDER || y < BORDER || x + BORDER >= width || y + BORDER >= height;
    let mut border: Vec<(Vector3<f64>, [f64; 3])> = image
        .enumerate_pixels()
        .filter(|&(x, y, _)| is_border(x, y))
        .map(|(x, y, pixel)| (place(x, y), pixel.0.map(f64::from)))
        .collect();
    let mut ground = fit(&border)?;
    for _ in 0..2 {
        let mut distances: Vec<f64> = border.iter().map(|(p, c)| distance(&ground, p, c)).collect();
        distances.sort_unstable_by(f64::total_cmp);
        let median = distances.get(distances.len() / 2).copied()?;
        border.retain(|(p, c)| distance(&ground, p, c) <= 3.0 * median + 1.0);
        ground = fit(&border)?;
    }
    let squares: f64 = border.iter().map(|(p, c)| distance(&ground, p, c).powi(2)).sum();
    let value = |(x, y, pixel): (u32, u32, &image::Rgb<u8>)| {
        distance(&ground, &place(x, y), &pixel.0.map(f64::from)) as f32
    };
    Some(Contrast {
        values: image.enumerate_pixels().map(value).collect(),
        of_border: (squares / border.len().max(1) as f64).sqrt() as f32,
    })
}

fn place(x: u32, y: u32) -> Vector3<f64> {
    Vector3::new(1.0, f64::from(x), f64::from(y))
}

/// The least squares of each colour.
fn fit(border: &[(Vector3<f64>, [f64; 3])]) -> Option<[Vector3<f64>; 3]> {
    let mut products = Matrix3::zeros();
    let mut sums = [Vector3::zeros(); 3];
    for (place, colour) in border {
        products += place * place.transpose();
        sums.iter_mut().zip(colour).for_each(|(sum, &value)| *sum += place * value);
    }
    let inverse = products.try_inverse()?;
    Some(sums.map(|sum| inverse * sum))
}

fn distance(ground: &[Vector3<f64>; 3], place: &Vector3<f64>, colour: &[f64; 3]) -> f64 {
    let squares =
        ground.iter().zip(colour).map(|(plane, value)| (value - plane.dot(place)).powi(2));
    squares.sum::<f64>().sqrt()
}
