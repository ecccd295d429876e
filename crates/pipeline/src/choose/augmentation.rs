//! Which copies of the images are trained on: those with which good images that are left out are likeliest.
//!
//! The images that are left out are as they are, without copies, and so are their features with each choice: the densities
//! can be compared.

use std::fmt;

use burn::tensor::Tensor;
use image::DynamicImage;
use nfbmr_backend::Backend;
use nfbmr_whitening::{WhiteningConfig, WhiteningError, WhiteningFit};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::PipelineError;
use crate::features::{Cnn, FeatureExtractor};
use crate::input::{Augmentation, Images, Input, to_tensor};

/// With more images than this there are no copies.
const MOST: usize = 32;
/// Folds that images are left out by.
const FOLDS: usize = 4;
/// Copies are made where images are likelier with them by so many standard errors.
const ERRORS: f64 = 2.0;

/// What can be chosen, and the places of its copies among those of [`Augmentation::All`].
const CHOICES: [(Augmentation, &[usize]); 5] = [
    (Augmentation::Off, &[0]),
    (Augmentation::Mirror, &[0, 1]),
    (Augmentation::HalfTurn, &[0, 4]),
    (Augmentation::QuarterTurns, &[0, 2, 4, 6]),
    (Augmentation::All, &[0, 1, 2, 3, 4, 5, 6, 7]),
];

/// What `augmentation = auto` chose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AugmentationChoice {
    /// The choice.
    pub chosen: Augmentation,
    /// Why.
    pub reason: AugmentationReason,
    /// What was tried, off first.
    pub tried: Vec<AugmentationTrial>,
}

/// Why copies are made or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AugmentationReason {
    /// There are enough images.
    EnoughImages,
    /// Tiles are cut of copies of the whole image.
    Tiles,
    /// Images that are left out are likelier, or not by enough.
    LeftOut,
}

/// How copies do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AugmentationTrial {
    /// The copies.
    pub augmentation: Augmentation,
    /// The mean negative log-likelihood of an image that is left out, in nats a value of its features; `None` where too few
    /// images are left for a covariance.
    pub nll: Option<f64>,
}

impl fmt::Display for AugmentationChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chosen, reason, tried } = self;
        write!(f, "{chosen}, ")?;
        match reason {
            AugmentationReason::EnoughImages => {
                write!(f, "as there are more than {MOST} images")
            }
            AugmentationReason::Tiles => f.write_str("as tiles are many images already"),
            AugmentationReason::LeftOut => {
                f.write_str("by the negative log-likelihood of good images that are left out:")?;
                for (index, AugmentationTrial { augmentation, nll }) in tried.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    match nll {
                        Some(nll) => write!(f, "{comma} {nll:.3} ({augmentation})")?,
                        None => write!(f, "{comma} none ({augmentation})")?,
                    }
                }
                Ok(())
            }
        }
    }
}

/// Which copies to train on.
pub(super) fn choose<B: Backend>(
    input: Input,
    source: &Cnn<B>,
    images: Images<'_>,
    device: &B::Device,
) -> Result<AugmentationChoice, PipelineError> {
    let off = |reason| {
        let chosen = Augmentation::Off;
        Ok(AugmentationChoice { chosen, reason, tried: Vec::new() })
    };
    if images.len() > MOST {
        return off(AugmentationReason::EnoughImages);
    }
    if input.tiles.is_some() {
        return off(AugmentationReason::Tiles);
    }
    let input = Input { augmentation: Augmentation::All, ..input };
    let none = || PipelineError::Config("expected features, found none".to_owned());
    let level = source.levels().last().ok_or_else(none)?;
    // The features of all copies of each image, a batch of copies.
    let features = images.map_some(MOST, 0, &input, |image| {
        let copies = input.training_image(&DynamicImage::from(image))?.copies;
        let own = |image| Ok(source.extract(to_tensor(&[image], device))?.pop());
        let features: Vec<Option<Tensor<B, 4>>> =
            copies.into_par_iter().map(own).collect::<Result<_, PipelineError>>()?;
        features.into_iter().collect::<Option<Vec<_>>>().ok_or_else(none)
    })?;
    let features: Vec<Vec<Tensor<B, 4>>> = features.into_iter().collect::<Result<_, _>>()?;
    let folds = FOLDS.min(features.len());
    let mut tried: Vec<(AugmentationTrial, Vec<f64>)> = Vec::new();
    for (augmentation, places) in CHOICES {
        // Copies of an image are no further images: the covariance over all positions counts as much with them.
        let mut config = WhiteningConfig::default();
        config.prior *= places.len() as f64;
        let mut left_out = vec![0.0; features.len()];
        let mut too_few = false;
        for fold in 0..folds {
            let mut fit = WhiteningFit::new(&config, &level.block_channels, level.grid, 1)?;
            for (_, copies) in
                features.iter().enumerate().filter(|(index, _)| index % folds != fold)
            {
                let copies = places.iter().filter_map(|&place| copies.get(place).cloned());
                fit.add(Tensor::cat(copies.collect(), 0), 0)?;
            }
            let whitening = match fit.finish::<B>(device) {
                Err(WhiteningError::TooFewImages { .. }) => {
                    too_few = true;
                    break;
                }
                whitening => whitening?,
            };
            for ((index, copies), nll) in features.iter().enumerate().zip(&mut left_out) {
                if index % folds == fold {
                    let image = copies.first().cloned().ok_or_else(none)?;
                    *nll = whitening.nll(image)?.into_iter().sum();
                }
            }
        }
        let mean = left_out.iter().sum::<f64>() / left_out.len().max(1) as f64;
        let nll = (!too_few).then_some(mean);
        tried.push((AugmentationTrial { augmentation, nll }, left_out));
    }
    let mut best: Option<&(AugmentationTrial, Vec<f64>)> = None;
    for trial in tried.iter().filter(|trial| trial.0.nll.is_some()) {
        if best.is_none_or(|best| is_likelier(&trial.1, &best.1)) {
            best = Some(trial);
        }
    }
    let chosen = best.map_or(Augmentation::Off, |best| best.0.augmentation);
    let tried = tried.into_iter().map(|trial| trial.0).collect();
    Ok(AugmentationChoice { chosen, reason: AugmentationReason::LeftOut, tried })
}

/// Whether images are likelier, pair by pair.
fn is_likelier(found: &[f64], best: &[f64]) -> bool {
    let count = found.len() as f64;
    let gains: Vec<f64> = best.iter().zip(found).map(|(best, found)| best - found).collect();
    let mean = gains.iter().sum::<f64>() / count;
    let squares: f64 = gains.iter().map(|gain| (gain - mean).powi(2)).sum();
    let error = (squares / (count - 1.0).max(1.0) / count).sqrt();
    mean > 0.0 && mean > ERRORS * error
}
