use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use image::DynamicImage;
use nfbmr_data::{Limits, Sample, load_masks, load_rgb8};
use nfbmr_metrics::{
    Bounded, MetricError, OperatingPoint, PixelHistogram, auroc, average_precision, f1_max,
};

use crate::error::PipelineError;
use crate::score::{Component, Detection};
use crate::traits::AnomalyModel;

/// The false-positive rate up to which AUPRO is taken.
const AUPRO_LIMIT: f64 = 0.3;

/// A test image and what a model says of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tested {
    /// The image and its label.
    pub sample: Sample,
    /// The image score.
    pub score: f32,
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
    /// Of the anomaly maps, where each defect has a mask.
    pixels: Option<PixelHistogram>,
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
/// with the result of each; [`ControlFlow::Break`] ends with those so far.
///
/// # Errors
/// [`PipelineError::Data`] for an image or a mask that can't be read, [`PipelineError::Metric`] for a map
/// that holds NaN, otherwise as [`AnomalyModel::detect`].
pub fn evaluate(
    model: &dyn AnomalyModel,
    samples: &[Sample],
    limits: &Limits,
    each: &mut dyn FnMut(&Tested, &Detection) -> ControlFlow<()>,
) -> Result<Evaluation, PipelineError> {
    let masked = |sample: &Sample| !sample.is_defect() || !sample.masks.is_empty();
    let mut pixels = samples.iter().all(masked).then(PixelHistogram::new);
    let mut images = Vec::with_capacity(samples.len());
    for sample in samples {
        let image: DynamicImage = load_rgb8(&sample.path, limits, model.white_level())?.into();
        let start = Instant::now();
        let detection = model.detect(&image)?;
        let time = start.elapsed();
        if let Some(pixels) = &mut pixels {
            let size = (image.width(), image.height());
            let defect = sample.is_defect();
            let mask = defect.then(|| load_masks(&sample.masks, size, limits)).transpose()?;
            pixels.add(&detection.anomaly_map.values, size.0, size.1, mask.as_deref())?;
        }
        let score = |part: &Option<Component>| part.as_ref().map(|part| part.score);
        let tested = Tested {
            sample: sample.clone(),
            score: detection.score,
            source: score(&detection.source),
            target: score(&detection.target),
            likelihood: score(&detection.likelihood),
            time,
        };
        let flow = each(&tested, &detection);
        images.push(tested);
        if flow.is_break() {
            break;
        }
    }
    Ok(Evaluation { images, pixels })
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

    /// Metrics of the anomaly maps, `None` where a defect has no mask.
    ///
    /// # Errors
    /// [`MetricError::OneClass`] without a marked pixel or without another.
    pub fn pixel_metrics(&self) -> Result<Option<PixelMetrics>, MetricError> {
        let metrics = |pixels: &PixelHistogram| {
            Ok(PixelMetrics {
                auroc: pixels.auroc()?,
                aupro: pixels.aupro(AUPRO_LIMIT)?,
                f1_max: pixels.f1_max()?,
            })
        };
        self.pixels.as_ref().map(metrics).transpose()
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
        self.images.iter().map(|tested| tested.sample.is_defect()).collect()
    }

    /// Mean time of a detection.
    pub fn mean_time(&self) -> Duration {
        let total: Duration = self.images.iter().map(|tested| tested.time).sum();
        total / u32::try_from(self.images.len()).unwrap_or(u32::MAX).max(1)
    }
}
