//! A template from good images: they are laid over one of them, then over their mean, until all fit.

use rayon::prelude::*;

use crate::error::PoseError;
use crate::foreground::Foreground;
use crate::frame::{Frame, normalized};
use crate::grid::{CHANNELS, Grid};
use crate::pose::{Motion, Pose};
use crate::scene::Scene;
use crate::template::{Part, Template, TemplateFacts};

/// Images that the others are first laid over, one after the other; the best stays.
const STARTS: usize = 3;
/// Images that choose among these.
const JUDGES: usize = 16;
/// How often the mean is laid anew.
const ROUNDS: usize = 2;
/// What lies around a part in its template, as a share of its size, on each side.
const MARGIN: f64 = 0.04;
/// The share of images in which the part stands out by itself.
const MOST: f64 = 0.9;
/// How much the side of a part may differ between images, from the tenth smallest to the tenth largest.
const SPREAD: f64 = 0.35;
/// The share of the largest mean likeness from which on a pixel belongs to the part's box.
const IN_BOX: f32 = 0.15;
/// Parts lie at about one angle where the mean of their directions, as vectors of length 1, is this long: by 11 degrees more
/// or less.
const ONE_ANGLE: f64 = 0.98;

impl Template {
    /// Learns from good images.
    ///
    /// Where one piece of about one size stands out of the ground in nearly all of them, it is the part, and the template
    /// is its box with a margin: a square, turned so that the part fills most of it. Otherwise the whole image is laid over
    /// the others, which may be shifted by up to 15 % and turned by up to 16 degrees.
    ///
    /// # Errors
    /// [`PoseError::NoImages`].
    pub fn learn(scenes: &[Scene], motion: Motion) -> Result<Self, PoseError> {
        let Some(first) = scenes.first() else { return Err(PoseError::NoImages) };
        let (starts, part) = match usual_part(scenes) {
            Some((part, starts)) => (starts, Some(part)),
            None => {
                let every = scenes.len().div_ceil(STARTS);
                ((0..scenes.len()).step_by(every.max(1)).collect(), None)
            }
        };
        let frame = match &part {
            // Parts are turned before their box is known.
            Some(part) => Frame::new([(1.0 + 4.0 * MARGIN) * part.radius; 2]),
            None => Frame::new(first.extent().map(|side| side / 2.0)),
        };
        let facts = |start: &Scene| TemplateFacts {
            motion,
            frame,
            part,
            likeness: 0.0,
            usual: start.guess(),
            // Until it is known, the angle of the first.
            one_angle: true,
        };
        let every = scenes.len().div_ceil(JUDGES).max(1);
        let judged = |&start: &usize| {
            let start = &scenes[start];
            let template = Self::new(facts(start), frame.normalized(start, &start.guess()));
            let judges = scenes.par_iter().step_by(every);
            let sum: f64 = judges.map(|scene| template.find(scene).1).sum();
            (template, sum)
        };
        let judged = starts.iter().take(STARTS).map(judged);
        let best = judged.reduce(|best, next| if next.1 > best.1 { next } else { best });
        let Some((mut template, _)) = best else { return Err(PoseError::NoImages) };
        for _ in 0..ROUNDS {
            let poses = template.poses(scenes);
            template = template.of_mean(scenes, &poses);
        }
        let mut poses = template.poses(scenes);
        let inner = match part {
            Some(_) => template.inner_box(scenes, &poses),
            None => Some((template.middle(scenes, &poses), frame.half)),
        };
        if let Some((inner, half)) = inner {
            poses.iter_mut().for_each(|pose| *pose = pose.of_inner(&inner));
            template.facts.frame = Frame::new(half);
            template.facts.usual = template.facts.usual.of_inner(&inner);
            if let Some(part) = &mut template.facts.part {
                part.center = center_of_mass(scenes, &poses);
            }
            template = template.of_mean(scenes, &poses);
        }
        Ok(template.settled(scenes))
    }

    /// How each image lies.
    fn poses(&self, scenes: &[Scene]) -> Vec<Pose> {
        scenes.par_iter().map(|scene| self.find(scene).0).collect()
    }

    /// The mean of the images as they lie.
    fn of_mean(&self, scenes: &[Scene], poses: &[Pose]) -> Self {
        let frame = self.facts.frame;
        let grids: Vec<Grid> = scenes
            .par_iter()
            .zip(poses)
            .map(|(scene, pose)| frame.normalized(scene, pose))
            .collect();
        let mut sums = vec![[0f32; CHANNELS]; frame.len()];
        for grid in grids {
            for (sum, value) in sums.iter_mut().zip(grid.values) {
                (0..CHANNELS).for_each(|c| sum[c] += value[c]);
            }
        }
        let sums: Vec<_> = sums.into_iter().map(Some).collect();
        let [width, height] = frame.pixels;
        Self::new(self.facts.clone(), Grid { width, height, values: normalized(&sums) })
    }

    /// With what good images have in common.
    fn settled(mut self, scenes: &[Scene]) -> Self {
        let found: Vec<(Pose, f64)> = scenes.par_iter().map(|scene| self.find(scene)).collect();
        self.facts.likeness = median(found.iter().map(|found| found.1).collect());
        let poses: Vec<Pose> = found.into_iter().map(|found| found.0).collect();
        let (usual, length) = mean_pose(&poses);
        self.facts.usual = usual;
        self.facts.one_angle = !self.facts.motion.turns() || length > ONE_ANGLE;
        self
    }

    /// The smallest square around the part with its margin: how it lies in this template, and half of its side.
    fn inner_box(&self, scenes: &[Scene], poses: &[Pose]) -> Option<(Pose, [f64; 2])> {
        let frame = self.facts.frame;
        let mut likeness = vec![0f32; frame.len()];
        for (scene, pose) in scenes.iter().zip(poses) {
            for (sum, value) in likeness.iter_mut().zip(frame.sample(scene, pose)) {
                *sum += value.map_or(0.0, |value| value[CHANNELS - 1]);
            }
        }
        let most = likeness.iter().copied().fold(0.0, f32::max);
        let inside: Vec<[f64; 2]> = frame
            .places()
            .zip(&likeness)
            .filter(|&(_, &value)| value >= IN_BOX * most && value > 0.0)
            .map(|(place, _)| place)
            .collect();
        let turns = if self.facts.motion.turns() { 0..90 } else { 0..1 };
        let boxed = |degrees: i32| {
            let angle = f64::from(degrees).to_radians();
            let (sin, cos) = angle.sin_cos();
            let mut sides = [[f64::INFINITY, f64::NEG_INFINITY]; 2];
            for [x, y] in &inside {
                let turned = [cos * x + sin * y, cos * y - sin * x];
                for ([low, high], value) in sides.iter_mut().zip(turned) {
                    (*low, *high) = (low.min(value), high.max(value));
                }
            }
            let [u, v] = sides.map(|[low, high]| (low + high) / 2.0);
            let side = sides.map(|[low, high]| high - low).into_iter().fold(0.0, f64::max);
            let center = [cos * u - sin * v, sin * u + cos * v];
            (Pose { center, angle, scale: 1.0 }, side)
        };
        let best = turns.map(boxed).min_by(|a, b| a.1.total_cmp(&b.1));
        let (pose, side) = best.filter(|(_, side)| side.is_finite() && *side > 0.0)?;
        // A pixel's centre is half a pixel from its side.
        let half = (side + frame.pixel()[0]) * (0.5 + MARGIN);
        Some((pose, [half; 2]))
    }

    /// The middle of how the images lie, in this template.
    fn middle(&self, scenes: &[Scene], poses: &[Pose]) -> Pose {
        let (mean, _) = mean_pose(poses);
        let center = scenes.first().map_or(mean.center, |scene| scene.guess().center);
        let (sin, cos) = (-mean.angle).sin_cos();
        let [x, y] = [0, 1].map(|i| (center[i] - mean.center[i]) / mean.scale);
        Pose {
            center: [cos * x - sin * y, sin * x + cos * y],
            angle: -mean.angle,
            scale: 1.0 / mean.scale,
        }
    }
}

impl Scene {
    /// The middle of what stands out, or of the image.
    fn guess(&self) -> Pose {
        let center = match &self.foreground {
            Some(found) => found.center.map(|value| value / self.unit()),
            None => self.extent().map(|side| side / 2.0),
        };
        Pose { center, angle: 0.0, scale: 1.0 }
    }
}

/// The part, if nearly all images show one of about one size, and the images that show it as most do.
fn usual_part(scenes: &[Scene]) -> Option<(Part, Vec<usize>)> {
    let found: Vec<(usize, &Foreground, f64)> = scenes
        .iter()
        .enumerate()
        .filter_map(|(index, scene)| Some((index, scene.foreground.as_ref()?, scene.unit())))
        .collect();
    let share = |count: usize| count as f64 / scenes.len() as f64;
    let touching = found.iter().filter(|(_, found, _)| found.touches).count();
    if share(found.len()) < MOST || share(touching) > 1.0 - MOST {
        return None;
    }
    let sides = || found.iter().map(|(_, found, unit)| found.area.sqrt() / unit);
    let mut sorted: Vec<f64> = sides().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
    let side = at(0.5);
    if at(0.9) - at(0.1) > SPREAD * side {
        return None;
    }
    let several = |(_, found, unit): &&(usize, &Foreground, f64)| {
        found.second / (unit * unit) > 0.5 * side * side
    };
    let part = Part {
        center: [0.0; 2],
        radius: median(found.iter().map(|(_, found, unit)| found.radius / unit).collect()),
        area: side * side,
        touches: false,
        several: share(found.iter().filter(several).count()) > 1.0 - MOST,
    };
    let mut usual: Vec<(usize, f64)> =
        found.iter().map(|(index, ..)| *index).zip(sides().map(|own| (own - side).abs())).collect();
    usual.sort_by(|a, b| a.1.total_cmp(&b.1));
    Some((part, usual.into_iter().map(|(index, _)| index).collect()))
}

/// The centre of mass of what stands out, in the template.
fn center_of_mass(scenes: &[Scene], poses: &[Pose]) -> [f64; 2] {
    let centers = scenes.iter().zip(poses).filter_map(|(scene, pose)| {
        let center = scene.foreground.as_ref()?.center.map(|value| value / scene.unit());
        Some(pose.affine().inverse()?.apply(center))
    });
    let centers: Vec<[f64; 2]> = centers.collect();
    [0, 1].map(|i| median(centers.iter().map(|center| center[i]).collect()))
}

/// The mean pose, and how long the mean of the directions is: 1 where all are the same.
fn mean_pose(poses: &[Pose]) -> (Pose, f64) {
    let count = poses.len().max(1) as f64;
    let mean = |value: fn(&Pose) -> f64| poses.iter().map(value).sum::<f64>() / count;
    let (sin, cos) = (mean(|pose| pose.angle.sin()), mean(|pose| pose.angle.cos()));
    let pose = Pose {
        center: [mean(|pose| pose.center[0]), mean(|pose| pose.center[1])],
        angle: sin.atan2(cos),
        scale: mean(|pose| pose.scale),
    };
    (pose, sin.hypot(cos))
}

/// 0 of no values.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
