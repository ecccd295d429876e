//! The nearest pose at which an image looks most like a template: Gauss-Newton on the difference of both, by the inverse
//! compositional way (Baker and Matthews, 2004), in which the template is moved and its derivatives are found once.

use nalgebra::{Matrix4, Vector4};

use crate::frame::{Frame, normalized};
use crate::grid::{CHANNELS, Grid, correlation};
use crate::pose::{Motion, Pose};
use crate::scene::Scene;

/// The most that one step moves, in pixels of the template.
const LONGEST: f64 = 6.0;
/// A step this small ends the search, in pixels of the template.
const SMALL: f64 = 0.02;
/// What is added to the curvature of each direction, as a share of it.
const DAMPING: f64 = 1e-2;

/// A template with its derivatives by shift (columns, rows), turn and growth.
#[derive(Clone, Debug)]
pub(crate) struct Refiner {
    frame: Frame,
    template: Vec<[f32; CHANNELS]>,
    slopes: Vec<[Vector4<f32>; CHANNELS]>,
    step: Matrix4<f64>,
}

impl Refiner {
    /// Of a template of mean 0 and norm 1.
    pub(crate) fn new(frame: Frame, template: &Grid, motion: Motion) -> Self {
        let &Grid { width, height, ref values } = template;
        let at = |x: usize, y: usize| &values[y.min(height - 1) * width + x.min(width - 1)];
        let free = [1.0, 1.0, f32::from(motion.turns()), f32::from(motion.scales())];
        let mut slopes = Vec::with_capacity(values.len());
        let mut curvature = Matrix4::<f64>::zeros();
        for y in 0..height {
            for x in 0..width {
                let u = x as f32 + 0.5 - width as f32 / 2.0;
                let v = y as f32 + 0.5 - height as f32 / 2.0;
                let slope: [Vector4<f32>; CHANNELS] = std::array::from_fn(|c| {
                    let across = (at(x + 1, y)[c] - at(x.saturating_sub(1), y)[c]) / 2.0;
                    let down = (at(x, y + 1)[c] - at(x, y.saturating_sub(1))[c]) / 2.0;
                    let all = [across, down, down * u - across * v, across * u + down * v];
                    Vector4::from_fn(|i, _| all[i] * free[i])
                });
                for own in &slope {
                    let own = own.cast::<f64>();
                    curvature += own * own.transpose();
                }
                slopes.push(slope);
            }
        }
        for i in 0..4 {
            // A direction that isn't free, or moves nothing, stays.
            let own = curvature[(i, i)];
            curvature[(i, i)] = if own > 1e-12 { own * (1.0 + DAMPING) } else { 1.0 };
        }
        let step = curvature.try_inverse().unwrap_or_else(Matrix4::zeros);
        Self { frame, template: values.clone(), slopes, step }
    }

    /// The best of the poses on the way of so many steps from `start`, and how alike both are there.
    pub(crate) fn refine(&self, scene: &Scene, start: Pose, steps: usize) -> (Pose, f64) {
        let mut pose = start;
        let mut best = (start, f64::NEG_INFINITY);
        for _ in 0..=steps {
            let image = normalized(&self.frame.sample(scene, &pose));
            let likeness = correlation(&self.template, &image);
            if likeness > best.1 {
                best = (pose, likeness);
            }
            let Some(next) = self.next(&image, &pose) else { break };
            pose = next;
        }
        best
    }

    /// The pose one step on; `None` where the step is small.
    fn next(&self, image: &[[f32; CHANNELS]], pose: &Pose) -> Option<Pose> {
        let mut sum = Vector4::<f32>::zeros();
        for ((image, template), slopes) in image.iter().zip(&self.template).zip(&self.slopes) {
            for c in 0..CHANNELS {
                sum += slopes[c] * (image[c] - template[c]);
            }
        }
        let mut step = self.step * sum.cast::<f64>();
        let radius = self.frame.pixels[0].max(self.frame.pixels[1]) as f64 / 2.0;
        let length =
            step[0].abs().max(step[1].abs()).max(radius * step[2].abs().max(step[3].abs()));
        // Nor a step that isn't a number.
        if length.is_nan() || length <= SMALL {
            return None;
        }
        if length > LONGEST {
            step *= LONGEST / length;
        }
        let [x, y, turn, growth] = [step[0], step[1], step[2], step[3]];
        // The template moved by the step lies in the image as the template does; so the image's pose moves back.
        let (scale, [width, height]) = (1.0 / (1.0 + growth), self.frame.pixel());
        let (sin, cos) = (-turn).sin_cos();
        let center = [-scale * (cos * x - sin * y) * width, -scale * (sin * x + cos * y) * height];
        Some(pose.of_inner(&Pose { center, angle: -turn, scale }))
    }
}
