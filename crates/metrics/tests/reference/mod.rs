//! The exact pixel metrics; the AUPRO from its definition.

use nfbmr_metrics::{PixelHistogram, auroc, f1_max};

/// An anomaly map and its mask.
#[derive(Clone, Debug)]
pub struct Image {
    pub map: Vec<f32>,
    pub width: u32,
    pub height: u32,
    pub mask: Option<Vec<bool>>,
}

impl Image {
    fn mask(&self) -> Vec<bool> {
        self.mask.clone().unwrap_or_else(|| vec![false; self.map.len()])
    }
}

pub fn histogram(images: &[Image]) -> PixelHistogram {
    let mut histogram = PixelHistogram::new();
    for Image { map, width, height, mask } in images {
        histogram.add(map, *width, *height, mask.as_deref()).unwrap();
    }
    histogram
}

/// The scores and labels of all pixels.
pub fn pixels(images: &[Image]) -> (Vec<f32>, Vec<bool>) {
    let scores = images.iter().flat_map(|image| image.map.clone()).collect();
    (scores, images.iter().flat_map(Image::mask).collect())
}

/// The scores of each 8-connected component: labels spread to neighbours until none changes.
fn components(image: &Image) -> Vec<Vec<f32>> {
    let (mask, width) = (image.mask(), image.width as usize);
    let near = |a: usize, b: usize| a.abs_diff(b) <= 1;
    let touch = |a: usize, b: usize| near(a % width, b % width) && near(a / width, b / width);
    let defects: Vec<usize> = (0..mask.len()).filter(|&pixel| mask[pixel]).collect();
    let mut labels: Vec<usize> = (0..mask.len()).collect();
    let mut changed = true;
    while changed {
        changed = false;
        for &a in &defects {
            for &b in &defects {
                if touch(a, b) && labels[b] < labels[a] {
                    labels[a] = labels[b];
                    changed = true;
                }
            }
        }
    }
    let scores_of = |label: usize| {
        let own = defects.iter().filter(|&&pixel| labels[pixel] == label);
        own.map(|&pixel| image.map[pixel]).collect()
    };
    defects.iter().filter(|&&pixel| labels[pixel] == pixel).map(|&label| scores_of(label)).collect()
}

/// The exact AUPRO up to `limit`.
pub fn exact_aupro(images: &[Image], limit: f64) -> f64 {
    let (scores, labels) = pixels(images);
    let of_normal: Vec<f32> =
        scores.iter().zip(&labels).filter(|(_, label)| !**label).map(|(score, _)| *score).collect();
    let components: Vec<Vec<f32>> = images.iter().flat_map(components).collect();
    let flagged = |scores: &[f32], threshold: f32| {
        scores.iter().filter(|&&score| score >= threshold).count() as f64 / scores.len() as f64
    };
    let mut thresholds = scores.clone();
    thresholds.sort_by(|a, b| b.total_cmp(a));
    thresholds.dedup();
    let mut curve = vec![(0.0, 0.0)];
    for threshold in thresholds {
        let overlap: f64 = components.iter().map(|scores| flagged(scores, threshold)).sum();
        curve.push((flagged(&of_normal, threshold), overlap / components.len() as f64));
    }
    let mut area = 0.0;
    for pair in curve.windows(2) {
        let ((from, low), (to, high)) = (pair[0], pair[1]);
        let end = to.min(limit);
        if from < end {
            let at_end = low + (high - low) * (end - from) / (to - from);
            area += (end - from) * (low + at_end) / 2.0;
        }
    }
    area / limit
}

/// Checks each metric of the histogram against the exact one.
pub fn assert_bounds_hold(images: &[Image]) {
    let histogram = histogram(images);
    let (scores, labels) = pixels(images);
    let rounding = 1e-12;

    let area = histogram.auroc().unwrap();
    let exact = auroc(&scores, &labels).unwrap();
    assert!((area.value - exact).abs() <= area.error + rounding, "{area:?}, exactly {exact}");

    let best = histogram.f1_max().unwrap();
    let exact = f1_max(&scores, &labels).unwrap();
    assert!(best.value.f1 <= exact.f1, "{best:?}, exactly {exact:?}");
    assert!(exact.f1 <= best.value.f1 + best.error + rounding, "{best:?}, exactly {exact:?}");

    for limit in [0.01, 0.3, 1.0] {
        let area = histogram.aupro(limit).unwrap();
        let exact = exact_aupro(images, limit);
        let apart = (area.value - exact).abs();
        assert!(apart <= area.error + rounding, "up to {limit}: {area:?}, exactly {exact}");
    }
}
