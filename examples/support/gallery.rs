//! The images of a test that a report shows.

use std::error::Error;
use std::io::Cursor;

use image::imageops::FilterType;
use image::{DynamicImage, ImageFormat, RgbImage};
use nfbmr::data::{Limits, Sample, load_image};
use nfbmr::{AnomalyModel, Detection};
use nfbmr_report::{Example, Run};

use super::support::heatmap;

/// Worst misses, worst false alarms and clearest defects, so many of each.
const EACH: usize = 3;
/// Longest side of a picture in pixels.
const SIDE: u32 = 128;

/// Examples of a run with their pictures; `scores` are those of the samples.
pub fn examples(
    model: &dyn AnomalyModel,
    samples: &[Sample],
    scores: &[f32],
    run: &Run,
) -> Result<Vec<Example>, Box<dyn Error>> {
    let mut order: Vec<usize> = (0..samples.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let defects: Vec<usize> =
        order.iter().copied().filter(|&index| samples[index].is_defect()).collect();
    let good = order.iter().rev().copied().filter(|&index| !samples[index].is_defect());
    let good: Vec<usize> = good.take(EACH).collect();
    let misses = &defects[..EACH.min(defects.len() / 2)];
    let clearest = &defects[defects.len() - misses.len()..];

    let detect = |&index: &usize| -> Result<(usize, RgbImage, Detection), Box<dyn Error>> {
        let image = load_image(&samples[index].path, &Limits::default())?;
        let detection = model.detect(&image)?;
        Ok((index, image.into_rgb8(), detection))
    };
    let shown = good.iter().chain(misses).chain(clearest).map(detect);
    let shown = shown.collect::<Result<Vec<_>, _>>()?;
    // One scale for all: from the median of the worst good images to twice their largest value.
    let mut values: Vec<f32> = shown[..good.len()]
        .iter()
        .flat_map(|(_, _, detection)| detection.anomaly_map.values.iter().copied())
        .collect();
    values.sort_unstable_by(f32::total_cmp);
    let low = values.get(values.len() / 2).copied().unwrap_or(0.0);
    let high = 2.0 * values.last().copied().unwrap_or(1.0);
    shown
        .into_iter()
        .map(|(index, image, detection)| {
            let sample = &samples[index];
            let overlay = heatmap(&image, &detection.anomaly_map, low, high);
            let mask = sample.mask.as_ref().map(|mask| load_image(mask, &Limits::default()));
            let mask = mask.transpose()?.map(|mask| png(&mask)).transpose()?;
            let name = sample.path.file_name().unwrap_or_default();
            Ok(Example {
                title: name.to_string_lossy().into_owned(),
                category: run.category.clone(),
                seed: run.seed,
                system: run.system.clone(),
                defect: sample.defect_name().map(str::to_owned),
                score: scores[index],
                image: png(&image.into())?,
                mask,
                overlay: Some(png(&overlay.into())?),
                ..Example::default()
            })
        })
        .collect()
}

/// A small picture as a PNG file.
fn png(image: &DynamicImage) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut bytes = Cursor::new(Vec::new());
    let small = image.resize(SIDE, SIDE, FilterType::Triangle);
    small.into_rgb8().write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}
