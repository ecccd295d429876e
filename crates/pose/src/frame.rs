//! The part of the plane that a template covers, and its pixels.

use serde::{Deserialize, Serialize};

use crate::affine::Affine;
use crate::grid::{CHANNELS, Grid};
use crate::pose::Pose;
use crate::scene::Scene;

/// Pixels of the longer side of a template.
const SIDE: usize = 80;

/// A rectangle around the middle of a template.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Frame {
    /// From the middle to the sides, in shares of an image's longer side.
    pub(crate) half: [f64; 2],
    /// Columns and rows.
    pub(crate) pixels: [usize; 2],
}

impl Frame {
    pub(crate) fn new(half: [f64; 2]) -> Self {
        let longer = half[0].max(half[1]).max(f64::MIN_POSITIVE);
        let pixels =
            half.map(|half| ((SIDE as f64 * half / longer).round() as usize).clamp(8, SIDE));
        Self { half, pixels }
    }

    /// The number of pixels.
    pub(crate) fn len(&self) -> usize {
        self.pixels[0] * self.pixels[1]
    }

    /// The sides of a pixel in shares.
    pub(crate) fn pixel(&self) -> [f64; 2] {
        std::array::from_fn(|i| 2.0 * self.half[i] / self.pixels[i] as f64)
    }

    /// Where the center of each pixel lies from the middle, row by row, in shares.
    pub(crate) fn places(&self) -> impl Iterator<Item = [f64; 2]> {
        let Self { half, pixels: [columns, rows] } = *self;
        let [width, height] = self.pixel();
        let row = move |row: usize| (0..columns).map(move |column| (column, row));
        (0..rows).flat_map(row).map(move |(column, row)| {
            [(column as f64 + 0.5) * width - half[0], (row as f64 + 0.5) * height - half[1]]
        })
    }

    /// What a scene shows at each pixel where the template lies in it by `pose`; `None` outside of the scene.
    pub(crate) fn sample(&self, scene: &Scene, pose: &Pose) -> Vec<Option<[f32; CHANNELS]>> {
        let to_scene = pose.affine().then(&Affine::along_axes([scene.unit(); 2], [0.0; 2]));
        self.places().map(|place| scene.signals.at(to_scene.apply(place))).collect()
    }

    /// The same as signals of mean 0 and norm 1, which are 0 outside.
    pub(crate) fn normalized(&self, scene: &Scene, pose: &Pose) -> Grid {
        let sampled = self.sample(scene, pose);
        let [width, height] = self.pixels;
        Grid { width, height, values: normalized(&sampled) }
    }
}

/// Signals of mean 0 whose squares add up to 1, channel by channel; those that never vary are 0, and so are all where
/// there are none.
pub(crate) fn normalized(sampled: &[Option<[f32; CHANNELS]>]) -> Vec<[f32; CHANNELS]> {
    let count = sampled.iter().flatten().count().max(1) as f32;
    let mut sums = [0.0; CHANNELS];
    let mut squares = [0.0; CHANNELS];
    for value in sampled.iter().flatten() {
        for (c, &value) in value.iter().enumerate() {
            sums[c] += value;
            squares[c] += value * value;
        }
    }
    let means = sums.map(|sum| sum / count);
    let scales: [f32; CHANNELS] = std::array::from_fn(|c| {
        let rest = squares[c] - count * means[c] * means[c];
        if rest > 1e-6 * squares[c].max(1e-6) { 1.0 / rest.sqrt() } else { 0.0 }
    });
    let value = |value: &Option<[f32; CHANNELS]>| match value {
        Some(value) => std::array::from_fn(|c| (value[c] - means[c]) * scales[c]),
        None => [0.0; CHANNELS],
    };
    sampled.iter().map(value).collect()
}
