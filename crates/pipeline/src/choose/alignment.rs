//! How parts are laid over each other: by what their poses say, and by marks painted into good images.
//!
//! A part that stands out of the ground and lies at any angle is turned upright. Whether anything else is to be aligned is told
//! by marks: densities of features of different crops can't be compared. What the marks do to an image's score can: the same mark in
//! the same image is scored with each alignment, by the Mahalanobis distance by position to the other good images, and
//! compared with what good images themselves are scored.

use std::fmt;
use std::sync::Arc;

use burn::tensor::Tensor;
use image::{DynamicImage, RgbImage};
use nfbmr_backend::Backend;
use nfbmr_data::{Size, resize_rgb};
use nfbmr_pose::{Motion, Scene, Template};
use nfbmr_whitening::{WhiteningConfig, WhiteningFit, distances_without};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::painted::painted;
use crate::config::PipelineConfig;
use crate::error::PipelineError;
use crate::features::{Cnn, FeatureExtractor};
use crate::input::{AlignmentMotion, Images, Input, Seen, to_tensor};

/// Images that a template is learnt from.
const LEARNT: usize = 24;
/// Images that marks are painted into.
const JUDGED: usize = 20;
/// The fewest images that marks are scored by: of fewer, the spread of good scores is as good as unknown.
const FEWEST: usize = 16;
/// Whole images that are less alike than this once they are laid over each other, by their correlation, don't show the same.
const ALIKE: f64 = 0.5;
/// Parts are turned that are more alike once they are turned, by this much correlation.
const TURNED: f64 = 0.03;
/// Parts that move by less than this, in shares of the image's longer side, lie still.
const STILL: f64 = 0.004;
/// A part of this share of the image or more fills it.
const FILLS: f64 = 0.85;
/// Parts that lie at one angle, and whole images, are aligned where marks stand out so many times as much.
const GAIN: f64 = 1.25;
/// Parts at any angle are, unless marks stand out less than so many times as much.
const LOSS: f64 = 2.0 / 3.0;
/// The share of the cells that make a score.
const TOP: f64 = 0.01;

/// What `alignment = auto` chose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AlignmentChoice {
    /// The choice.
    pub chosen: AlignmentMotion,
    /// Why.
    pub reason: AlignmentReason,
    /// The images that were looked at.
    pub images: usize,
    /// What was tried, off first.
    pub tried: Vec<AlignmentTrial>,
}

/// Why an alignment is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AlignmentReason {
    /// There are too few images to tell, and parts don't lie at any angle.
    TooFewImages,
    /// Tiles see no whole part.
    Tiles,
    /// No part stands out of the ground, and the images can't be laid over each other.
    NothingAlike,
    /// Parts fill the image and lie alike.
    NothingMoves,
    /// Parts lie at any angle, and there are too few images to tell more.
    AnyAngle,
    /// Parts lie at any angle, and painted marks don't stand out clearly less once they are turned.
    AnyAngleAndMarks,
    /// Painted marks stand out clearly more, or no more.
    Marks,
}

/// How an alignment does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AlignmentTrial {
    /// The alignment.
    pub motion: AlignmentMotion,
    /// How far the scores of images with a mark lie above those of the same images without: the mean of the logarithms, in
    /// standard deviations of those without.
    pub separation: f64,
}

impl fmt::Display for AlignmentChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chosen, reason, images, tried } = self;
        write!(f, "{chosen}, as ")?;
        match reason {
            AlignmentReason::TooFewImages => {
                write!(
                    f,
                    "parts do not lie at any angle and fewer than {FEWEST} images tell no more"
                )
            }
            AlignmentReason::Tiles => f.write_str("tiles see no whole part"),
            AlignmentReason::NothingAlike => {
                f.write_str("no part stands out of the ground and the images are not alike")
            }
            AlignmentReason::NothingMoves => f.write_str("parts fill the image and lie alike"),
            AlignmentReason::AnyAngle => f.write_str("parts lie at any angle"),
            AlignmentReason::AnyAngleAndMarks | AlignmentReason::Marks => {
                if *reason == AlignmentReason::AnyAngleAndMarks {
                    f.write_str("parts lie at any angle and ")?;
                }
                write!(f, "marks painted into {images} good images stand out by")?;
                for (index, AlignmentTrial { motion, separation }) in tried.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(f, "{comma} {separation:.1} ({motion})")?;
                }
                f.write_str(" standard deviations of good ones")
            }
        }
    }
}

/// Features, and which of their cells are scored.
type Features<B> = (Tensor<B, 4>, Option<Vec<bool>>);

/// An image to judge by.
struct Judged {
    good: RgbImage,
    marked: RgbImage,
}

/// The alignment, its template, and why it was chosen where that was open.
pub(super) fn choose<B: Backend>(
    config: &PipelineConfig,
    source: &Cnn<B>,
    images: Images<'_>,
    device: &B::Device,
) -> Result<(AlignmentMotion, Option<Template>, Option<AlignmentChoice>), PipelineError> {
    let input = config.extraction()?.input;
    let most = 2 * input.size;
    let images = images.map_some(LEARNT, config.seed, &input, |image| reduced(image, most))?;
    let images: Vec<RgbImage> = images.into_iter().collect::<Result<_, _>>()?;
    let scenes: Vec<Scene> = images.par_iter().map(Scene::new).collect();
    if let Some(motion) = config.alignment.motion.motion() {
        return Ok((motion.into(), Some(Template::learn(&scenes, motion)?), None));
    }
    let chosen = |template: Option<Template>, reason, tried: Vec<AlignmentTrial>| {
        let motion = template.as_ref().map_or(AlignmentMotion::Off, |own| own.motion().into());
        let choice =
            AlignmentChoice { chosen: motion, reason, images: images.len().min(JUDGED), tried };
        Ok((motion, template, Some(choice)))
    };
    if input.tiles.is_some() {
        return chosen(None, AlignmentReason::Tiles, Vec::new());
    }
    let rigid = Template::learn(&scenes, Motion::Rigid)?;
    // Parts that look alike at several angles, and lie at one, are as alike without a turn.
    let shift = || Template::learn(&scenes, Motion::Shift);
    let any_angle = rigid.is_part()
        && !rigid.has_one_angle()
        && rigid.likeness() > shift()?.likeness() + TURNED;
    let fills = rigid.sides().into_iter().fold(0.0, f64::max) >= FILLS;
    let without_marks = match () {
        () if !rigid.is_part() && rigid.likeness() < ALIKE => Some(AlignmentReason::NothingAlike),
        () if any_angle && images.len() < FEWEST => {
            return chosen(Some(rigid), AlignmentReason::AnyAngle, Vec::new());
        }
        () if images.len() < FEWEST => Some(AlignmentReason::TooFewImages),
        () if (fills || !rigid.is_part()) && rigid.spread(&scenes) < STILL => {
            Some(AlignmentReason::NothingMoves)
        }
        () => None,
    };
    if let Some(reason) = without_marks {
        return chosen(None, reason, Vec::new());
    }
    let mut dice = ChaCha8Rng::seed_from_u64(config.seed);
    let judged: Vec<Judged> = images
        .iter()
        .zip(&scenes)
        .take(JUDGED)
        .map(|(image, scene)| {
            let (part, size) = scene.part([image.width(), image.height()]);
            Judged { good: image.clone(), marked: painted(image, &part, size, &mut dice) }
        })
        .collect();
    let tried = |template: Option<&Template>| {
        let motion = template.map_or(AlignmentMotion::Off, |own| own.motion().into());
        let template = template.cloned().map(Arc::new);
        let input = Input { template, ..input.clone() };
        let separation = separation(&scores(source, &input, &judged, device)?);
        Ok::<_, PipelineError>(AlignmentTrial { motion, separation })
    };
    let (off, of_rigid) = (tried(None)?, tried(Some(&rigid))?);
    if any_angle {
        let keeps = of_rigid.separation >= LOSS * off.separation;
        let reason = AlignmentReason::AnyAngleAndMarks;
        return chosen(keeps.then_some(rigid), reason, vec![off, of_rigid]);
    }
    if of_rigid.separation < GAIN * off.separation {
        return chosen(None, AlignmentReason::Marks, vec![off, of_rigid]);
    }
    // Parts that aren't turned need no turn.
    let shift = shift()?;
    let of_shift = tried(Some(&shift))?;
    let best = if of_shift.separation >= of_rigid.separation { shift } else { rigid };
    chosen(Some(best), AlignmentReason::Marks, vec![off, of_rigid, of_shift])
}

/// The image with a longer side of at most so many pixels.
fn reduced(image: RgbImage, most: u32) -> Result<RgbImage, PipelineError> {
    let Size { width, height } = image.dimensions().into();
    let longer = width.max(height);
    if longer <= most {
        return Ok(image);
    }
    let side = |own: u32| (u64::from(own) * u64::from(most)).div_ceil(u64::from(longer)) as u32;
    Ok(resize_rgb(&image, side(width), side(height))?)
}

/// The logarithms of the scores of each image, and of it with its mark, by the Gaussian of each position of the others.
fn scores<B: Backend>(
    source: &Cnn<B>,
    input: &Input,
    judged: &[Judged],
    device: &B::Device,
) -> Result<Vec<[f64; 2]>, PipelineError> {
    let none = || PipelineError::Config("expected features, found none".to_owned());
    let level = source.levels().last().ok_or_else(none)?;
    let seen = |image: &RgbImage| -> Result<Features<B>, PipelineError> {
        let Seen { image, aligned, .. } = input.fit(&DynamicImage::from(image.clone()))?;
        let features = source.extract(to_tensor(&[image], device))?.pop().ok_or_else(none)?;
        let size = (level.grid[1] as u32, level.grid[0] as u32).into();
        Ok((features, aligned.map(|aligned| aligned.cells(size, input.size))))
    };
    let pair = |judged: &Judged| Ok([seen(&judged.good)?, seen(&judged.marked)?]);
    let pairs: Vec<[Features<B>; 2]> =
        judged.par_iter().map(pair).collect::<Result<_, PipelineError>>()?;
    let config = WhiteningConfig::default();
    let mut fit = WhiteningFit::new(&config, &level.block_channels, level.grid, 1)?;
    for [(good, _), _] in &pairs {
        fit.add(good.clone(), 0)?;
    }
    let whitening = fit.finish::<B>(device)?;
    let score = |[good, marked]: &[Features<B>; 2]| {
        let z = whitening.forward(good.0.clone())?;
        let score = |own: &Features<B>| {
            let w = whitening.forward(own.0.clone())?;
            let map = distances_without(
                &config,
                pairs.len(),
                pairs.len(),
                &level.block_channels,
                z.clone(),
                w,
            );
            let cells = map.into_iter().enumerate();
            let scored = cells.filter(|(cell, _)| {
                own.1.as_ref().is_none_or(|cells| cells.get(*cell).copied().unwrap_or(false))
            });
            let mut values: Vec<f64> = scored.map(|(_, value)| value).collect();
            values.sort_unstable_by(|a, b| b.total_cmp(a));
            values.truncate(((TOP * values.len() as f64).ceil() as usize).max(4));
            let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
            Ok::<_, PipelineError>(mean.max(f64::MIN_POSITIVE).ln())
        };
        Ok([score(good)?, score(marked)?])
    };
    pairs.par_iter().map(score).collect()
}

/// How far the second of each pair lies above the first, in standard deviations of the first.
fn separation(pairs: &[[f64; 2]]) -> f64 {
    let count = pairs.len() as f64;
    let mean = pairs.iter().map(|pair| pair[0]).sum::<f64>() / count;
    let squares: f64 = pairs.iter().map(|pair| (pair[0] - mean).powi(2)).sum();
    let gap = pairs.iter().map(|pair| pair[1] - pair[0]).sum::<f64>() / count;
    gap / (squares / (count - 1.0).max(1.0)).sqrt().max(1e-6)
}
