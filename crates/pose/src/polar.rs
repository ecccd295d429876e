//! The turn between two images of a part, around its centre of mass: both as rings, correlated by their spectra.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex32;

use crate::grid::CHANNELS;

/// Angles of a ring.
const ANGLES: usize = 240;
/// Rings from the middle to the part's radius.
const RINGS: usize = 20;
/// Peaks are this many angles apart.
const APART: usize = 8;

/// The spectra of the signals along rings.
#[derive(Clone, Debug)]
pub(crate) struct Polar {
    spectra: Vec<Complex32>,
}

impl Polar {
    /// Of signals by place around the middle, the radius of the part being 1; `None` outside of the image.
    pub(crate) fn new(at: impl Fn([f64; 2]) -> Option<[f32; CHANNELS]>) -> Self {
        let forward = FftPlanner::new().plan_fft_forward(ANGLES);
        let mut spectra = Vec::with_capacity(RINGS * CHANNELS * ANGLES);
        let mut squares = [0f32; CHANNELS];
        for ring in 0..RINGS {
            let radius = (ring as f64 + 0.5) / RINGS as f64;
            let angle = |i: usize| std::f64::consts::TAU * i as f64 / ANGLES as f64;
            let values: Vec<[f32; CHANNELS]> = (0..ANGLES)
                .map(|i| at([radius * angle(i).cos(), radius * angle(i).sin()]).unwrap_or_default())
                .collect();
            for (c, squares) in squares.iter_mut().enumerate() {
                // What is the same all around says nothing of the turn.
                let mean = values.iter().map(|value| value[c]).sum::<f32>() / ANGLES as f32;
                let weight = radius.sqrt() as f32;
                let ring =
                    values.iter().map(|value| Complex32::new(weight * (value[c] - mean), 0.0));
                let first = spectra.len();
                spectra.extend(ring);
                *squares += spectra[first..].iter().map(Complex32::norm_sqr).sum::<f32>();
                forward.process(&mut spectra[first..]);
            }
        }
        let scales = squares.map(|square| if square > 1e-12 { 1.0 / square.sqrt() } else { 0.0 });
        for (ring, spectrum) in spectra.chunks_exact_mut(ANGLES).enumerate() {
            spectrum.iter_mut().for_each(|value| *value *= scales[ring % CHANNELS]);
        }
        Self { spectra }
    }

    /// The turns from this to another, in radians, at which both are most alike, the best first.
    pub(crate) fn turns_to(&self, other: &Self, most: usize) -> Vec<f64> {
        let mut sum = vec![Complex32::default(); ANGLES];
        let rings = self.spectra.chunks_exact(ANGLES).zip(other.spectra.chunks_exact(ANGLES));
        for (own, other) in rings {
            for ((sum, own), other) in sum.iter_mut().zip(own).zip(other) {
                *sum += own.conj() * other;
            }
        }
        FftPlanner::new().plan_fft_inverse(ANGLES).process(&mut sum);
        let at = |i: usize| sum[i % ANGLES].re;
        let is_peak =
            |&i: &usize| (1..=APART).all(|by| at(i) >= at(i + by) && at(i) >= at(i + ANGLES - by));
        let mut peaks: Vec<usize> = (0..ANGLES).filter(is_peak).collect();
        peaks.sort_by(|&a, &b| at(b).total_cmp(&at(a)));
        peaks.truncate(most);
        let angle = |i: usize| std::f64::consts::TAU * i as f64 / ANGLES as f64;
        peaks.into_iter().map(angle).collect()
    }
}
