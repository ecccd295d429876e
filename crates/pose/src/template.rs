//! A template, and how it is found in an image.

use std::ops::RangeInclusive;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::affine::Affine;
use crate::error::PoseError;
use crate::frame::Frame;
use crate::grid::{CHANNELS, Grid};
use crate::location::{Location, Problem, Tolerance};
use crate::polar::Polar;
use crate::pose::{Motion, Pose, wrapped};
use crate::refine::Refiner;
use crate::scene::Scene;
use crate::spectrum::Spectrum;

/// Turns that are tried, the likeliest ones.
const TURNS: usize = 6;
/// Poses of these that are compared on all pixels, the likeliest ones.
const FINALISTS: usize = 3;
/// The steps of all guesses on half the resolution, of the finalists, and of the best of them.
const STEPS: [usize; 3] = [4, 2, 10];
/// Of poses about as good, the one nearest the usual angle is meant: half a turn from it costs this much correlation. So parts
/// that look alike at several angles, and lie at one, are found there.
const TIE: f64 = 0.02;
/// The most that an image is shifted against another, in shares of its sides, where it is no part on a ground.
const FARTHEST: f64 = 0.15;
/// The least of the usual correlation that a part has.
const FLOOR: f64 = 0.5;
/// The least and the most of the usual area.
const AREA: RangeInclusive<f64> = 0.35..=2.5;
/// A second piece of this share of the usual area is a second part.
const SECOND: f64 = 0.5;

/// The mean of good images that are laid over each other, by which others are located.
#[derive(Clone, Debug)]
pub struct Template {
    pub(crate) facts: TemplateFacts,
    grid: Grid,
    coarse: Refiner,
    fine: Refiner,
    search: Search,
}

/// What a file holds of a template, besides its values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateFacts {
    pub(crate) motion: Motion,
    pub(crate) frame: Frame,
    /// Of a part that stands out of the ground; `None` where the whole image is laid over others.
    pub(crate) part: Option<Part>,
    /// The usual correlation of a good image.
    pub(crate) likeness: f64,
    /// The mean pose of good images.
    pub(crate) usual: Pose,
    /// Whether good images lie at about one angle, so that the mean pose has one.
    pub(crate) one_angle: bool,
}

/// A part that stands out of the ground. Lengths are in shares of the image's longer side.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    /// Its centre of mass in the template, from its middle.
    pub(crate) center: [f64; 2],
    pub(crate) radius: f64,
    pub(crate) area: f64,
    /// Whether good ones reach the border of the image.
    pub(crate) touches: bool,
    /// Whether there are several in good images.
    pub(crate) several: bool,
}

/// How first guesses are made.
#[derive(Clone, Debug)]
enum Search {
    Part(Part, Polar),
    Whole(Spectrum),
}

impl Template {
    pub(crate) fn new(facts: TemplateFacts, grid: Grid) -> Self {
        let TemplateFacts { motion, frame, part, .. } = facts;
        let search = match part {
            Some(part) => {
                Search::Part(part, Polar::new(|place| grid_at(&grid, &frame, &part, place)))
            }
            None => Search::Whole(Spectrum::new(&grid)),
        };
        let half = Frame { pixels: frame.pixels.map(|side| side.div_ceil(2)), ..frame };
        let coarse = Refiner::new(half, &resampled(&grid, &half), motion);
        let fine = Refiner::new(frame, &grid, motion);
        Self { facts, grid, coarse, fine, search }
    }

    /// A template of a file.
    ///
    /// # Errors
    /// [`PoseError::Values`] or [`PoseError::Facts`].
    pub fn from_parts(facts: TemplateFacts, values: &[f32]) -> Result<Self, PoseError> {
        facts.check()?;
        let [width, height] = facts.frame.pixels;
        let finite = values.iter().filter(|value| value.is_finite()).count();
        let expected = facts.values();
        if values.len() != expected || finite != expected {
            return Err(PoseError::Values { expected, found: finite });
        }
        let (values, _) = values.as_chunks::<CHANNELS>();
        Ok(Self::new(facts, Grid { width, height, values: values.to_vec() }))
    }

    /// What a file holds of it: [`TemplateFacts::values`] values, which are brightness, edges and foreground of each pixel,
    /// row by row.
    pub fn parts(&self) -> (&TemplateFacts, Vec<f32>) {
        (&self.facts, self.grid.values.concat())
    }

    /// How alike good images are to it: their usual correlation, 1 for the same.
    pub fn likeness(&self) -> f64 {
        self.facts.likeness
    }

    /// How far the template moves between images: by how much, in shares of their longer side, its corners are away from
    /// where they are on average, in nine of ten images at most.
    pub fn spread(&self, scenes: &[Scene]) -> f64 {
        let usual = self.facts.usual.affine();
        let [u, v] = self.facts.frame.half;
        let away = |scene: &Scene| {
            let pose = self.find(scene).0.affine();
            let corner = |corner: [f64; 2]| {
                let ([x, y], [s, t]) = (pose.apply(corner), usual.apply(corner));
                (x - s).hypot(y - t)
            };
            [[-u, -v], [u, -v], [u, v], [-u, v]].map(corner).into_iter().fold(0.0, f64::max)
        };
        let mut all: Vec<f64> = scenes.par_iter().map(away).collect();
        all.sort_unstable_by(f64::total_cmp);
        all.get(all.len() * 9 / 10).or(all.last()).copied().unwrap_or(0.0)
    }

    /// How good parts differ.
    pub fn motion(&self) -> Motion {
        self.facts.motion
    }

    /// Whether the template is of a part that stands out of the ground, and not of the whole image.
    pub fn is_part(&self) -> bool {
        self.facts.part.is_some()
    }

    /// The sides of the rectangle that it covers, in shares of an image's longer side.
    pub fn sides(&self) -> [f64; 2] {
        self.facts.frame.half.map(|half| 2.0 * half)
    }

    /// From places in the template, where (0, 0) is its upper left corner and (1, 1) the lower right one, to those in an
    /// image of that width and height in pixels, where it lies by `pose`.
    pub fn to_image(&self, pose: &Pose, [width, height]: [u32; 2]) -> Affine {
        let half = self.facts.frame.half;
        let unit = f64::from(width.max(height));
        Affine::along_axes(half.map(|half| 2.0 * half), half.map(|half| -half))
            .then(&pose.affine())
            .then(&Affine::along_axes([unit; 2], [0.0; 2]))
    }

    /// Finds the part in an image.
    pub fn locate(&self, scene: &Scene) -> Location {
        let (pose, confidence) = self.find(scene);
        Location { pose, confidence, problem: self.problem(scene, confidence) }
    }

    /// The turn of a pose from the mean of good parts in degrees, where these lie at about one angle, and its distance from
    /// their mean place in shares of the image's longer side.
    pub fn deviation(&self, pose: &Pose) -> (Option<f64>, f64) {
        let TemplateFacts { usual, one_angle, .. } = &self.facts;
        let turn = wrapped(pose.angle - usual.angle).to_degrees();
        let [x, y] = [0, 1].map(|i| pose.center[i] - usual.center[i]);
        (one_angle.then_some(turn), x.hypot(y))
    }

    /// What lies farther off than is allowed.
    pub fn beyond(&self, tolerance: &Tolerance, pose: &Pose) -> Option<Problem> {
        let (turn, shift) = self.deviation(pose);
        let angle = turn.zip(tolerance.angle).filter(|(found, allowed)| found.abs() > *allowed);
        let shift = tolerance.shift.map(|allowed| (shift, allowed));
        let shift = shift.filter(|(found, allowed)| found > allowed);
        angle
            .map(|(found, allowed)| Problem::Angle { found, allowed })
            .or(shift.map(|(found, allowed)| Problem::Shift { found, allowed }))
    }

    /// Whether good parts lie at about one angle, so that a tolerance can be of it.
    pub fn has_one_angle(&self) -> bool {
        self.facts.one_angle
    }

    fn problem(&self, scene: &Scene, confidence: f64) -> Option<Problem> {
        let not_found = confidence < FLOOR * self.facts.likeness;
        let Some(part) = &self.facts.part else {
            return not_found.then_some(Problem::NotFound);
        };
        let Some(found) = &scene.foreground else { return Some(Problem::NotFound) };
        let share = scene.unit() * scene.unit();
        let area = found.area / share / part.area;
        match () {
            () if found.second / share > SECOND * part.area && !part.several => {
                Some(Problem::Several)
            }
            () if found.touches && !part.touches => Some(Problem::TouchesBorder),
            () if not_found || !AREA.contains(&area) => Some(Problem::NotFound),
            () => None,
        }
    }

    /// The pose at which the image is most like the template, and how alike both are.
    pub(crate) fn find(&self, scene: &Scene) -> (Pose, f64) {
        let starts = self.starts(scene).into_iter();
        let mut found: Vec<(Pose, f64)> =
            starts.map(|start| self.coarse.refine(scene, start, STEPS[0])).collect();
        let worth = |(pose, likeness): &(Pose, f64)| {
            likeness - TIE * self.deviation(pose).0.map_or(0.0, f64::abs) / 180.0
        };
        found.sort_by(|a, b| worth(b).total_cmp(&worth(a)));
        found.truncate(FINALISTS);
        for (pose, likeness) in &mut found {
            (*pose, *likeness) = self.fine.refine(scene, *pose, STEPS[1]);
        }
        match found.into_iter().max_by(|a, b| worth(a).total_cmp(&worth(b))) {
            Some((pose, _)) => self.fine.refine(scene, pose, STEPS[2]),
            None => (self.facts.usual, 0.0),
        }
    }

    /// First guesses of how the part lies.
    fn starts(&self, scene: &Scene) -> Vec<Pose> {
        let TemplateFacts { motion, frame, .. } = self.facts;
        match &self.search {
            Search::Part(part, polar) => {
                let Some(found) = &scene.foreground else {
                    return vec![Pose {
                        center: scene.extent().map(|side| side / 2.0),
                        ..self.facts.usual
                    }];
                };
                let unit = scene.unit();
                let scale = match motion.scales() {
                    true => (found.area / (unit * unit) / part.area).sqrt(),
                    false => 1.0,
                };
                let center = found.center.map(|value| value / unit);
                let turns = match motion.turns() {
                    true => {
                        let pose = Pose { center, angle: 0.0, scale };
                        let to_scene = pose.affine().then(&Affine::along_axes([unit; 2], [0.0; 2]));
                        let at = |place: [f64; 2]| {
                            scene.signals.at(to_scene.apply(place.map(|value| value * part.radius)))
                        };
                        let mut turns = polar.turns_to(&Polar::new(at), TURNS);
                        turns.extend(self.facts.one_angle.then_some(self.facts.usual.angle));
                        turns
                    }
                    false => vec![0.0],
                };
                let pose = |angle: f64| {
                    // The centre of mass of the template comes to lie on that of the image.
                    let turned =
                        Pose { center: [0.0; 2], angle, scale }.affine().apply(part.center);
                    let center = [center[0] - turned[0], center[1] - turned[1]];
                    Pose { center, angle: wrapped(angle), scale }
                };
                turns.into_iter().map(pose).collect()
            }
            Search::Whole(spectrum) => {
                let middle = scene.extent().map(|side| side / 2.0);
                let straight = Pose { center: middle, angle: 0.0, scale: 1.0 };
                let of = |pose: &Pose| Spectrum::new(&frame.normalized(scene, pose));
                let shifted = |pose: Pose| {
                    let [x, y] = spectrum.shift_to(&of(&pose), FARTHEST);
                    let [width, height] = frame.pixel();
                    pose.of_inner(&Pose { center: [x * width, y * height], angle: 0.0, scale: 1.0 })
                };
                let mut starts = vec![straight, shifted(straight)];
                if motion.turns() {
                    let angle = spectrum.turn_to(&of(&straight));
                    starts.push(shifted(Pose { angle, ..straight }));
                }
                starts
            }
        }
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.facts == other.facts && self.grid == other.grid
    }
}

impl TemplateFacts {
    /// The number of values of a template.
    pub fn values(&self) -> usize {
        self.frame.len() * CHANNELS
    }

    /// Checks what a file may have wrong.
    fn check(&self) -> Result<(), PoseError> {
        let Self { motion: _, frame, part, likeness, usual, one_angle: _ } = self;
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let part_is_right = |part: &Part| {
            positive(part.radius)
                && positive(part.area)
                && part.center.iter().all(|c| c.is_finite())
        };
        let usual_is_right = positive(usual.scale)
            && usual.center.iter().chain([&usual.angle]).all(|value| value.is_finite());
        if !frame.half.iter().all(|&half| positive(half)) {
            Err(PoseError::Facts("expected a template with sides above 0"))
        } else if frame.pixels != Frame::new(frame.half).pixels {
            Err(PoseError::Facts("expected a template with pixels by its sides"))
        } else if !part.as_ref().is_none_or(part_is_right) {
            Err(PoseError::Facts("expected a part with an area and a radius above 0"))
        } else if !(likeness.is_finite() && usual_is_right) {
            Err(PoseError::Facts("expected a finite correlation and a finite pose"))
        } else {
            Ok(())
        }
    }
}

/// The signals of a template at a place around the part's centre of mass, its radius being 1.
fn grid_at(grid: &Grid, frame: &Frame, part: &Part, place: [f64; 2]) -> Option<[f32; CHANNELS]> {
    let pixel = frame.pixel();
    let at = |i: usize| (part.center[i] + place[i] * part.radius + frame.half[i]) / pixel[i];
    grid.at([at(0), at(1)])
}

/// A template on fewer pixels, of norm 1 again.
fn resampled(grid: &Grid, frame: &Frame) -> Grid {
    let [width, height] = frame.pixels;
    let (across, down) = (grid.width as f64 / width as f64, grid.height as f64 / height as f64);
    let at = |i: usize| {
        grid.at([((i % width) as f64 + 0.5) * across, ((i / width) as f64 + 0.5) * down])
    };
    let sampled: Vec<_> = (0..width * height).map(at).collect();
    Grid { width, height, values: crate::frame::normalized(&sampled) }
}
