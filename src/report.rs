//! Results as one HTML file that needs no network: the types of `nfbmr-report`, and what an evaluation
//! fills them with.

use std::io::Cursor;

use image::codecs::png::{self, CompressionType, PngEncoder};
use image::imageops::FilterType;
use image::{DynamicImage, GrayImage, RgbImage};
use nfbmr_data::{DataError, Limits, load_masks, load_rgb8};
use nfbmr_metrics::{Bootstrap, auroc};
use nfbmr_pipeline::{AnomalyModel, Detection, Evaluation, PipelineError, Tested};

use crate::heatmap::{colored, heatmap};

pub use nfbmr_report::{
    ABLATION, Example, ImageFeatures, Pixel, Png, ProjectedImage, Projection, Published, Report,
    ReportError, Run, Score, charts,
};

/// Worst misses, worst false alarms and clearest defects, so many of each.
const EACH: usize = 3;
/// Longest side of a picture in pixels.
const SIDE: u32 = 128;

/// The results of an evaluation: scores, pixel metrics, the time of a detection, and the 95 % bootstrap
/// interval of the image AUROC. What is undefined, as without a defect, is left out.
pub fn run(category: &str, seed: u64, system: &str, evaluation: &Evaluation) -> Run {
    let (values, labels) = (evaluation.scores(), evaluation.labels());
    let mut run = Run::new(category, seed, system);
    let interval = Bootstrap::default().interval(&values, &labels, auroc).ok();
    run.image_auroc_interval = interval.map(|interval| [interval.low, interval.high]);
    run.pixel = evaluation.pixel_metrics().ok().flatten().map(|pixel| Pixel {
        auroc: pixel.auroc.value,
        aupro: pixel.aupro.value,
        f1_max: pixel.f1_max.value.f1,
    });
    run.detect_ms = Some(1e3 * evaluation.mean_time().as_secs_f64());
    run.scores = evaluation.images.iter().map(score).collect();
    run
}

fn score(tested: &Tested) -> Score {
    Score {
        path: tested.image.path.display().to_string(),
        defect: tested.image.defect_name().map(str::to_owned),
        score: tested.score,
        likelihood: tested.likelihood,
        kind: tested.kind,
    }
}

/// The images of an evaluation by their features, averaged over the positions, in the source space and in the
/// target space, where the model has them. Every image is read and goes through the networks once more.
///
/// # Errors
/// [`PipelineError::Data`] for an image that can't be read any more, otherwise as
/// [`AnomalyModel::mean_features`].
pub fn projections(
    model: &dyn AnomalyModel,
    evaluation: &Evaluation,
    limits: &Limits,
) -> Result<Vec<Projection>, PipelineError> {
    let (mut source, mut target) = (Vec::new(), Vec::new());
    for Tested { image: labelled, .. } in &evaluation.images {
        let image = load_rgb8(&labelled.path, limits, model.white_level())?.into();
        let Some(found) = model.mean_features(&image)? else { return Ok(Vec::new()) };
        let features = |values: Vec<f32>| ImageFeatures {
            path: labelled.path.display().to_string(),
            defect: labelled.defect_name().map(str::to_owned),
            values,
        };
        source.push(features(found.source));
        target.extend(found.target.map(features));
    }
    let spaces = [("source", source), ("target", target)];
    Ok(spaces.into_iter().filter_map(|(name, images)| Projection::new(name, &images)).collect())
}

/// The images of an evaluation that say most of it, small and with heatmaps: worst misses, worst false
/// alarms and clearest defects of the run.
///
/// # Errors
/// [`PipelineError::Data`] for an image or a mask that can't be read any more, otherwise as
/// [`AnomalyModel::detect`].
pub fn examples(
    model: &dyn AnomalyModel,
    evaluation: &Evaluation,
    run: &Run,
    limits: &Limits,
) -> Result<Vec<Example>, PipelineError> {
    let mut order: Vec<&Tested> = evaluation.images.iter().collect();
    order.sort_by(|a, b| a.score.total_cmp(&b.score));
    let (defects, good): (Vec<&Tested>, Vec<&Tested>) =
        order.into_iter().partition(|tested| tested.image.is_defect());
    let worst = &good[good.len().saturating_sub(EACH)..];
    let misses = &defects[..EACH.min(defects.len() / 2)];
    let clearest = &defects[defects.len() - misses.len()..];

    let shown = worst.iter().rev().chain(misses).chain(clearest);
    let shown = shown.map(|tested| Shown::new(model, tested, limits));
    let shown = shown.collect::<Result<Vec<_>, _>>()?;
    // One scale for all: from the median of the worst good images to twice their largest value.
    let mut values: Vec<f32> = shown[..worst.len()]
        .iter()
        .flat_map(|shown| shown.detection.anomaly_map.inspected_values())
        .collect();
    values.sort_unstable_by(f32::total_cmp);
    let low = values.get(values.len() / 2).copied().unwrap_or(0.0);
    let high = 2.0 * values.last().copied().unwrap_or(1.0);
    shown.into_iter().map(|shown| shown.example(run, low, high, limits)).collect()
}

/// A test image of the gallery.
struct Shown<'a> {
    tested: &'a Tested,
    image: RgbImage,
    detection: Detection,
}

impl<'a> Shown<'a> {
    fn new(
        model: &dyn AnomalyModel,
        tested: &'a Tested,
        limits: &Limits,
    ) -> Result<Self, PipelineError> {
        let image = load_rgb8(&tested.image.path, limits, model.white_level())?;
        let image = DynamicImage::from(image);
        let detection = model.detect(&image)?;
        Ok(Self { tested, image: image.into_rgb8(), detection })
    }

    fn example(
        self,
        run: &Run,
        low: f32,
        high: f32,
        limits: &Limits,
    ) -> Result<Example, PipelineError> {
        let labelled = &self.tested.image;
        let png = |image: DynamicImage| {
            to_png(&image)
                .map_err(|source| DataError::Encode { path: labelled.path.clone(), source })
        };
        let map = &self.detection.anomaly_map;
        let drawn = (!map.is_none()).then(|| -> Result<_, PipelineError> {
            let overlay = heatmap(&self.image, map, low, high)?;
            Ok([colored(map, low, high), overlay])
        });
        let [heatmap, overlay] = drawn.transpose()?.map_or([None, None], |both| both.map(Some));
        let size = (self.image.width(), self.image.height());
        let mask = match labelled.masks.is_empty() {
            true => None,
            false => Some(picture(load_masks(&labelled.masks, size, limits)?, size)),
        };
        let name = labelled.path.file_name().unwrap_or_default();
        Ok(Example {
            title: name.to_string_lossy().into_owned(),
            category: run.category.clone(),
            seed: run.seed,
            system: run.system.clone(),
            defect: labelled.defect_name().map(str::to_owned),
            score: self.tested.score,
            scale: (!map.is_none()).then_some([low, high]),
            image: png(self.image.into())?,
            mask: mask.map(png).transpose()?,
            heatmap: heatmap.map(|drawn| png(drawn.into())).transpose()?,
            overlay: overlay.map(|drawn| png(drawn.into())).transpose()?,
            ..Example::default()
        })
    }
}

/// White where a mask marks a defect.
fn picture(marked: Vec<bool>, (width, height): (u32, u32)) -> DynamicImage {
    let values = marked.into_iter().map(|marked| if marked { u8::MAX } else { 0 }).collect();
    GrayImage::from_raw(width, height, values).unwrap_or_default().into()
}

/// A small picture as a PNG file.
fn to_png(image: &DynamicImage) -> Result<Png, image::ImageError> {
    let mut bytes = Cursor::new(Vec::new());
    let small = image.resize(SIDE, SIDE, FilterType::Triangle).into_rgb8();
    let (best, adaptive) = (CompressionType::Best, png::FilterType::Adaptive);
    small.write_with_encoder(PngEncoder::new_with_quality(&mut bytes, best, adaptive))?;
    Ok(bytes.into_inner().into())
}
