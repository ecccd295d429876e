//! The file of the model of one training: one safetensors file with the networks as tensors and all else as JSON
//! in a metadata entry.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::TensorData;
use nfbmr_backend::Backend;
use nfbmr_pose::{Template, TemplateFacts};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::envelope::{BACKBONE, FORMAT_VERSION, MODEL, TARGET_BACKBONE, at, check_dtype, open};
use super::trainer::load_cnns;
use super::{ModelInfo, Pipeline, StoredBackbone};
use crate::calibrate::{Calibration, SplitCalibration};
use crate::choose::Choices;
use crate::config::PipelineConfig;
use crate::error::{ModelError, PipelineError};
use crate::features::{BackboneWeights, Cnn, Extraction};
use crate::file::{CHECKSUM, Learned, seal, values};
use crate::input::{AlignmentMotion, Fingerprint, TrainedOn};
use crate::systems::{LearnedSize, Settings, Setup};

/// The tensors of the fingerprints of the training images, and of those of the calibration.
const TRAINED_ON: &str = "trained_on";
const CALIBRATED_ON: &str = "calibrated_on";
/// The values of the template of an alignment.
const TEMPLATE: &str = "template";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    format_version: u64,
    config: PipelineConfig,
    /// What training chose of what its configuration left open.
    #[serde(default)]
    choices: Choices,
    /// The template of an alignment, besides its values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    template: Option<TemplateFacts>,
    /// What the system has learnt besides parameters of networks.
    constants: Map<String, Value>,
    calibration: Option<SplitCalibration>,
    backbone_sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target_backbone_sha256: Option<String>,
}

impl<B: Backend> Pipeline<B> {
    /// Writes the model to one safetensors file, atomically.
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

    /// Reads a model file. `weights` are those of the backbone, for a file that doesn't include them.
    ///
    /// # Errors
    /// [`PipelineError::Device`] for a device that isn't there, otherwise [`PipelineError::Model`] with
    /// the path and what is wrong.
    pub fn load(
        path: impl AsRef<Path>,
        weights: Option<&BackboneWeights>,
        device: &B::Device,
    ) -> Result<Self, PipelineError> {
        B::probe(device)?;
        at(path.as_ref(), |path| from_bytes(nfbmr_files::read(path)?, weights, device))
    }
}

/// The content of a model file.
pub(crate) fn to_bytes<B: Backend>(
    pipeline: &Pipeline<B>,
    backbone: StoredBackbone,
) -> Result<Vec<u8>, ModelError> {
    let target = target_weights(pipeline)?;
    let mut learned = Learned::default();
    pipeline.head.store(&mut learned)?;
    let (parameters, constants) = learned.into_parts();
    let template = pipeline.input.template.as_deref().map(Template::parts);
    let metadata = Metadata {
        format_version: FORMAT_VERSION,
        config: pipeline.config.clone(),
        choices: pipeline.choices.clone(),
        template: template.as_ref().map(|(facts, _)| (*facts).clone()),
        constants,
        calibration: pipeline.calibration().and_then(Calibration::split).cloned(),
        backbone_sha256: pipeline.weights.sha256().to_owned(),
        target_backbone_sha256: target.map(|weights| weights.sha256().to_owned()),
    };
    let metadata = serde_json::to_string(&metadata)?;
    let mut tensors = Vec::with_capacity(parameters.len() + 4);
    let values = template.map(|(_, values)| TensorData::new(values.clone(), [values.len()]));
    if let Some(values) = &values {
        let shape = values.shape.to_vec();
        tensors.push((TEMPLATE, TensorView::new(Dtype::F32, shape, values.as_bytes())?));
    }
    for (name, data) in &parameters {
        let shape = data.shape.to_vec();
        tensors.push((name.as_str(), TensorView::new(Dtype::F32, shape, data.as_bytes())?));
    }
    for (name, images) in
        [(TRAINED_ON, &pipeline.trained_on), (CALIBRATED_ON, &pipeline.calibrated_on)]
    {
        let rows = images.fingerprints();
        let shape = vec![rows.len(), size_of::<Fingerprint>()];
        tensors.push((name, TensorView::new(Dtype::U8, shape, rows.as_flattened())?));
    }
    if backbone == StoredBackbone::Included {
        for (name, weights) in backbones(pipeline)? {
            let bytes = weights.as_bytes();
            tensors.push((name, TensorView::new(Dtype::U8, vec![bytes.len()], bytes)?));
        }
    }
    Ok(seal(MODEL, metadata, tensors)?)
}

/// The weights that the model needs, by the name of their tensor.
pub(crate) fn backbones<B: Backend>(
    pipeline: &Pipeline<B>,
) -> Result<Vec<(&'static str, &BackboneWeights)>, ModelError> {
    let mut backbones = vec![(BACKBONE, &pipeline.weights)];
    backbones.extend(target_weights(pipeline)?.map(|target| (TARGET_BACKBONE, target)));
    Ok(backbones)
}

/// The weights of the second CNN, of a system that has one.
fn target_weights<B: Backend>(
    pipeline: &Pipeline<B>,
) -> Result<Option<&BackboneWeights>, ModelError> {
    let has_target = pipeline.config.extraction().map_err(unusable)?.target.is_some();
    Ok(pipeline.weights.target().filter(|_| has_target))
}

/// What the content of a model file says of its model, and which images that was trained on.
pub(crate) fn info(bytes: &[u8]) -> Result<(ModelInfo, TrainedOn), ModelError> {
    let (metadata, tensors): (Metadata, _) = open(bytes, MODEL)?;
    let trained_on = fingerprints(&tensors, TRAINED_ON)?;
    let Metadata { format_version, config, choices, calibration, backbone_sha256, .. } = metadata;
    let info = ModelInfo {
        format_version,
        bytes: bytes.len() as u64,
        config,
        choices,
        training_images: trained_on.fingerprints().len(),
        calibration: calibration.map(Calibration::Split),
        backbone_sha256,
        backbone_included: tensors.tensor(BACKBONE).is_ok(),
    };
    Ok((info, trained_on))
}

/// The model in the content of a file.
pub(crate) fn from_bytes<B: Backend>(
    bytes: Vec<u8>,
    weights: Option<&BackboneWeights>,
    device: &B::Device,
) -> Result<Pipeline<B>, ModelError> {
    let cnns = |extraction: &_, weights: &_| load_cnns(extraction, weights, device);
    from_bytes_with(bytes, weights, cnns, device)
}

/// As [`from_bytes`], with the backbones that `cnns` gives for a configuration.
pub(crate) fn from_bytes_with<B: Backend>(
    bytes: impl AsRef<[u8]>,
    weights: Option<&BackboneWeights>,
    cnns: impl FnOnce(&Extraction, &BackboneWeights) -> Result<(Cnn<B>, Option<Cnn<B>>), PipelineError>,
    device: &B::Device,
) -> Result<Pipeline<B>, ModelError> {
    let length = bytes.as_ref().len();
    let (metadata, tensors): (Metadata, _) = open(bytes.as_ref(), MODEL)?;
    let Metadata { config, choices, template, constants, calibration, .. } = metadata;
    let Tensors { mut learned, trained_on, calibrated_on, values, backbone, target_backbone } =
        Tensors::read(&tensors, constants)?;
    // Values are copies, beside which the whole file needn't stay.
    drop(bytes);

    let given = [weights, weights.and_then(BackboneWeights::target)];
    let candidates = || [&backbone, &target_backbone].map(Option::as_ref).into_iter().chain(given);
    let find = |expected: &String| {
        let mut candidates = candidates().flatten();
        candidates.find(|weights| weights.sha256() == expected).cloned().ok_or_else(|| {
            let found = given[0].or(backbone.as_ref()).map(|weights| weights.sha256().to_owned());
            ModelError::Backbone { expected: expected.clone(), found }
        })
    };
    let mut weights = find(&metadata.backbone_sha256)?;
    if let Some(expected) = &metadata.target_backbone_sha256 {
        weights = weights.with_target(find(expected)?);
    }

    config.validate().map_err(unusable)?;
    let mut extraction = config.extraction().map_err(unusable)?;
    extraction.input.template = template_of(&config, template, values)?.map(Arc::new);
    let LearnedSize { parameters, statistics } = config.system.size(&extraction);
    let parameters = parameters.saturating_add(statistics);
    // Before anything of that size is allocated.
    if parameters > length {
        return Err(ModelError::Parameters { parameters, bytes: length });
    }
    let (source, target) = cnns(&extraction, &weights).map_err(unusable)?;
    let kinds = config.kinds.number().unwrap_or(1);
    let setup = Setup { seed: config.seed, low_memory: config.low_memory, kinds, device };
    let head = config.system.load(&mut learned, &extraction, target, &setup)?;
    learned.check_empty(config.system.system().name())?;
    Ok(Pipeline {
        input: extraction.input,
        config,
        choices,
        weights,
        source,
        head,
        trained_on,
        calibrated_on,
        calibration: calibration.map(Calibration::Split),
        suspects: None,
        device: device.clone(),
    })
}

/// The template of a configuration that has an alignment, and of no other.
fn template_of(
    config: &PipelineConfig,
    facts: Option<TemplateFacts>,
    values: Option<TensorData>,
) -> Result<Option<Template>, ModelError> {
    let motion = config.alignment.motion;
    let unusable = |problem: String| unusable(PipelineError::Config(problem));
    let template = match (facts, values) {
        (None, None) => None,
        (Some(facts), Some(values)) => {
            let values: Vec<f32> = values.iter::<f32>().collect();
            let template = Template::from_parts(facts, &values);
            Some(template.map_err(|error| unusable(error.to_string()))?)
        }
        _ => return Err(unusable("alignment: expected a template with its values".to_owned())),
    };
    let found = template.as_ref().map(Template::motion);
    match found == motion.motion() && motion != AlignmentMotion::Auto {
        true => Ok(template),
        false => Err(unusable(format!(
            "alignment: expected the template of `{motion}`, found {}",
            found.map_or("none".to_owned(), |found| format!(
                "that of `{}`",
                AlignmentMotion::from(found)
            ))
        ))),
    }
}

fn unusable(error: PipelineError) -> ModelError {
    ModelError::Unusable(Box::new(error))
}

/// The tensors of a model file by what they belong to.
struct Tensors {
    learned: Learned,
    trained_on: TrainedOn,
    calibrated_on: TrainedOn,
    /// Of a template.
    values: Option<TensorData>,
    backbone: Option<BackboneWeights>,
    target_backbone: Option<BackboneWeights>,
}

impl Tensors {
    fn read(file: &SafeTensors<'_>, constants: Map<String, Value>) -> Result<Self, ModelError> {
        let mut learned = Learned::new(constants);
        let (mut backbone, mut target_backbone, mut template) = (None, None, None);
        for (name, view) in file.tensors() {
            if [CHECKSUM, TRAINED_ON, CALIBRATED_ON].contains(&&*name) {
                continue;
            }
            if name == BACKBONE || name == TARGET_BACKBONE {
                check_dtype(&name, &view, Dtype::U8, "U8")?;
                let weights = Some(BackboneWeights::new(view.data().to_vec()));
                match name == BACKBONE {
                    true => backbone = weights,
                    false => target_backbone = weights,
                }
                continue;
            }
            check_dtype(&name, &view, Dtype::F32, "F32")?;
            if name == TEMPLATE {
                template = Some(values(&view));
                continue;
            }
            learned.put_tensor(&name, values(&view));
        }
        let [trained_on, calibrated_on] =
            [fingerprints(file, TRAINED_ON)?, fingerprints(file, CALIBRATED_ON)?];
        let values = template;
        Ok(Self { learned, trained_on, calibrated_on, values, backbone, target_backbone })
    }
}

/// The images of a U8 tensor of fingerprints.
fn fingerprints(file: &SafeTensors<'_>, name: &'static str) -> Result<TrainedOn, ModelError> {
    let view = file.tensor(name)?;
    check_dtype(name, &view, Dtype::U8, "U8")?;
    let (rows, rest) = view.data().as_chunks();
    match view.shape() == [rows.len(), size_of::<Fingerprint>()] && rest.is_empty() {
        true => Ok(TrainedOn::new(rows.to_vec())),
        false => Err(ModelError::Fingerprints { name, found: view.shape().to_vec() }),
    }
}
