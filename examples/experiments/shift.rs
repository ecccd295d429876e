//! Systems on test images as they would come from a line that has changed since the training.

use std::collections::btree_map::{BTreeMap, Entry};
use std::error::Error;
use std::fmt::{self, Write as _};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use image::GrayImage;
use nfbmr::data::{
    Dataset, Distinct, HoldOut, LabelledImage, Limits, OnBadFile, distinct, hold_out, load_masks,
    load_rgb8,
};
use nfbmr::evaluation::evaluate;
use nfbmr::{AnomalyModel, BackboneWeights, PipelineConfig, TrainingStorage};
use nfbmr_backend::Backend;
use nfbmr_pipeline::{Pipeline, Trainer};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::run::write_whole;
use crate::shifts::{Change, Kind};
use crate::support::Bar;
use crate::tables::header;

/// The share of the good images that gives the threshold, as `nfbmr train` holds it out.
const HOLD_OUT: f64 = 0.2;

/// A category and seed: systems are trained and calibrated on it once, and tested after each change.
pub struct Line<'a, B: Backend> {
    pub set: &'a Dataset,
    /// Good images, to train and to calibrate on.
    pub images: Vec<PathBuf>,
    pub limit: usize,
    pub seed: u64,
    /// Systems by name, in the order in which they share features.
    pub systems: Vec<(&'static str, PipelineConfig)>,
    pub weights: Option<&'a BackboneWeights>,
    pub storage: &'a TrainingStorage,
    pub device: &'a B::Device,
    /// The folder that keeps the outcomes.
    pub kept: PathBuf,
}

/// What a system makes of the test images after a change, as kept in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    pub category: String,
    pub seed: u64,
    pub system: String,
    /// Of the configuration, which a kept outcome must share.
    pub fingerprint: String,
    pub limit: usize,
    /// `None` of the images as they are.
    pub change: Option<Change>,
    pub train_images: usize,
    pub calibration_images: usize,
    /// The share of false alarms that the threshold is for, from 0 to 1, as all shares are.
    pub rate: f64,
    pub image_auroc: f64,
    /// Where every defect has a mask.
    pub aupro: Option<f64>,
    pub good: Flagged,
    pub defects: Flagged,
}

/// How many images are called anomalous.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flagged {
    pub images: usize,
    pub anomalous: usize,
    /// Those of them whose part isn't located.
    pub not_located: usize,
}

/// Test images, and the folder that holds them while they are in use.
struct Changed {
    all: Vec<LabelledImage>,
    _folder: Option<TempDir>,
}

/// A system that is trained and calibrated.
struct Calibrated<B: Backend> {
    model: Pipeline<B>,
    train_images: usize,
    calibration_images: usize,
    rate: f64,
}

impl<B: Backend> Line<'_, B> {
    /// The outcomes of each system without a change and after each of these kinds, kept or computed.
    pub fn outcomes(&self, kinds: &[Kind]) -> Result<Vec<Outcome>, Box<dyn Error>> {
        let (mut trainer, mut models) = (None, BTreeMap::new());
        let mut outcomes = Vec::new();
        let changes = kinds.iter().flat_map(|kind| kind.changes()).map(Some);
        for change in [None].into_iter().chain(changes) {
            let mut images = None;
            for (system, config) in &self.systems {
                let path = self.kept.join(self.file(system, change));
                if let Some(outcome) = Outcome::read(&path, config, self.limit, change) {
                    outcomes.push(outcome);
                    continue;
                }
                let calibrated = match models.entry(*system) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(place) => {
                        place.insert(self.calibrated(&mut trainer, system, config)?)
                    }
                };
                let images = match &mut images {
                    Some(images) => images,
                    none => none.insert(self.changed(change, calibrated.model.white_level())?),
                };
                let outcome = self.outcome(system, config, change, calibrated, &images.all)?;
                write_whole(&path, &serde_json::to_string_pretty(&outcome)?)?;
                eprintln!("{outcome}");
                outcomes.push(outcome);
            }
        }
        Ok(outcomes)
    }

    fn file(&self, system: &str, change: Option<Change>) -> String {
        let change = change.map(|Change { kind, strength }| {
            let kind = kind.to_possible_value().map(|value| value.get_name().to_owned());
            format!("{}-{strength}", kind.unwrap_or_default())
        });
        let change = change.as_deref().unwrap_or("unchanged");
        format!("{}-{}-{}-{system}-{change}.json", self.set.name, self.limit, self.seed)
    }

    /// Trains a system on some of the good images and calibrates it on the others.
    fn calibrated(
        &self,
        trainer: &mut Option<Trainer<B>>,
        system: &str,
        config: &PipelineConfig,
    ) -> Result<Calibrated<B>, Box<dyn Error>> {
        let Distinct { files, .. } = distinct(self.images.clone());
        let HoldOut { training, calibration } = hold_out(files, HOLD_OUT, self.seed)?;
        let mut bar = Bar::new(&format!("{} {} {system}", self.set.name, self.seed));
        let mut show = |progress: &_| bar.show(progress);
        if let Some(known) = &*trainer
            && !known.suits(config)?
        {
            *trainer = None;
        }
        let trainer = match trainer {
            Some(trainer) => trainer,
            none => {
                let (storage, device) = (self.storage, self.device);
                let trainer =
                    Trainer::new(config, self.weights, &training, storage, device, &mut show)?;
                none.insert(trainer)
            }
        };
        let mut model = trainer.train(config, &mut show)?;
        let calibrated = model.calibrate(&calibration, None, &mut show)?;
        let (calibration_images, rate) = (calibrated.images(), calibrated.rate().get());
        bar.finish();
        Ok(Calibrated { model, train_images: trainer.images(), calibration_images, rate })
    }

    /// The test images after a change.
    fn changed(
        &self,
        change: Option<Change>,
        white_level: Option<u16>,
    ) -> Result<Changed, Box<dyn Error>> {
        let Some(change) = change else {
            return Ok(Changed { all: self.set.test.clone(), _folder: None });
        };
        let folder = tempfile::tempdir()?;
        let write = |(index, image): (usize, &LabelledImage)| {
            let to = folder.path().join(index.to_string());
            let noise = (self.seed << 32) | index as u64;
            write_changed(image, change, white_level, noise, &to)
                .map_err(|error| format!("{}: {error}", image.path.display()))
        };
        let all = self.set.test.par_iter().enumerate().map(write).collect::<Result<_, _>>()?;
        Ok(Changed { all, _folder: Some(folder) })
    }

    fn outcome(
        &self,
        system: &str,
        config: &PipelineConfig,
        change: Option<Change>,
        calibrated: &Calibrated<B>,
        images: &[LabelledImage],
    ) -> Result<Outcome, Box<dyn Error>> {
        let Calibrated { model, train_images, calibration_images, rate } = calibrated;
        let (mut good, mut defects) = (Flagged::default(), Flagged::default());
        let evaluation =
            evaluate(model, images, &Limits::default(), OnBadFile::Stop, &mut |tested, found| {
                let own = if tested.image.is_defect() { &mut defects } else { &mut good };
                own.images += 1;
                own.anomalous += usize::from(found.is_anomalous() == Some(true));
                own.not_located += usize::from(found.not_located().is_some());
                ControlFlow::Continue(())
            })?;
        Ok(Outcome {
            category: self.set.name.clone(),
            seed: self.seed,
            system: system.to_owned(),
            fingerprint: config.fingerprint(),
            limit: self.limit,
            change,
            train_images: *train_images,
            calibration_images: *calibration_images,
            rate: *rate,
            image_auroc: evaluation.image_metrics()?.auroc,
            aupro: evaluation.pixel_metrics()?.map(|pixel| pixel.aupro.value),
            good,
            defects,
        })
    }
}

impl Outcome {
    /// An outcome kept earlier, if it is of the same configuration and change.
    fn read(
        path: &Path,
        config: &PipelineConfig,
        limit: usize,
        change: Option<Change>,
    ) -> Option<Self> {
        let outcome: Self = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        let same = outcome.fingerprint == config.fingerprint()
            && outcome.limit == limit
            && outcome.change == change;
        same.then_some(outcome)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, seed {} {}, {}: image AUROC {:.4}, {} of {} good images and {} of {} defects flagged",
            self.category,
            self.seed,
            self.system,
            name(self.change),
            self.image_auroc,
            self.good.anomalous,
            self.good.images,
            self.defects.anomalous,
            self.defects.images,
        )
    }
}

impl Flagged {
    fn share(&self) -> f64 {
        self.anomalous as f64 / self.images.max(1) as f64
    }
}

/// Writes a test image and its masks as they are after a change, to files named by `to`.
fn write_changed(
    image: &LabelledImage,
    change: Change,
    white_level: Option<u16>,
    noise: u64,
    to: &Path,
) -> Result<LabelledImage, Box<dyn Error + Send + Sync>> {
    let limits = Limits::default();
    let loaded = load_rgb8(&image.path, &limits, white_level)?;
    let path = to.with_extension("bmp");
    change.image(&loaded, noise)?.save(&path)?;
    let mut masks = Vec::new();
    if !image.masks.is_empty() {
        let (width, height) = loaded.dimensions();
        let marked = load_masks(&image.masks, (width, height), &limits)?;
        let values = marked.into_iter().map(|marked| u8::from(marked) * 255).collect();
        let mask = GrayImage::from_vec(width, height, values).unwrap_or_default();
        let path = to.with_extension("mask.bmp");
        change.mask(&mask).save(&path)?;
        masks.push(path);
    }
    Ok(LabelledImage { path, masks, ..image.clone() })
}

/// What was changed, as tables call it.
fn name(change: Option<Change>) -> String {
    change.map_or("unchanged".to_owned(), |change| change.to_string())
}

/// Writes `tables.md`: what each change does to each system, over the categories and on each.
pub fn write(out: &Path, outcomes: &[Outcome], systems: &[&str]) -> Result<(), Box<dyn Error>> {
    let mut categories: Vec<&str> = Vec::new();
    for outcome in outcomes {
        if !categories.contains(&outcome.category.as_str()) {
            categories.push(&outcome.category);
        }
    }
    let all: Vec<&Outcome> = outcomes.iter().collect();
    let mut tables = String::from(
        "Image AUROC, AUPRO, and the good images and the defects that are called anomalous, in %. Masks move with the image; a \
         blur is in pixels of the image at 320 px a side.\n\n",
    );
    let mean = (categories.len() > 1).then(|| table("Mean of the categories", &all, systems));
    tables.extend(mean);
    for category in categories {
        let own: Vec<&Outcome> =
            outcomes.iter().filter(|outcome| outcome.category == category).collect();
        tables.push_str(&table(category, &own, systems));
    }
    fs::write(out.join("tables.md"), &tables)?;
    print!("{tables}");
    Ok(())
}

/// A change a row, a system a column: means over the outcomes of each.
fn table(title: &str, outcomes: &[&Outcome], systems: &[&str]) -> String {
    let mut columns = vec!["change"];
    columns.extend(systems);
    let mut rates: Vec<f64> = outcomes.iter().map(|outcome| 100.0 * outcome.rate).collect();
    rates.sort_unstable_by(f64::total_cmp);
    let asked = match (rates.first(), rates.last()) {
        (Some(least), Some(most)) if most - least >= 0.05 => format!("{least:.1} to {most:.1}"),
        (Some(rate), _) => format!("{rate:.1}"),
        _ => "-".to_owned(),
    };
    let mut table = header(&format!("{title}, {asked} % of false alarms asked"), &columns);
    let mut changes: Vec<Option<Change>> = Vec::new();
    for outcome in outcomes {
        if !changes.contains(&outcome.change) {
            changes.push(outcome.change);
        }
    }
    for change in changes {
        let _ = write!(table, "| {} |", name(change));
        for system in systems {
            let own = outcomes.iter().filter(|own| own.change == change && own.system == *system);
            let own: Vec<&Outcome> = own.copied().collect();
            let mean = |of: fn(&Outcome) -> Option<f64>, digits: usize| {
                let values: Vec<f64> = own.iter().filter_map(|own| of(own)).collect();
                match values.len() {
                    0 => "-".to_owned(),
                    count => {
                        format!("{:.digits$}", 100.0 * values.iter().sum::<f64>() / count as f64)
                    }
                }
            };
            let _ = write!(
                table,
                " {}, {}, {}, {} |",
                mean(|own| Some(own.image_auroc), 1),
                mean(|own| own.aupro, 1),
                mean(|own| Some(own.good.share()), 0),
                mean(|own| Some(own.defects.share()), 0),
            );
        }
        table.push('\n');
    }
    table + "\n"
}

#[cfg(test)]
mod tests {
    use nfbmr::config::{AlignmentMotion, Augmentation};
    use nfbmr::data::{DatasetOptions, Layout, datasets};
    use nfbmr::{System, weights};
    use nfbmr_backend::Cpu;
    use nfbmr_synthetic::{Counts, PartClass, write_mvtec};

    use super::*;

    fn outcome(system: &str, change: Option<Change>, anomalous: usize) -> Outcome {
        Outcome {
            category: "gear".to_owned(),
            seed: 0,
            system: system.to_owned(),
            fingerprint: PipelineConfig::default().fingerprint(),
            limit: 10,
            change,
            train_images: 8,
            calibration_images: 2,
            rate: 1.0 / 3.0,
            image_auroc: 0.875,
            aupro: None,
            good: Flagged { images: 4, anomalous, not_located: 0 },
            defects: Flagged { images: 4, anomalous: 4, not_located: 0 },
        }
    }

    #[test]
    fn a_change_is_a_row_and_a_system_a_column() {
        let darker = Some(Change { kind: Kind::Brightness, strength: 0.9 });
        let outcomes = [
            outcome("nf", None, 0),
            outcome("padim", None, 1),
            outcome("nf", darker, 2),
            Outcome { aupro: Some(0.5), ..outcome("nf", darker, 4) },
        ];
        let outcomes: Vec<&Outcome> = outcomes.iter().collect();
        let expected = "\
            ## gear, 33.3 % of false alarms asked\n\n\
            | change | nf | padim |\n\
            |---|---|---|\n\
            | unchanged | 87.5, -, 0, 100 | 87.5, -, 25, 100 |\n\
            | brightness x 0.9 | 87.5, 50.0, 75, 100 | -, -, -, - |\n\n";
        assert_eq!(table("gear", &outcomes, &["nf", "padim"]), expected);
    }

    #[test]
    fn a_kept_outcome_is_of_its_configuration_and_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept.json");
        let darker = Some(Change { kind: Kind::Brightness, strength: 0.9 });
        let kept = outcome("nf", darker, 1);
        write_whole(&path, &serde_json::to_string(&kept).unwrap()).unwrap();
        let config = PipelineConfig::default();
        assert_eq!(Outcome::read(&path, &config, 10, darker), Some(kept));
        let lighter = Some(Change { kind: Kind::Brightness, strength: 1.1 });
        let mut other = config.clone();
        other.seed = 1;
        assert_eq!(Outcome::read(&path, &config, 10, lighter), None);
        assert_eq!(Outcome::read(&path, &config, 10, None), None);
        assert_eq!(Outcome::read(&path, &config, 11, darker), None);
        assert_eq!(Outcome::read(&path, &other, 10, darker), None);
    }

    #[test]
    fn a_changed_image_has_one_mask_that_moved_along() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let dots = [("image.png", 10), ("a.png", 10), ("b.png", 20)];
        for (name, x) in dots {
            let mut dot = GrayImage::new(40, 20);
            dot.put_pixel(x, 5, image::Luma([255]));
            dot.save(file(name)).unwrap();
        }
        let masks = vec![file("a.png"), file("b.png")];
        let defect = LabelledImage { masks, ..LabelledImage::normal(file("image.png")) };
        let right = Change { kind: Kind::Shift, strength: 5.0 };
        let moved = write_changed(&defect, right, None, 0, &file("0")).unwrap();
        let marked = load_masks(&moved.masks, (40, 20), &Limits::default()).unwrap();
        let marked: Vec<usize> = (0..marked.len()).filter(|&pixel| marked[pixel]).collect();
        assert_eq!((moved.masks.len(), marked), (1, vec![5 * 40 + 12, 5 * 40 + 22]));
        let image = load_rgb8(&moved.path, &Limits::default(), None).unwrap();
        assert_eq!((image.get_pixel(12, 5).0, image.get_pixel(10, 5).0), ([255; 3], [0; 3]));
        assert_eq!(moved.label, defect.label);
    }

    #[test]
    fn a_system_is_tested_after_each_change_once() {
        let folder = tempfile::tempdir().unwrap();
        let counts = Counts { train: 30, test_good: 6, test_defect: 6 };
        let gear = nfbmr_synthetic::Kind::Part(PartClass::Gear);
        write_mvtec(folder.path().join("gear"), gear, &counts, 64, 0).unwrap();
        let sets = datasets(folder.path(), Layout::Mvtec, &DatasetOptions::default()).unwrap();
        let mut config = PipelineConfig::default();
        config.input_size = 64;
        config.alignment.motion = AlignmentMotion::Off;
        config.augmentation = Augmentation::Off;
        let config = config.with_system(System::Padim).unwrap();
        let line = Line::<Cpu> {
            set: &sets[0],
            images: sets[0].train.iter().map(|image| image.path.clone()).collect(),
            limit: 30,
            seed: 0,
            systems: vec![("padim", config)],
            weights: weights::embedded(),
            storage: &TrainingStorage::default(),
            device: &Default::default(),
            kept: folder.path().to_owned(),
        };
        let kinds = [Kind::WhiteBalance, Kind::Turn];
        let outcomes = line.outcomes(&kinds).unwrap();
        assert_eq!(outcomes.len(), 1 + 3 + 3);
        for outcome in &outcomes {
            assert_eq!((outcome.train_images, outcome.calibration_images), (24, 6));
            assert_eq!((outcome.good.images, outcome.defects.images), (6, 6));
            assert!(outcome.aupro.is_some());
        }
        let unchanged = &outcomes[0];
        assert!(unchanged.change.is_none() && unchanged.good.anomalous <= 2, "{unchanged}");
        // A map that is moved as far as the defect finds it all the same.
        let turned = outcomes.last().unwrap();
        assert!(turned.aupro.unwrap() > unchanged.aupro.unwrap() - 0.2, "{turned:?}");
        // Of another colour cast all good ones are anomalous.
        assert_eq!(outcomes[3].good.anomalous, 6, "{}", outcomes[3]);

        // A second time nothing is computed.
        fs::remove_dir_all(folder.path().join("gear")).unwrap();
        assert_eq!(line.outcomes(&kinds).unwrap(), outcomes);
    }
}
