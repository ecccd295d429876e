//! The turn and the shift between two images that fill their frame, by their spectra: the amplitude turns with an image
//! and doesn't know its shift, the phase tells the shift (Reddy and Chatterji, 1996).

use rustfft::num_complex::Complex32;
use rustfft::{Fft, FftPlanner};
use std::sync::Arc;

use crate::grid::Grid;

/// Turns that are looked for, either way, in steps.
const STEPS: i32 = 32;
/// A step in radians.
const STEP: f64 = std::f64::consts::PI / 360.0;
/// Directions of half a turn of the spectrum.
const DIRECTIONS: i32 = 360;
/// The signals that are used: brightness and edges.
const SIGNALS: usize = 2;

/// The spectra of brightness and edges.
#[derive(Clone, Debug)]
pub(crate) struct Spectrum {
    width: usize,
    height: usize,
    planes: [Vec<Complex32>; SIGNALS],
}

impl Spectrum {
    /// Of signals of mean 0.
    pub(crate) fn new(grid: &Grid) -> Self {
        let &Grid { width, height, ref values } = grid;
        // The borders of the frame are no edges of the image.
        let window = |i: usize, of: usize| {
            (std::f32::consts::PI * (i as f32 + 0.5) / of as f32).sin().powi(2)
        };
        let plane = |signal: usize| {
            let value = |(i, value): (usize, &[f32; crate::grid::CHANNELS])| {
                let weight = window(i % width, width) * window(i / width, height);
                Complex32::new(weight * value[signal], 0.0)
            };
            let mut plane: Vec<Complex32> = values.iter().enumerate().map(value).collect();
            let mut planner = FftPlanner::new();
            let (rows, columns) =
                (planner.plan_fft_forward(width), planner.plan_fft_forward(height));
            transform(&mut plane, width, &rows, &columns);
            plane
        };
        Self { width, height, planes: std::array::from_fn(plane) }
    }

    /// The turn from this to another in radians, at most 16 degrees either way.
    pub(crate) fn turn_to(&self, other: &Self) -> f64 {
        let (own, other) = (self.directions(), other.directions());
        let alike = |step: i32| -> f32 {
            let turned = |i: i32| other[(i + step).rem_euclid(DIRECTIONS) as usize];
            (0..DIRECTIONS).map(|i| own[i as usize] * turned(i)).sum()
        };
        let best = (-STEPS..=STEPS).max_by(|&a, &b| alike(a).total_cmp(&alike(b)));
        f64::from(best.unwrap_or(0)) * STEP
    }

    /// The amplitude in each direction, of mean 0.
    fn directions(&self) -> Vec<f32> {
        let (width, height) = (self.width as f64, self.height as f64);
        let longest = (0.45 * width.min(height)) as i32;
        let mut sums = vec![0.0; DIRECTIONS as usize];
        for (direction, sum) in (0..DIRECTIONS).zip(&mut sums) {
            let (sin, cos) = (f64::from(direction) * STEP).sin_cos();
            for radius in 4..longest {
                // Of a frame that isn't square, a column and a row stand for different lengths of waves.
                let r = f64::from(radius) / f64::from(longest);
                let at = |part: f64, of: f64| {
                    ((0.45 * r * part * of).round() as i64).rem_euclid(of as i64) as usize
                };
                let index = at(sin, height) * self.width + at(cos, width);
                *sum += self.planes.iter().map(|plane| plane[index].norm().sqrt()).sum::<f32>();
            }
        }
        let mean = sums.iter().sum::<f32>() / sums.len() as f32;
        sums.iter_mut().for_each(|sum| *sum -= mean);
        sums
    }

    /// The shift from this to another in pixels, at most a share of either side.
    pub(crate) fn shift_to(&self, other: &Self, most: f64) -> [f64; 2] {
        let (width, height) = (self.width, self.height);
        let mut sum = vec![Complex32::default(); width * height];
        for (own, other) in self.planes.iter().zip(&other.planes) {
            for ((sum, own), other) in sum.iter_mut().zip(own).zip(other) {
                let product = own.conj() * other;
                // The root of the amplitude: between the phase alone, which noise outweighs, and the correlation,
                // whose peak is broad.
                let norm = product.norm();
                if norm > 0.0 {
                    *sum += product / norm.sqrt();
                }
            }
        }
        let mut planner = FftPlanner::new();
        let (rows, columns) = (planner.plan_fft_inverse(width), planner.plan_fft_inverse(height));
        transform(&mut sum, width, &rows, &columns);
        let signed = |i: usize, of: usize| if 2 * i > of { i as f64 - of as f64 } else { i as f64 };
        let near = |&(i, _): &(usize, &Complex32)| {
            signed(i % width, width).abs() <= most * width as f64
                && signed(i / width, height).abs() <= most * height as f64
        };
        let best =
            sum.iter().enumerate().filter(near).max_by(|(_, a), (_, b)| a.re.total_cmp(&b.re));
        let index = best.map_or(0, |(index, _)| index);
        [signed(index % width, width), signed(index / width, height)]
    }
}

/// Rows, then columns.
fn transform(
    plane: &mut Vec<Complex32>,
    width: usize,
    rows: &Arc<dyn Fft<f32>>,
    columns: &Arc<dyn Fft<f32>>,
) {
    let height = plane.len() / width.max(1);
    rows.process(plane);
    let mut turned = transposed(plane, width, height);
    columns.process(&mut turned);
    *plane = transposed(&turned, height, width);
}

fn transposed(plane: &[Complex32], width: usize, height: usize) -> Vec<Complex32> {
    (0..width * height).map(|i| plane[i % height * width + i / height]).collect()
}
