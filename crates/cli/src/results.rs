//! What `evaluate` finds, as JSON and in lines.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use nfbmr::data::Dataset;
use nfbmr::evaluation::{Evaluation, OperatingPoint, auroc};
use nfbmr::report::{self, Run};
use nfbmr::{Calibration, PipelineConfig, SplitCalibration, System};
use serde::Serialize;

use crate::calibrate::rate_by_hand;
use crate::mask_use::Masks;
use crate::text::{count, percent};

/// What comes out, as JSON has it. Shares are from 0 to 1; what is undefined is null.
#[derive(Serialize)]
pub struct Results {
    category: String,
    good_images: usize,
    defect_images: usize,
    /// Images left out as they, or their masks, can't be read.
    skipped: usize,
    /// Images left out as the model was trained or calibrated on them.
    known: usize,
    image_auroc: Option<f64>,
    /// 95 % interval over the test images.
    image_auroc_interval: Option<[f64; 2]>,
    image_average_precision: Option<f64>,
    /// At the threshold with the highest F1, chosen with the labels at hand.
    image_f1_max: Option<Point>,
    pixel_auroc: Option<f64>,
    pixel_aupro: Option<f64>,
    pixel_f1_max: Option<Point>,
    /// Those of the defects, which pixel metrics are of.
    masks: Masks,
    /// At the model's own threshold.
    calibrated: Option<Calibrated>,
    /// The same by kind, for a model of several kinds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kinds: Vec<OfKind>,
    detect_ms: Option<f64>,
    /// The system, where it gives no map to have pixel metrics of.
    #[serde(skip)]
    without_map: Option<System>,
    /// The same for a report.
    #[serde(skip)]
    pub run: Run,
}

/// The verdicts of a threshold: a defect where a score is at least that.
#[derive(Serialize)]
struct Point {
    threshold: f64,
    precision: f64,
    recall: f64,
    f1: f64,
}

impl From<OperatingPoint> for Point {
    fn from(point: OperatingPoint) -> Self {
        let OperatingPoint { threshold, precision, recall, f1 } = point;
        Self { threshold, precision, recall, f1 }
    }
}

/// The verdicts of a calibrated model: a defect where a score is above the threshold, or by the p-values
/// of folds.
#[derive(Serialize)]
struct Calibrated {
    /// `None` for a model of folds.
    threshold: Option<f32>,
    /// The rate of false alarms it was set for; where it was set by hand, its rate by the images of the calibration.
    rate: f64,
    set_by_hand: bool,
    false_alarms: usize,
    defects_found: usize,
}

/// The images that a model takes for those of a kind. Verdicts are those of a calibrated model.
#[derive(Serialize)]
struct OfKind {
    kind: usize,
    good_images: usize,
    defect_images: usize,
    image_auroc: Option<f64>,
    false_alarms: Option<usize>,
    defects_found: Option<usize>,
}

impl OfKind {
    /// Of all kinds that were seen.
    fn all(evaluation: &Evaluation, flagged: &[bool], calibrated: bool) -> Vec<Self> {
        let kinds: BTreeSet<usize> = evaluation.images.iter().filter_map(|own| own.kind).collect();
        let of = |kind: usize| {
            let own = evaluation.images.iter().zip(flagged).filter(|own| own.0.kind == Some(kind));
            let (scores, labels): (Vec<f32>, Vec<bool>) =
                own.clone().map(|(own, _)| (own.score, own.image.is_defect())).unzip();
            let flagged_of = |defect: bool| {
                calibrated.then(|| {
                    let own = own.clone().filter(|own| own.0.image.is_defect() == defect);
                    own.filter(|(_, flagged)| **flagged).count()
                })
            };
            let defect_images = labels.iter().filter(|&&defect| defect).count();
            Self {
                kind,
                good_images: labels.len() - defect_images,
                defect_images,
                image_auroc: auroc(&scores, &labels).ok(),
                false_alarms: flagged_of(false),
                defects_found: flagged_of(true),
            }
        };
        kinds.into_iter().map(of).collect()
    }
}

impl fmt::Display for OfKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { good_images, defect_images, .. } = self;
        write!(f, "{good_images} good")?;
        if let Some(false_alarms) = self.false_alarms {
            write!(f, ", {} of them flagged", false_alarms)?;
        }
        write!(f, "; {defect_images} defective")?;
        if let Some(found) = self.defects_found {
            write!(f, ", {found} of them found")?;
        }
        match self.image_auroc {
            Some(auroc) => write!(f, "; image AUROC {auroc:.4}"),
            None => Ok(()),
        }
    }
}

impl Calibrated {
    fn new(calibration: &Calibration, flagged: &[bool], labels: &[bool]) -> Self {
        let threshold = calibration.threshold();
        let scores = calibration.split().map(SplitCalibration::image_scores);
        let by_hand = threshold.zip(scores);
        let by_hand = by_hand.and_then(|(threshold, scores)| rate_by_hand(threshold, scores));
        let flagged_of = |defect: bool| {
            flagged
                .iter()
                .zip(labels)
                .filter(|&(&flagged, &label)| flagged && label == defect)
                .count()
        };
        Self {
            threshold: threshold.map(|threshold| threshold.value),
            rate: by_hand.unwrap_or(calibration.rate().get()),
            set_by_hand: threshold.is_some_and(|threshold| threshold.set_by_hand),
            false_alarms: flagged_of(false),
            defects_found: flagged_of(true),
        }
    }
}

impl Results {
    /// Of an evaluation, and of which images the model called anomalous.
    /// `skipped` images couldn't be read.
    pub fn new(
        set: &Dataset,
        config: &PipelineConfig,
        calibration: Option<&Calibration>,
        evaluation: &Evaluation,
        flagged: &[bool],
        skipped: usize,
    ) -> Self {
        let run = report::run(&set.name, config.seed, config.system.system().name(), evaluation);
        let labels = evaluation.labels();
        let defect_images = labels.iter().filter(|&&defect| defect).count();
        let image = evaluation.image_metrics().ok();
        let pixel = evaluation.pixel_metrics().ok().flatten();
        Self {
            category: set.name.clone(),
            good_images: labels.len() - defect_images,
            defect_images,
            skipped,
            known: evaluation.known.len(),
            image_auroc: image.map(|image| image.auroc),
            image_auroc_interval: run.image_auroc_interval,
            image_average_precision: image.map(|image| image.average_precision),
            image_f1_max: image.map(|image| image.f1_max.into()),
            pixel_auroc: pixel.map(|pixel| pixel.auroc.value),
            pixel_aupro: pixel.map(|pixel| pixel.aupro.value),
            pixel_f1_max: pixel.map(|pixel| pixel.f1_max.value.into()),
            masks: Masks::new(evaluation.masks()),
            calibrated: calibration.map(|own| Calibrated::new(own, flagged, &labels)),
            kinds: OfKind::all(evaluation, flagged, calibration.is_some()),
            detect_ms: run.detect_ms,
            without_map: (!config.system.localises()).then(|| config.system.system()),
            run,
        }
    }
}

impl fmt::Display for Results {
    /// A line for each figure; those undefined are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let good = count(self.good_images, "good image");
        let defective = count(self.defect_images, "defective one");
        writeln!(f, "{}: {good}, {defective}", self.category)?;
        let mut line = |name: &str, value: Option<String>| match value {
            Some(value) => writeln!(f, "{name:<20} {value}"),
            None => Ok(()),
        };
        let share = |value: Option<f64>| value.map(|value| format!("{value:.4}"));
        let point = |point: &Option<Point>| {
            let Point { threshold, precision, recall, f1 } = point.as_ref()?;
            Some(format!(
                "{f1:.4} (precision {precision:.4}, recall {recall:.4}) at threshold {threshold:.4}"
            ))
        };
        let auroc = share(self.image_auroc).map(|mut text| {
            if let Some([low, high]) = self.image_auroc_interval {
                let _ = write!(text, " (95 % interval {low:.4} to {high:.4})");
            }
            text
        });
        let skipped = count(self.skipped, "image");
        line("skipped", (self.skipped > 0).then(|| format!("{skipped} that can't be read")))?;
        let known = count(self.known, "image");
        line("left out", (self.known > 0).then(|| format!("{known} that the model knows")))?;
        line("image AUROC", auroc)?;
        line("average precision", share(self.image_average_precision))?;
        line("best F1", point(&self.image_f1_max))?;
        line("pixels", self.without_map.map(|system| format!("{system} gives no map")))?;
        line("masks", self.masks.left_out())?;
        line("warning", self.masks.warning())?;
        line("not inspected", self.masks.not_inspected())?;
        line("pixel AUROC", share(self.pixel_auroc))?;
        line("pixel AUPRO", share(self.pixel_aupro))?;
        line("pixel best F1", point(&self.pixel_f1_max))?;
        line("time per image", self.detect_ms.map(|time| format!("{time:.1} ms")))?;
        for own in &self.kinds {
            line(&format!("kind {}", own.kind), Some(own.to_string()))?;
        }
        let Some(calibrated) = &self.calibrated else { return Ok(()) };
        let Calibrated { threshold, rate, set_by_hand, false_alarms, defects_found } = calibrated;
        let basis = match set_by_hand {
            true => format!(
                "set by hand: up to {} false alarms by the images of the calibration",
                percent(*rate)
            ),
            false => format!("for {} false alarms", percent(*rate)),
        };
        let verdicts = match threshold {
            Some(threshold) => ("threshold", format!("{threshold} ({basis})")),
            None => ("p-values of folds", basis),
        };
        line(verdicts.0, Some(verdicts.1))?;
        let of = |number: usize, all: usize| {
            (all > 0)
                .then(|| format!("{number} of {all} ({})", percent(number as f64 / all as f64)))
        };
        line("false alarms", of(*false_alarms, self.good_images))?;
        line("defects found", of(*defects_found, self.defect_images))
    }
}
