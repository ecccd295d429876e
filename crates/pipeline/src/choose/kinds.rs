//! How many kinds of parts the images show, and which image is of which.
//!
//! Images are grouped by their features, averaged over all positions, by the method of Ward (1963). How well they fall into
//! groups is told by the silhouettes of Rousseeuw (1987).

use std::fmt;

use burn::tensor::Tensor;
use image::{Rgb, RgbImage};
use imageproc::geometric_transformations::{Border, Interpolation, rotate_about_center};
use kodama::{Method, linkage};
use nfbmr_backend::Backend;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::config::Kinds;
use crate::error::{Phase, PipelineError, TrainingError};
use crate::features::{Cnn, FeatureExtractor, Samples, mean};
use crate::input::{Augmentation, Images, Input, TrainingImage, to_tensor};
use crate::progress::{ProgressFn, Reporter};

/// The most kinds that are tried.
const MOST: usize = 12;
/// The fewest images of a kind that is found.
const FEWEST: usize = 6;
/// The fewest images of a kind whose number is given.
const FEWEST_GIVEN: usize = 2;
/// How many groups more are cut to find as many that are large enough.
const MORE_CUTS: usize = 32;
/// Images that are grouped with each other; more join the group of the nearest mean.
const GROUPED: usize = 1000;
/// The mean silhouette of groups that are there (Kaufman and Rousseeuw, 1990).
const REASONABLE: f64 = 0.5;
/// That of groups that are looked at in all directions.
const WEAK: f64 = 0.4;
/// Directions that a turned part is seen in: all that a part of 2, 3, 4, 6 or 12 like directions can lie in.
const DIRECTIONS: usize = 12;

/// Which kinds training found or, where their number is given, made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct KindsChoice {
    /// Training images of each kind, the most first.
    pub images: Vec<usize>,
    /// Why so many.
    pub reason: KindsReason,
    /// What was tried.
    pub tried: Vec<KindsTrial>,
}

/// Why there are so many kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KindsReason {
    /// The configuration says so.
    Given,
    /// Tiles see no whole part.
    Tiles,
    /// There are too few images for two kinds.
    TooFewImages,
    /// Images fall into so many groups, or into none.
    Groups,
}

/// How well images fall into so many groups.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct KindsTrial {
    /// The number.
    pub kinds: usize,
    /// The mean silhouette of the images, -1 to 1.
    pub silhouette: f64,
}

impl fmt::Display for KindsChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { images, reason, tried } = self;
        write!(f, "{}", images.len())?;
        if images.len() > 1 {
            let images: Vec<String> = images.iter().map(usize::to_string).collect();
            write!(f, " of {} images", images.join(", "))?;
        }
        match reason {
            KindsReason::Given => f.write_str(", as configured"),
            KindsReason::Tiles => f.write_str(", as tiles see no whole part"),
            KindsReason::TooFewImages => {
                write!(f, ", as there are fewer than {} images", 2 * FEWEST)
            }
            KindsReason::Groups => {
                f.write_str(", by silhouettes:")?;
                for (index, KindsTrial { kinds, silhouette }) in tried.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(f, "{comma} {silhouette:.2} ({kinds})")?;
                }
                Ok(())
            }
        }
    }
}

/// What the images are looked at by.
pub(crate) struct Looked<'a, B: Backend> {
    pub(crate) source: &'a Cnn<B>,
    pub(crate) input: &'a Input,
    /// Features of the coarsest level, of all samples.
    pub(crate) features: &'a dyn Samples<B>,
    pub(crate) device: &'a B::Device,
}

/// The kind of each sample, and why there are so many kinds. Where parts were turned, and where groups are weak, `images`
/// are seen in all directions once more: kinds that are the same in another direction are one.
///
/// # Errors
/// [`TrainingError::Kinds`] where the images can't be so many kinds as are given, what reading features or images fails with,
/// and the caller's interruption.
pub(crate) fn choose_kinds<B: Backend>(
    kinds: Kinds,
    looked: &Looked<'_, B>,
    images: Images<'_>,
    progress: &mut ProgressFn<'_>,
) -> Result<(Vec<usize>, KindsChoice), PipelineError> {
    let (count_of, turns) = (looked.images(), looked.input.alignment.motion.turns());
    let turned = || looked.turned_means(images, progress);
    let mut tried = Vec::new();
    let (of, reason) = match kinds {
        Kinds::Number(1) => (None, KindsReason::Given),
        Kinds::Number(number) => {
            let groups = Groups::new(if turns { turned()? } else { looked.means()? });
            let cuts = number..=count_of.min(number + MORE_CUTS);
            let mut cuts = cuts.map(|cut| groups.cut(cut, FEWEST_GIVEN));
            let found = cuts.find(|of| count(of) == number);
            let (images, fewest) = (count_of, FEWEST_GIVEN);
            let none = || TrainingError::Kinds { kinds: number, images, fewest };
            (Some(found.ok_or_else(none)?), KindsReason::Given)
        }
        Kinds::Auto if looked.input.tiles.is_some() => (None, KindsReason::Tiles),
        Kinds::Auto if count_of < 2 * FEWEST => (None, KindsReason::TooFewImages),
        Kinds::Auto => {
            let mut found = Groups::new(looked.means()?).best();
            if found.silhouette >= WEAK && (turns || found.silhouette < REASONABLE) {
                found = Groups::new(turned()?).best();
            }
            tried = found.tried;
            (Some(found.of).filter(|_| found.silhouette >= REASONABLE), KindsReason::Groups)
        }
    };
    let of = of.unwrap_or_else(|| vec![0; count_of]);
    let choice = KindsChoice { images: sizes(&of), reason, tried };
    let samples = looked.input.samples();
    let by_sample = of.into_iter().flat_map(|kind| std::iter::repeat_n(kind, samples));
    Ok((by_sample.collect(), choice))
}

impl<B: Backend> Looked<'_, B> {
    fn images(&self) -> usize {
        self.features.len() / self.input.samples().max(1)
    }

    /// The features of each image, averaged over its positions and copies.
    fn means(&self) -> Result<Vec<Vec<f32>>, PipelineError> {
        let samples = self.input.samples();
        let image = |first: usize| {
            let own = (first * samples..(first + 1) * samples).map(|at| self.features.get(at));
            Ok(mean(Tensor::cat(own.collect::<Result<_, PipelineError>>()?, 0)))
        };
        (0..self.images()).into_par_iter().map(image).collect()
    }

    /// The features of each image, averaged over its positions and over directions.
    fn turned_means(
        &self,
        images: Images<'_>,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Vec<Vec<f32>>, PipelineError> {
        let input = Input { augmentation: Augmentation::Off, ..self.input.clone() };
        let fill = Border::Constant(Rgb(input.fill));
        let of_direction = |image: &RgbImage, direction: usize| {
            let angle = std::f32::consts::TAU * direction as f32 / DIRECTIONS as f32;
            let turned = rotate_about_center(image, angle, Interpolation::Bilinear, fill);
            let levels = self.source.extract(to_tensor(&[turned], self.device))?;
            Ok::<_, PipelineError>(levels.into_iter().next_back().map(mean).unwrap_or_default())
        };
        let of_image = |image: &TrainingImage| {
            let mut sum: Vec<f32> = Vec::new();
            for image in &image.copies {
                for direction in 0..DIRECTIONS {
                    let own = of_direction(image, direction)?;
                    sum.resize(own.len(), 0.0);
                    sum.iter_mut().zip(own).for_each(|(sum, own)| *sum += own / DIRECTIONS as f32);
                }
            }
            Ok(sum)
        };
        let mut reporter = Reporter::new(Phase::Choices, 1, images.len(), progress);
        let mut means = Vec::with_capacity(images.len());
        images.try_for_chunks(&input, |chunk, _, seen| {
            let chunk = chunk.par_iter().map(of_image);
            means.extend(chunk.collect::<Result<Vec<_>, PipelineError>>()?);
            reporter.advance(seen)
        })?;
        Ok(means)
    }
}

/// The groups of images.
struct Grouped {
    of: Vec<usize>,
    silhouette: f64,
    tried: Vec<KindsTrial>,
}

/// How images are grouped, from each by itself to all in one group.
struct Groups {
    means: Vec<Vec<f32>>,
    /// The images that are grouped with each other.
    grouped: Vec<usize>,
    /// The two groups that each step joins; of n images, group n + i comes of step i.
    steps: Vec<[usize; 2]>,
}

impl Groups {
    fn new(means: Vec<Vec<f32>>) -> Self {
        let every = means.len().div_ceil(GROUPED).max(1);
        let grouped: Vec<usize> = (0..means.len()).step_by(every).collect();
        let row = |(place, image): (usize, &usize)| -> Vec<f32> {
            let others = grouped.get(place + 1..).unwrap_or_default();
            others.iter().map(|other| between(&means, *image, *other)).collect()
        };
        let rows: Vec<Vec<f32>> = grouped.par_iter().enumerate().map(row).collect();
        let tree = linkage(&mut rows.concat(), grouped.len(), Method::Ward);
        let steps = tree.steps().iter().map(|step| [step.cluster1, step.cluster2]).collect();
        Self { means, grouped, steps }
    }

    /// The group of each image, the largest first, if all are in so many, those of fewer images than `fewest` joined with
    /// the nearest.
    fn cut(&self, groups: usize, fewest: usize) -> Vec<usize> {
        let images = self.grouped.len();
        let mut parents: Vec<usize> = (0..images + self.steps.len()).collect();
        let joined = images.saturating_sub(groups.max(1));
        for (step, own) in self.steps.iter().take(joined).enumerate() {
            for &group in own {
                if let Some(parent) = parents.get_mut(group) {
                    *parent = images + step;
                }
            }
        }
        let root = |mut group: usize| {
            while let Some(parent) = parents.get(group).copied().filter(|parent| *parent != group) {
                group = parent;
            }
            group
        };
        let mut members: Vec<(usize, Vec<usize>)> = Vec::new();
        for (place, &image) in self.grouped.iter().enumerate() {
            let root = root(place);
            match members.iter_mut().find(|(known, _)| *known == root) {
                Some((_, own)) => own.push(image),
                None => members.push((root, vec![image])),
            }
        }
        let mut members: Vec<Vec<usize>> = members.into_iter().map(|(_, own)| own).collect();
        members.sort_by_key(|own| std::cmp::Reverse(own.len()));
        let large = members.iter().take_while(|own| own.len() >= fewest).count().max(1);
        members.truncate(large);
        let centers: Vec<Vec<f32>> = members.iter().map(|own| self.center(own)).collect();
        let mut of: Vec<usize> = self.means.iter().map(|own| nearest(&centers, own)).collect();
        for (group, own) in members.iter().enumerate() {
            for &image in own {
                if let Some(of) = of.get_mut(image) {
                    *of = group;
                }
            }
        }
        // Some may have grown.
        let sizes = sizes(&of);
        let mut order: Vec<usize> = (0..sizes.len()).collect();
        order.sort_by_key(|&group| std::cmp::Reverse(sizes.get(group)));
        let place = |group| order.iter().position(|&own| own == group).unwrap_or_default();
        of.into_iter().map(place).collect()
    }

    /// The groups of the highest silhouette, of all numbers of groups that are tried.
    fn best(&self) -> Grouped {
        let mut best =
            Grouped { of: vec![0; self.means.len()], silhouette: -1.0, tried: Vec::new() };
        for cut in 2..=MOST {
            let of = self.cut(cut, FEWEST);
            let kinds = count(&of);
            if kinds < 2 || best.tried.iter().any(|known| known.kinds == kinds) {
                continue;
            }
            let silhouette = self.silhouette(&of);
            best.tried.push(KindsTrial { kinds, silhouette });
            if silhouette > best.silhouette {
                (best.of, best.silhouette) = (of, silhouette);
            }
        }
        best
    }

    /// The mean silhouette of the images that are grouped with each other: (b − a) / max(a, b) of an image that lies a from
    /// those of its group on average, and b from those of the nearest other group.
    fn silhouette(&self, of: &[usize]) -> f64 {
        let kinds = count(of);
        let kind = |image: usize| of.get(image).copied().unwrap_or_default();
        let silhouette = |&image: &usize| {
            let (mut sums, mut counts) = (vec![0.0; kinds], vec![0.0; kinds]);
            for &other in self.grouped.iter().filter(|&&other| other != image) {
                let places = sums.get_mut(kind(other)).zip(counts.get_mut(kind(other)));
                if let Some((sum, count)) = places {
                    *sum += f64::from(between(&self.means, image, other));
                    *count += 1.0;
                }
            }
            let distance = |(sum, count): (f64, f64)| if count > 0.0 { sum / count } else { 0.0 };
            let distances: Vec<f64> = sums.into_iter().zip(counts).map(distance).collect();
            let own = distances.get(kind(image)).copied().unwrap_or_default();
            let others = distances.iter().enumerate().filter(|(other, _)| *other != kind(image));
            let nearest = others.map(|(_, distance)| *distance).fold(f64::INFINITY, f64::min);
            (nearest - own) / nearest.max(own).max(f64::MIN_POSITIVE)
        };
        average(&self.grouped.par_iter().map(silhouette).collect::<Vec<f64>>())
    }

    fn center(&self, images: &[usize]) -> Vec<f32> {
        let mut sum: Vec<f32> = Vec::new();
        for own in images.iter().filter_map(|&image| self.means.get(image)) {
            sum.resize(own.len(), 0.0);
            sum.iter_mut().zip(own).for_each(|(sum, value)| *sum += value / images.len() as f32);
        }
        sum
    }
}

/// The distance of two images; 0 where features aren't finite, which whitening refuses.
fn between(means: &[Vec<f32>], a: usize, b: usize) -> f32 {
    let distance = means.get(a).zip(means.get(b)).map(|(a, b)| squared(a, b).sqrt());
    distance.filter(|distance| distance.is_finite()).unwrap_or_default()
}

fn squared(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

fn nearest(centers: &[Vec<f32>], own: &[f32]) -> usize {
    let distances = centers.iter().map(|center| squared(center, own)).enumerate();
    distances.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(group, _)| group)
}

/// How many kinds there are.
fn count(of: &[usize]) -> usize {
    of.iter().max().map_or(0, |last| last + 1)
}

/// The images of each kind.
fn sizes(of: &[usize]) -> Vec<usize> {
    (0..count(of)).map(|kind| of.iter().filter(|&&own| own == kind).count()).collect()
}

fn average(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(values: &[f32]) -> Groups {
        Groups::new(values.iter().map(|&value| vec![value, -value]).collect())
    }

    #[test]
    fn the_largest_group_comes_first() {
        let groups = groups(&[9.0, 0.0, 9.5, 0.1, 9.1, 30.0]);
        assert_eq!(groups.cut(1, 1), [0; 6]);
        assert_eq!(groups.cut(3, 1), [0, 1, 0, 1, 0, 2]);
        assert_eq!(sizes(&groups.cut(3, 1)), [3, 2, 1]);
    }

    #[test]
    fn small_groups_join_the_nearest() {
        let groups = groups(&[9.0, 0.0, 9.5, 0.1, 9.1, 30.0]);
        assert_eq!(groups.cut(3, 2), [0, 1, 0, 1, 0, 0]);
        assert_eq!(groups.cut(6, 9), [0; 6]);
    }

    /// Of 9 to 9.5 three, of 0 and 0.1 two that three more join.
    #[test]
    fn a_group_that_others_join_may_be_the_largest() {
        let groups = groups(&[9.0, 0.0, 9.5, 0.1, 9.1, -20.0, -30.0, -40.0]);
        assert_eq!(groups.cut(5, 2), [1, 0, 1, 0, 1, 0, 0, 0]);
    }

    #[test]
    fn one_image_is_one_group() {
        assert_eq!(groups(&[1.0]).cut(4, 1), [0]);
    }

    /// By hand: 0 and 1 lie 1 apart and 9.5 and 10.5 on average from the other two, in units of √2.
    #[test]
    fn silhouettes_by_hand() {
        let groups = groups(&[0.0, 1.0, 10.0, 11.0]);
        let expected = (9.5 / 10.5 + 8.5 / 9.5) / 2.0;
        let found = groups.silhouette(&[0, 0, 1, 1]);
        assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
        assert!(groups.silhouette(&[0, 1, 0, 1]) < 0.0);
    }
}
