//! The file of a cross-fitted model: one safetensors file with the model file of each fold as a tensor of
//! bytes, and all else as JSON in a metadata entry.

use std::collections::BTreeSet;
use std::path::Path;

use nfbmr_backend::Backend;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use super::envelope::{BACKBONE, FOLDS, FORMAT_VERSION, TARGET_BACKBONE, at, check_dtype, open};
use super::trainer::load_cnns;
use super::{CrossFitted, ModelInfo, Pipeline, StoredBackbone, model_file};
use crate::calibrate::{Calibration, CrossCalibration};
use crate::error::{ModelError, PipelineError};
use crate::features::BackboneWeights;
use crate::file::{CHECKSUM, seal};
use crate::input::TrainedOn;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    format_version: u64,
    folds: usize,
    calibration: CrossCalibration,
}

/// The name of a fold's tensor.
fn tensor(fold: usize) -> String {
    format!("fold.{fold}")
}

impl<B: Backend> CrossFitted<B> {
    /// Writes all models and the calibration to one safetensors file, atomically; the backbone's weights are in
    /// it once, or referred to.
    ///
    /// # Errors
    /// [`PipelineError::Model`]; a file that was there before stays intact then.
    pub fn save(
        &self,
        path: impl AsRef<Path>,
        backbone: StoredBackbone,
    ) -> Result<(), PipelineError> {
        let write = |path: &Path| Ok(nfbmr_files::write(path, &to_bytes(self, backbone)?)?);
        at(path.as_ref(), write)
    }

    /// Reads a file of [`Self::save`]. `weights` are those of the backbone, for a file that doesn't include them.
    ///
    /// # Errors
    /// As [`Pipeline::load`].
    pub fn load(
        path: impl AsRef<Path>,
        weights: Option<&BackboneWeights>,
        device: &B::Device,
    ) -> Result<Self, PipelineError> {
        B::probe(device)?;
        at(path.as_ref(), |path| from_bytes(&nfbmr_files::read(path)?, weights, device))
    }
}

/// The content of a file; the weights of the backbone are in it once, or not at all.
pub(crate) fn to_bytes<B: Backend>(
    model: &CrossFitted<B>,
    backbone: StoredBackbone,
) -> Result<Vec<u8>, ModelError> {
    let CrossFitted { models, calibration, suspects: _ } = model;
    let calibration = calibration.cross().ok_or_else(|| ModelError::Folds {
        expected: "the calibration of folds",
        found: "that of one model".to_owned(),
    })?;
    let metadata = serde_json::to_string(&Metadata {
        format_version: FORMAT_VERSION,
        folds: models.len(),
        calibration: calibration.clone(),
    })?;
    let mut contents = Vec::with_capacity(models.len() + 2);
    for (fold, model) in models.iter().enumerate() {
        contents.push((tensor(fold), model_file::to_bytes(model, StoredBackbone::Referred)?));
    }
    let backbones = match backbone {
        StoredBackbone::Referred => Vec::new(),
        StoredBackbone::Included => model_file::backbones(&models[0])?,
    };
    let contents = contents.iter().map(|(name, bytes)| (name.as_str(), &bytes[..]));
    let backbones = backbones.into_iter().map(|(name, weights)| (name, weights.as_bytes()));
    let mut tensors = Vec::with_capacity(models.len() + 3);
    for (name, bytes) in contents.chain(backbones) {
        tensors.push((name, TensorView::new(Dtype::U8, vec![bytes.len()], bytes)?));
    }
    Ok(seal(FOLDS, metadata, tensors)?)
}

/// A file whose checksum fits, and whose tensors are those of its folds.
struct Opened<'a> {
    calibration: CrossCalibration,
    folds: Vec<&'a [u8]>,
    backbone: Option<&'a [u8]>,
    target_backbone: Option<&'a [u8]>,
}

impl<'a> Opened<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, ModelError> {
        let (metadata, tensors): (Metadata, SafeTensors<'a>) = open(bytes, FOLDS)?;
        let Metadata { folds, calibration, .. } = metadata;
        let calibrated = calibration.image_scores().folds().len();
        if folds != calibrated {
            let expected = "as many folds as there are scores of";
            return Err(ModelError::Folds { expected, found: format!("{folds} and {calibrated}") });
        }
        let mut opened =
            Self { calibration, folds: Vec::new(), backbone: None, target_backbone: None };
        let mut others: BTreeSet<&str> = tensors.names().into_iter().collect();
        others.remove(CHECKSUM);
        let mut take = |name: &str| -> Result<Option<&'a [u8]>, ModelError> {
            if !others.remove(name) {
                return Ok(None);
            }
            let view = tensors.tensor(name)?;
            check_dtype(name, &view, Dtype::U8, "U8")?;
            Ok(Some(view.data()))
        };
        for fold in 0..folds {
            let missing = || ModelError::Folds {
                expected: "a model for each fold",
                found: format!("none for fold {fold}"),
            };
            opened.folds.push(take(&tensor(fold))?.ok_or_else(missing)?);
        }
        opened.backbone = take(BACKBONE)?;
        opened.target_backbone = take(TARGET_BACKBONE)?;
        match others.first() {
            Some(other) => {
                let expected = "models of the folds and backbones alone";
                Err(ModelError::Folds { expected, found: format!("the tensor {other}") })
            }
            None => Ok(opened),
        }
    }
}

pub(crate) fn info(bytes: &[u8]) -> Result<ModelInfo, ModelError> {
    let Opened { calibration, folds, backbone, .. } = Opened::new(bytes)?;
    let mut infos = Vec::with_capacity(folds.len());
    for (fold, content) in folds.into_iter().enumerate() {
        infos.push(model_file::info(content).map_err(|source| of_fold(fold, source))?);
    }
    let images = infos.iter().map(|(_, images)| images);
    let images = images.flat_map(TrainedOn::fingerprints).copied();
    let training_images = images.collect::<BTreeSet<_>>().len();
    let mut infos = infos.into_iter().map(|(info, _)| info);
    let Some(first) = infos.next() else {
        return Err(ModelError::Folds {
            expected: "a model for each fold",
            found: "none".to_owned(),
        });
    };
    for (fold, other) in (1..).zip(infos) {
        let same = other.config == first.config && other.backbone_sha256 == first.backbone_sha256;
        check_alike(fold, same, other.calibration.is_none())?;
    }
    Ok(ModelInfo {
        format_version: FORMAT_VERSION,
        bytes: bytes.len() as u64,
        training_images,
        calibration: Some(Calibration::Cross(calibration)),
        backbone_included: backbone.is_some(),
        ..first
    })
}

pub(crate) fn from_bytes<B: Backend>(
    bytes: &[u8],
    weights: Option<&BackboneWeights>,
    device: &B::Device,
) -> Result<CrossFitted<B>, ModelError> {
    let Opened { calibration, folds, backbone, target_backbone } = Opened::new(bytes)?;
    let included = backbone.map(|backbone| {
        let own = |bytes: &[u8]| BackboneWeights::new(bytes.to_vec());
        match target_backbone {
            Some(target) => own(backbone).with_target(own(target)),
            None => own(backbone),
        }
    });
    let weights = included.as_ref().or(weights);
    let mut models: Vec<Pipeline<B>> = Vec::with_capacity(folds.len());
    // Loaded once: all folds have the same, and a small file can't ask for many.
    let mut cnns = None;
    for (fold, content) in folds.into_iter().enumerate() {
        let model = model_file::from_bytes_with(
            content,
            weights,
            |extraction, weights| match &cnns {
                Some(loaded) => Ok(Clone::clone(loaded)),
                None => Ok(cnns.insert(load_cnns(extraction, weights, device)?).clone()),
            },
            device,
        );
        let model = model.map_err(|source| of_fold(fold, source))?;
        let first = models.first().unwrap_or(&model);
        let same = model.config() == first.config()
            && model.backbone_weights().sha256() == first.backbone_weights().sha256();
        check_alike(fold, same, model.calibration().is_none())?;
        models.push(model);
    }
    Ok(CrossFitted { models, calibration: Calibration::Cross(calibration), suspects: None })
}

fn of_fold(fold: usize, source: ModelError) -> ModelError {
    match source {
        // All folds have one backbone.
        source @ ModelError::Backbone { .. } => source,
        source => ModelError::Fold { fold, source: Box::new(source) },
    }
}

/// Of the model of a fold: whether it is as the first, and not calibrated by itself.
fn check_alike(fold: usize, same: bool, uncalibrated: bool) -> Result<(), ModelError> {
    let (expected, what) = match (same, uncalibrated) {
        (true, true) => return Ok(()),
        (false, _) => ("models of one configuration and backbone", "another"),
        (true, false) => ("models that aren't calibrated by themselves", "one that is"),
    };
    Err(ModelError::Folds { expected, found: format!("{what} in fold {fold}") })
}
