//! The training of a model for each fold.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use nfbmr_backend::Backend;
use nfbmr_calibration::{CalibrationError, FalseAlarmRate};
use nfbmr_data::{HoldOutBy, shuffle};

use super::calibrate::scores;
use super::{CrossFitted, Pipeline, Trainer};
use crate::calibrate::{Calibration, CrossCalibration, Suspect, far_out};
use crate::error::{CalibrateError, ImageName, Phase, PipelineError};
use crate::input::{Fingerprint, Images};
use crate::progress::{ProgressFn, Reporter, of_fold};

/// How images are divided to train a [`CrossFitted`] model, and what is asked of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CrossFitting {
    /// The number of folds, and of models: at least 2. Where it divides the number of images, none is left
    /// over; folds of one or two images have the bound of twice the rate.
    pub folds: usize,
    /// The false-alarm rate; `None` asks for 5 %, or the smallest that the images of the folds support.
    pub rate: Option<FalseAlarmRate>,
    /// Which images are in one fold together: then folds are of equally many groups, and these of equally many
    /// images.
    pub hold_out_by: HoldOutBy,
}

impl CrossFitting {
    /// Folds of images, each drawn by itself.
    pub fn new(folds: usize, rate: Option<FalseAlarmRate>) -> Self {
        Self { folds, rate, hold_out_by: HoldOutBy::Image }
    }

    /// The same with what is in one fold together.
    #[must_use]
    pub fn hold_out_by(self, by: HoldOutBy) -> Self {
        Self { hold_out_by: by, ..self }
    }

    /// That so many different images make the folds, and support the rate; training checks it too.
    ///
    /// # Errors
    /// [`PipelineError::Calibration`] for fewer than two folds, for fewer images than folds or than three, and
    /// for a rate that the images of the folds don't support.
    pub fn check(&self, images: usize) -> Result<(), PipelineError> {
        let Self { folds, rate, .. } = *self;
        if folds < 2 {
            return Err(CalibrateError::from(CalibrationError::TooFewFolds { found: folds }).into());
        }
        // Each fold has an image, and each model two to train on.
        let needed = folds.max(3);
        if images < needed {
            return Err(CalibrateError::TooFewForFolds { folds, needed, found: images }.into());
        }
        let held_out = images / folds * folds;
        if let Some(rate) = rate {
            rate.check(held_out).map_err(CalibrateError::from)?;
        }
        Ok(())
    }

    /// The checkpoints of the folds, in their order, where `path` is that of the storage: files beside it with
    /// the number of the fold, from 1, added to its name.
    pub fn checkpoints(&self, path: &Path) -> Vec<PathBuf> {
        (1..=self.folds).map(|fold| path.with_added_extension(fold.to_string())).collect()
    }
}

impl<B: Backend> CrossFitted<B> {
    /// Trains one model for each fold of images of good parts, on all images but those of the fold, which it
    /// scores then.
    ///
    /// The folds are of one size and drawn by the seed of the configuration, by the places of the images in
    /// their order and nothing else; images left over by equal folds are trained on by all models and held
    /// out by none. Contents that repeat (the same pixels at the network's size) count once, in training
    /// too. Each model is trained on its images in the order of their fingerprints, so that it depends on
    /// which they are, and not on their order. `images` are those of the trainer once more, in the same order;
    /// [`CrossFitting::checkpoints`] takes the place of its checkpoint.
    ///
    /// # Errors
    /// [`PipelineError::Calibration`] for fewer than two folds, for fewer different images than folds or than
    /// three, for a rate that the images of the folds don't support, for a score that isn't finite, and for
    /// images that changed meanwhile; otherwise as [`Trainer::train`].
    pub fn train<'a>(
        trainer: Trainer<B>,
        images: impl Into<Images<'a>>,
        fitting: &CrossFitting,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Self, PipelineError> {
        // Bad files were told when features were extracted.
        let (images, mut skipped) = (images.into(), Vec::new());
        let CrossFitting { folds, rate, .. } = *fitting;
        let config = trainer.config();
        let contents = trainer.contents();
        let mut seen = HashSet::new();
        let distinct: Vec<usize> =
            (0..contents.len()).filter(|&image| seen.insert(contents[image])).collect();
        fitting.check(distinct.len())?;
        let fold_of = folds_of(&distinct, trainer.names(), fitting, config.seed)?;
        let drawn = || distinct.iter().copied().zip(fold_of.iter().copied());

        let checkpoints =
            trainer.checkpoint().map(|path| fitting.checkpoints(path)).unwrap_or_default();
        let mut models = Vec::new();
        for fold in 0..folds {
            let trained_on = drawn().filter(|(_, of)| *of != Some(fold));
            let mut trained_on: Vec<usize> = trained_on.map(|(image, _)| image).collect();
            trained_on.sort_unstable_by_key(|&image| contents[image]);
            let mut part = trainer.part(&trained_on, checkpoints.get(fold).cloned());
            models.push(part.train(config, &mut of_fold((fold + 1, folds), progress))?);
        }
        let held_out = drawn().filter_map(|(image, fold)| Some((contents[image], fold?))).collect();
        drop(trainer);
        let (calibration, suspects) =
            calibrate(&models, images.again(&mut skipped), held_out, rate, progress)?;
        tracing::info!(folds, images = calibration.images(), "cross-fitted");
        Ok(Self { models, calibration, suspects })
    }
}

/// The fold of each of the images, by their places among all; none for those left over by equal folds.
fn folds_of(
    images: &[usize],
    names: &[ImageName],
    fitting: &CrossFitting,
    seed: u64,
) -> Result<Vec<Option<usize>>, PipelineError> {
    let CrossFitting { folds, hold_out_by, .. } = fitting;
    if *hold_out_by == HoldOutBy::Image {
        return Ok(draw(images.len(), *folds, seed));
    }
    let key = |image: &usize| match names.get(*image) {
        Some(ImageName::Path(path)) => hold_out_by.key(path),
        _ => image.to_string(),
    };
    let keys: Vec<String> = images.iter().map(key).collect();
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    keys.iter().for_each(|key| *sizes.entry(key).or_default() += 1);
    let (least, most) = (sizes.values().min(), sizes.values().max());
    if sizes.len() < *folds || least != most {
        let found = format!(
            "{} of {} to {} images",
            sizes.len(),
            least.copied().unwrap_or_default(),
            most.copied().unwrap_or_default()
        );
        return Err(CalibrateError::Groups { folds: *folds, found }.into());
    }
    let groups: Vec<&str> = sizes.into_keys().collect();
    let fold_of = draw(groups.len(), *folds, seed);
    let fold = |key: &String| groups.binary_search(&key.as_str()).ok().and_then(|at| fold_of[at]);
    Ok(keys.iter().map(fold).collect())
}

/// The fold of each image; none of those left over by equal folds.
fn draw(images: usize, folds: usize, seed: u64) -> Vec<Option<usize>> {
    let mut order: Vec<usize> = (0..images).collect();
    shuffle(&mut order, seed);
    let mut fold_of = vec![None; images];
    let size = images / folds;
    for (place, image) in order.into_iter().enumerate() {
        fold_of[image] = Some(place / size).filter(|&fold| fold < folds);
    }
    fold_of
}

/// The calibration by the images that each fold holds out, by their contents, and those of them that are far out.
fn calibrate<B: Backend>(
    models: &[Pipeline<B>],
    images: Images<'_>,
    mut held_out: HashMap<Fingerprint, usize>,
    rate: Option<FalseAlarmRate>,
    progress: &mut ProgressFn<'_>,
) -> Result<(Calibration, Option<Vec<Suspect>>), PipelineError> {
    let names = images.names();
    let mut reporter = Reporter::new(Phase::Calibration, 1, images.len(), progress);
    let mut image_scores = vec![Vec::new(); models.len()];
    let mut pixel_scores = vec![Vec::new(); models.len()];
    let (mut named, mut not_located) = (Vec::new(), Vec::new());
    images.try_for_decoded(&models[0].input, |images, indices, seen| {
        for (image, &index) in images.iter().zip(indices) {
            let content = models[0].input.content(image)?;
            // Removed, so that contents which repeat count once.
            let Some(fold) = held_out.remove(&content) else { continue };
            let detection = models[fold].detect(image)?;
            let (score, pixel) = scores(&detection, || names.get(index))?;
            image_scores[fold].push(score);
            named.push((names.get(index), f64::from(detection.score)));
            not_located.extend(detection.not_located().map(|_| index));
            pixel_scores[fold].push(pixel);
        }
        reporter.advance(seen)
    })?;
    if !held_out.is_empty() {
        return Err(CalibrateError::ImagesChanged { missing: held_out.len() }.into());
    }
    let folds = pixel_scores.into_iter();
    let pixel_scores = folds.map(|fold: Vec<Option<f32>>| fold.into_iter().collect()).collect();
    let calibration = CrossCalibration::new(image_scores, pixel_scores, rate);
    let calibration = calibration.map_err(CalibrateError::from)?;
    if let Some(&first) = not_located.first() {
        let lost =
            calibration.verdict(&vec![f32::MAX; models.len()]).map_err(CalibrateError::from)?;
        let rate = calibration.rate();
        if lost.p_value > rate.get() {
            let (found, images, first) = (not_located.len(), named.len(), names.get(first));
            return Err(CalibrateError::NotLocated { found, images, first, rate }.into());
        }
    }
    Ok((Calibration::Cross(calibration), far_out(&named)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_are_equal_and_drawn_by_the_seed() {
        for (images, folds, size) in [(12, 4, 3), (13, 4, 3), (20, 10, 2), (3, 2, 1), (7, 7, 1)] {
            let fold_of = draw(images, folds, 5);
            let members = |fold| fold_of.iter().filter(|&&of| of == fold).count();
            assert!((0..folds).all(|fold| members(Some(fold)) == size), "{fold_of:?}");
            assert_eq!(members(None), images - folds * size);
        }
        assert_eq!(draw(20, 5, 1), draw(20, 5, 1));
        assert_ne!(draw(20, 5, 1), draw(20, 5, 2));
    }

    #[test]
    fn frames_of_a_part_are_in_one_fold() {
        let name =
            |index: usize| ImageName::Path(format!("p{}_f{}.png", index / 3, index % 3).into());
        let names: Vec<ImageName> = (0..12).map(name).collect();
        let by = |pattern: &str, folds| CrossFitting {
            hold_out_by: pattern.parse().unwrap(),
            ..CrossFitting::new(folds, None)
        };
        let images: Vec<usize> = (0..12).collect();
        let fold_of = folds_of(&images, &names, &by(r"^(p\d+)_", 2), 5).unwrap();
        assert!(fold_of.chunks(3).all(|part| part[0] == part[1] && part[1] == part[2]));
        let in_first = fold_of.iter().filter(|fold| **fold == Some(0)).count();
        assert_eq!((in_first, fold_of.contains(&None)), (6, false));
        let error = folds_of(&images[1..], &names, &by(r"^(p\d+)_", 2), 5).unwrap_err();
        assert!(error.to_string().contains("4 of 2 to 3 images"), "{error}");
        assert!(folds_of(&images, &names, &by(r"^(p\d+)_", 5), 5).is_err());
    }
}
