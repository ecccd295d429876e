//! A model on labelled images, and metrics of what it makes of them.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use image::DynamicImage;
use nfbmr_data::{DataError, LabelledImage, Limits, Marked, OnBadFile, Size, load_mask, load_rgb8};
use nfbmr_metrics::{
    Bounded, MetricError, OperatingPoint, PixelHistogram, auroc, average_precision, f1_max,
};

use crate::error::PipelineError;
use crate::model::{AnomalyModel, Known};
use crate::score::{Component, Detection, ScoreMap};

/// The false-positive rate up to which AUPRO is taken.
const AUPRO_LIMIT: f64 = 0.3;
/// A mask that marks a larger share of its image may be inverted.
const MOST: f64 = 0.5;

/// A test image and what a model says of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tested {
    /// The image and its label.
    pub image: LabelledImage,
    /// The image score.
    pub score: f32,
    /// The likeliest kind of the image, by a model of several kinds.
    pub kind: Option<usize>,
    /// The score of the source direction alone, for systems that have one.
    pub source: Option<f32>,
    /// The score of the target direction alone.
    pub target: Option<f32>,
    /// The score of the flow's likelihood alone.
    pub likelihood: Option<f32>,
    /// How long the detection took, reading the file left out.
    pub time: Duration,
}

/// What a model makes of labelled images.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Evaluation {
    /// The images in the order they were given.
    pub images: Vec<Tested>,
    /// Images that the model was trained or calibrated on, whatever their format: no figure counts them.
    pub known: Vec<(PathBuf, Known)>,
    /// Of the anomaly maps of the good images and of the defects that have a mask.
    pixels: PixelHistogram,
    masks: MaskUse,
}

/// What pixel metrics make of the masks of the defects. They count the pixels of the good images and of the
/// defects of which a mask marks something, as far as they are inspected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MaskUse {
    /// How many images with an anomaly map show a defect.
    pub defects: usize,
    /// How many of them have a mask that marks something: the pixel metrics leave the others out.
    pub used: usize,
    /// Images of defects that have no mask.
    pub missing: Vec<PathBuf>,
    /// Images of defects whose masks mark nothing.
    pub empty: Vec<PathBuf>,
    /// Masks that mark more than half of their image, and so perhaps what is no defect.
    pub mostly_marked: Vec<PathBuf>,
    /// How many marked pixels are left out as the model doesn't inspect them.
    pub not_inspected: u64,
}

/// How well image scores tell defects from normal images.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ImageMetrics {
    /// Area under the ROC curve.
    pub auroc: f64,
    /// Average precision.
    pub average_precision: f64,
    /// The threshold with the highest F1.
    pub f1_max: OperatingPoint,
}

/// How well anomaly maps tell the pixels of defects from the others, with error bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct PixelMetrics {
    /// Area under the ROC curve of the pixels.
    pub auroc: Bounded<f64>,
    /// Area under the per-region overlap up to a false-positive rate of 0.3.
    pub aupro: Bounded<f64>,
    /// The threshold with the highest F1.
    pub f1_max: Bounded<OperatingPoint>,
}

/// Scores test images one after the other, so that any number takes the memory of one, and calls `each`
/// with the result of each; [`ControlFlow::Break`] ends with those so far. `on_bad` is about images that can't be
/// read, and those of which a mask can't be: without them, they are in no part of the evaluation. Nor are images
/// that the model knows, which [`Evaluation::known`] names.
///
/// # Errors
/// [`PipelineError::Data`] for an image or a mask that can't be read, unless it is skipped,
/// [`PipelineError::Metric`] for a map that holds NaN, otherwise as [`AnomalyModel::detect`].
pub fn evaluate(
    model: &dyn AnomalyModel,
    images: &[LabelledImage],
    limits: &Limits,
    mut on_bad: OnBadFile<'_>,
    each: &mut dyn FnMut(&Tested, &Detection) -> ControlFlow<()>,
) -> Result<Evaluation, PipelineError> {
    let (mut pixels, mut masks) = (PixelHistogram::new(), MaskUse::default());
    let (mut all, mut known) = (Vec::with_capacity(images.len()), Vec::new());
    for image in images {
        let loaded = load_rgb8(&image.path, limits, model.white_level());
        let Some(decoded) = on_bad.keep_good([loaded])?.pop() else { continue };
        let decoded = DynamicImage::from(decoded);
        if let Some(from) = model.known(&decoded)? {
            known.push((image.path.clone(), from));
            continue;
        }
        let start = Instant::now();
        let detection = model.detect(&decoded)?;
        let time = start.elapsed();
        // A defect outside of the part's box is one that isn't found.
        let whole = located_in_whole(&detection);
        let map = whole.as_ref().unwrap_or(&detection.anomaly_map);
        if map.is_none() {
            // A score alone, which no mask says anything of.
        } else if !image.is_defect() {
            add(&mut pixels, map, None)?;
        } else {
            let loaded = load_all(&image.masks, map, limits);
            let Some(marked) = on_bad.keep_good([loaded])?.pop() else { continue };
            if let Some(mask) = masks.mask(image, map, marked) {
                add(&mut pixels, map, Some(&mask))?;
            }
        }
        let score = |part: &Option<Component>| part.as_ref().map(|part| part.score);
        let tested = Tested {
            image: image.clone(),
            score: detection.score,
            kind: detection.kind,
            source: score(&detection.source),
            target: score(&detection.target),
            likelihood: score(&detection.likelihood),
            time,
        };
        let flow = each(&tested, &detection);
        all.push(tested);
        if flow.is_break() {
            break;
        }
    }
    Ok(Evaluation { images: all, known, pixels, masks })
}

/// The anomaly map of a part that is located, with what lies outside of its box counted as inspected: the map has its
/// lowest value there.
fn located_in_whole(detection: &Detection) -> Option<ScoreMap> {
    let located = detection.located.as_ref()?;
    let mut map = detection.anomaly_map.clone();
    let places = (0..map.height).flat_map(|y| (0..map.width).map(move |x| [x, y]));
    let inspected = map.inspected.as_mut()?.iter_mut().zip(places);
    for (inspected, place) in inspected {
        *inspected |= !located.contains(place.map(|at| f64::from(at) + 0.5));
    }
    Some(map)
}

/// The masks of a defect.
fn load_all(masks: &[PathBuf], map: &ScoreMap, limits: &Limits) -> Result<Vec<Marked>, DataError> {
    let size = Size { width: map.width, height: map.height };
    masks.iter().map(|path| load_mask(path, size, limits)).collect()
}

fn add(
    pixels: &mut PixelHistogram,
    map: &ScoreMap,
    mask: Option<&[bool]>,
) -> Result<(), MetricError> {
    let ScoreMap { width, height, values, inspected } = map;
    pixels.add_inspected(values, *width, *height, mask, inspected.as_deref())
}

impl MaskUse {
    /// The pixels that the masks of a defect mark together, and notes what there is to say of them; `None` where
    /// there are none.
    fn mask(
        &mut self,
        image: &LabelledImage,
        map: &ScoreMap,
        masks: Vec<Marked>,
    ) -> Option<Vec<bool>> {
        self.defects += 1;
        let mut marked = vec![false; map.values.len()];
        for (path, mask) in image.masks.iter().zip(masks) {
            if mask.share() > MOST {
                self.mostly_marked.push(path.clone());
            }
            marked.iter_mut().zip(mask.pixels).for_each(|(marked, more)| *marked |= more);
        }
        if !marked.contains(&true) {
            let without = if image.masks.is_empty() { &mut self.missing } else { &mut self.empty };
            without.push(image.path.clone());
            return None;
        }
        self.used += 1;
        let outside =
            (0..).zip(&marked).filter(|&(index, &marked)| marked && !map.is_inspected(index));
        self.not_inspected += outside.count() as u64;
        Some(marked)
    }
}

impl Evaluation {
    /// Metrics of the image scores.
    ///
    /// # Errors
    /// [`MetricError::OneClass`] without a normal or without a defect image, [`MetricError::NanScore`].
    pub fn image_metrics(&self) -> Result<ImageMetrics, MetricError> {
        let (scores, labels) = (self.scores(), self.labels());
        Ok(ImageMetrics {
            auroc: auroc(&scores, &labels)?,
            average_precision: average_precision(&scores, &labels)?,
            f1_max: f1_max(&scores, &labels)?,
        })
    }

    /// Metrics of the anomaly maps, `None` where there are none, or no mask marks an inspected pixel. [`Self::masks`] tells which
    /// defects they leave out.
    ///
    /// # Errors
    /// [`MetricError::OneClass`] where all inspected pixels are marked.
    pub fn pixel_metrics(&self) -> Result<Option<PixelMetrics>, MetricError> {
        let auroc = match self.pixels.auroc() {
            Err(MetricError::OneClass { positives: 0, .. }) => return Ok(None),
            auroc => auroc?,
        };
        let (aupro, f1_max) = (self.pixels.aupro(AUPRO_LIMIT)?, self.pixels.f1_max()?);
        Ok(Some(PixelMetrics { auroc, aupro, f1_max }))
    }

    /// Which masks of defects the pixel metrics are of.
    pub fn masks(&self) -> &MaskUse {
        &self.masks
    }

    /// The AUROC of a part's scores, `None` for a system without that part.
    ///
    /// # Errors
    /// As [`Self::image_metrics`].
    pub fn auroc_of(
        &self,
        part: impl Fn(&Tested) -> Option<f32>,
    ) -> Result<Option<f64>, MetricError> {
        let scores: Option<Vec<f32>> = self.images.iter().map(part).collect();
        scores.map(|scores| auroc(&scores, &self.labels())).transpose()
    }

    /// The score of each image.
    pub fn scores(&self) -> Vec<f32> {
        self.images.iter().map(|tested| tested.score).collect()
    }

    /// Whether each image shows a defect.
    pub fn labels(&self) -> Vec<bool> {
        self.images.iter().map(|tested| tested.image.is_defect()).collect()
    }

    /// Mean time of a detection.
    pub fn mean_time(&self) -> Duration {
        let total: Duration = self.images.iter().map(|tested| tested.time).sum();
        total / u32::try_from(self.images.len()).unwrap_or(u32::MAX).max(1)
    }
}
