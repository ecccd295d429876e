//! The model file: one safetensors file with the networks as tensors and all else as JSON in the
//! metadata entry `nfbmr`.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::TensorData;
use nfbmr_backend::{Backend, StateDict, load_state_dict};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use crate::calibration::Calibration;
use crate::cnn::Cnn;
use crate::config::PipelineConfig;
use crate::cross_file;
use crate::error::{ModelError, PipelineError};
use crate::fingerprint::{Fingerprint, TrainedOn};
use crate::head::Head;
use crate::model_info::ModelInfo;
use crate::pipeline::Pipeline;
use crate::score::Normalization;
use crate::sealed_file::{CHECKSUM, is_whole, seal, values};
use crate::system::System;
use crate::weights::BackboneWeights;

/// The newest format version; files of older versions keep loading.
pub const FORMAT_VERSION: u64 = 5;

/// The metadata entry of a model.
const METADATA: &str = "nfbmr";
pub(crate) const BACKBONE: &str = "backbone";
pub(crate) const TARGET_BACKBONE: &str = "target_backbone";
const TRAINED_ON: &str = "trained_on";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    format_version: u64,
    config: PipelineConfig,
    /// Of each coupling block of each level in turn.
    permutations: Vec<Vec<usize>>,
    /// Of each level; before version 5 of the only one, if it has any.
    #[serde(deserialize_with = "by_level")]
    normalization: Vec<Normalization>,
    /// Since version 4.
    calibration: Option<Calibration>,
    backbone_sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target_backbone_sha256: Option<String>,
}

fn by_level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Normalization>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Levels {
        Several(Vec<Normalization>),
        Single(Option<Normalization>),
    }
    Ok(match Levels::deserialize(deserializer)? {
        Levels::Several(levels) => levels,
        Levels::Single(level) => level.into_iter().collect(),
    })
}

/// Read before the rest, which another version may hold differently.
#[derive(Deserialize)]
struct Version {
    format_version: u64,
}

pub(crate) fn save<B: Backend>(
    pipeline: &Pipeline<B>,
    path: &Path,
    include_backbone: bool,
) -> Result<(), ModelError> {
    Ok(nfbmr_files::write(path, &to_bytes(pipeline, include_backbone)?)?)
}

/// The content of a model file.
pub(crate) fn to_bytes<B: Backend>(
    pipeline: &Pipeline<B>,
    include_backbone: bool,
) -> Result<Vec<u8>, ModelError> {
    let target = pipeline.weights.target().filter(|_| pipeline.config.system.has_target_cnn());
    let metadata = Metadata {
        format_version: FORMAT_VERSION,
        config: pipeline.config.clone(),
        permutations: pipeline
            .head
            .flows()
            .iter()
            .flat_map(|flow| flow.permutations.clone())
            .collect(),
        normalization: pipeline.normalizations(),
        calibration: pipeline.calibration.clone(),
        backbone_sha256: pipeline.weights.sha256().to_owned(),
        target_backbone_sha256: target.map(|weights| weights.sha256().to_owned()),
    };
    let metadata = serde_json::to_string(&metadata)?;
    let state = pipeline.head.state().into_iter();
    let parameters: Vec<_> = state.flat_map(|(network, state)| prefixed(network, state)).collect();
    let mut tensors = Vec::with_capacity(parameters.len() + 3);
    for (name, data) in &parameters {
        let shape = data.shape.to_vec();
        tensors.push((name.as_str(), TensorView::new(Dtype::F32, shape, data.as_bytes())?));
    }
    if let Some(trained_on) = &pipeline.trained_on {
        let rows = trained_on.fingerprints();
        let shape = vec![rows.len(), size_of::<Fingerprint>()];
        tensors.push((TRAINED_ON, TensorView::new(Dtype::U8, shape, rows.as_flattened())?));
    }
    if include_backbone {
        let backbones = [(BACKBONE, Some(&pipeline.weights)), (TARGET_BACKBONE, target)];
        for (name, weights) in backbones {
            let Some(bytes) = weights.map(BackboneWeights::as_bytes) else { continue };
            tensors.push((name, TensorView::new(Dtype::U8, vec![bytes.len()], bytes)?));
        }
    }
    Ok(seal(METADATA, metadata, tensors)?)
}

/// What the content of a model file says of its model, and which images that was trained on.
pub(crate) fn info(bytes: &[u8]) -> Result<(ModelInfo, Option<TrainedOn>), ModelError> {
    let (metadata, tensors): (Metadata, _) = open(bytes, METADATA, FORMAT_VERSION)?;
    let trained_on = match tensors.tensor(TRAINED_ON) {
        Ok(view) => Some(trained_on(&view)?),
        Err(_) => None,
    };
    let Metadata { format_version, config, calibration, backbone_sha256, .. } = metadata;
    let backbone_included = tensors.tensor(BACKBONE).is_ok();
    let info = ModelInfo {
        format_version,
        bytes: bytes.len() as u64,
        config,
        training_images: trained_on.as_ref().map(|trained_on| trained_on.fingerprints().len()),
        calibration,
        cross_calibration: None,
        backbone_sha256,
        backbone_included,
    };
    Ok((info, trained_on))
}

/// Whether the content of a file is that of a [`CrossFitted`](crate::CrossFitted) model.
pub(crate) fn is_cross_fitted(bytes: &[u8]) -> bool {
    let metadata = SafeTensors::read_metadata(bytes);
    metadata.is_ok_and(|(_, header)| has_entry(&header, cross_file::METADATA))
}

fn has_entry(header: &safetensors::tensor::Metadata, entry: &str) -> bool {
    header.metadata().as_ref().is_some_and(|entries| entries.contains_key(entry))
}

/// The metadata entry and the tensors of a whole file of a known version.
pub(crate) fn open<'a, M: DeserializeOwned>(
    bytes: &'a [u8],
    entry: &str,
    newest: u64,
) -> Result<(M, SafeTensors<'a>), ModelError> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let metadata = header.metadata().as_ref().and_then(|entries| entries.get(entry));
    let other_kind = || match [METADATA, cross_file::METADATA].iter().any(|e| has_entry(&header, e))
    {
        true => ModelError::Kind { cross_fitted: entry == METADATA },
        false => ModelError::Foreign,
    };
    let metadata = metadata.ok_or_else(other_kind)?;
    let Version { format_version } = serde_json::from_str(metadata)?;
    if format_version > newest {
        return Err(ModelError::Version { found: format_version, newest });
    }
    let tensors = SafeTensors::deserialize(bytes)?;
    if !is_whole(metadata, &tensors)? {
        return Err(ModelError::Damaged);
    }
    Ok((serde_json::from_str(metadata)?, tensors))
}

/// The model in the content of a file.
pub(crate) fn load<B: Backend>(
    bytes: &[u8],
    weights: Option<&BackboneWeights>,
    device: &B::Device,
) -> Result<Pipeline<B>, ModelError> {
    let cnns = |config: &PipelineConfig, weights: &_| config.load_cnns(weights, device);
    load_with(bytes, weights, cnns, device)
}

/// As [`load`], with the backbones that `cnns` gives for a configuration.
pub(crate) fn load_with<B: Backend>(
    bytes: &[u8],
    weights: Option<&BackboneWeights>,
    cnns: impl FnOnce(
        &PipelineConfig,
        &BackboneWeights,
    ) -> Result<(Cnn<B>, Option<Cnn<B>>), PipelineError>,
    device: &B::Device,
) -> Result<Pipeline<B>, ModelError> {
    let (metadata, tensors): (Metadata, _) = open(bytes, METADATA, FORMAT_VERSION)?;
    metadata.normalization.iter().try_for_each(check_normalization)?;
    let Tensors { mut networks, trained_on, backbone, target_backbone } = Tensors::read(&tensors)?;

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

    let Metadata { config, permutations, normalization, calibration, .. } = metadata;
    let unusable = |error: PipelineError| ModelError::Unusable(Box::new(error));
    config.validate().map_err(unusable)?;
    let parameters = config.parameters().map_err(unusable)?;
    // Before anything of that size is allocated.
    if parameters > bytes.len() {
        return Err(ModelError::Parameters { parameters, bytes: bytes.len() });
    }
    let (source, target) = cnns(&config, &weights).map_err(unusable)?;
    let head = Head::load(&config, permutations, &normalization, &mut networks, target, device)?;
    networks.check_empty(config.system)?;
    let device = device.clone();
    let suspects = None;
    Ok(Pipeline { config, weights, source, head, trained_on, calibration, suspects, device })
}

fn check_normalization(normalization: &Normalization) -> Result<(), ModelError> {
    let &Normalization { source, target } = normalization;
    let positive = |mean: f64| mean.is_finite() && mean > 0.0;
    match positive(source) && positive(target) {
        true => Ok(()),
        false => Err(ModelError::Normalization { source_mean: source, target_mean: target }),
    }
}

fn prefixed(prefix: &str, state: StateDict) -> impl Iterator<Item = (String, TensorData)> {
    state.into_iter().map(move |(name, data)| (format!("{prefix}.{name}"), data))
}

/// The tensors of a model file by what they belong to.
#[derive(Default)]
struct Tensors {
    networks: Networks,
    trained_on: Option<TrainedOn>,
    backbone: Option<BackboneWeights>,
    target_backbone: Option<BackboneWeights>,
}

/// Parameters by the network's name, the part of a tensor's name up to the first dot.
#[derive(Default)]
pub(crate) struct Networks(BTreeMap<String, StateDict>);

impl Networks {
    /// The parameters of a network, none if there are none.
    pub(crate) fn take(&mut self, network: &str) -> StateDict {
        self.0.remove(network).unwrap_or_default()
    }

    /// A network with the parameters of that name, and of that level where there are several.
    pub(crate) fn load_into<B: Backend, M: Module<B>>(
        &mut self,
        network: &str,
        level: Option<usize>,
        module: M,
    ) -> Result<M, ModelError> {
        let (network, state) = match level {
            None => (network.to_owned(), self.take(network)),
            Some(level) => (format!("{network}.{level}"), self.take_level(network, level)),
        };
        load_state_dict(module, state).map_err(|source| ModelError::State { network, source })
    }

    fn take_level(&mut self, network: &str, level: usize) -> StateDict {
        let prefix = format!("{level}.");
        let mut state = StateDict::new();
        if let Some(levels) = self.0.get_mut(network) {
            for (name, data) in std::mem::take(levels) {
                match name.strip_prefix(&prefix) {
                    Some(name) => state.insert(name.to_owned(), data),
                    None => levels.insert(name, data),
                };
            }
        }
        state
    }

    /// Every network has been taken.
    fn check_empty(&self, system: System) -> Result<(), ModelError> {
        match self.0.iter().find_map(|(network, state)| Some((network, state.keys().next()?))) {
            Some((network, parameter)) => {
                Err(ModelError::UnknownTensor(format!("{network}.{parameter}"), system))
            }
            None => Ok(()),
        }
    }
}

impl Tensors {
    fn read(file: &SafeTensors<'_>) -> Result<Self, ModelError> {
        let mut tensors = Self::default();
        for (name, view) in file.tensors() {
            if name == CHECKSUM {
                continue;
            }
            if name == BACKBONE || name == TARGET_BACKBONE {
                check_dtype(&name, &view, Dtype::U8, "U8")?;
                let weights = Some(BackboneWeights::new(view.data().to_vec()));
                match name == BACKBONE {
                    true => tensors.backbone = weights,
                    false => tensors.target_backbone = weights,
                }
                continue;
            }
            if name == TRAINED_ON {
                tensors.trained_on = Some(trained_on(&view)?);
                continue;
            }
            check_dtype(&name, &view, Dtype::F32, "F32")?;
            let (network, parameter) = name.split_once('.').unwrap_or((&name, ""));
            let network = tensors.networks.0.entry(network.to_owned()).or_default();
            network.insert(parameter.to_owned(), values(&view));
        }
        Ok(tensors)
    }
}

/// Which images a model was trained on, of a U8 tensor.
fn trained_on(view: &TensorView<'_>) -> Result<TrainedOn, ModelError> {
    check_dtype(TRAINED_ON, view, Dtype::U8, "U8")?;
    let (rows, rest) = view.data().as_chunks();
    match view.shape() == [rows.len(), size_of::<Fingerprint>()] && rest.is_empty() {
        true => Ok(TrainedOn::new(rows.to_vec())),
        false => Err(ModelError::Fingerprints { name: TRAINED_ON, found: view.shape().to_vec() }),
    }
}

pub(crate) fn check_dtype(
    name: &str,
    view: &TensorView<'_>,
    dtype: Dtype,
    expected: &'static str,
) -> Result<(), ModelError> {
    match view.dtype() {
        found if found == dtype => Ok(()),
        found => Err(ModelError::DType { name: name.to_owned(), expected, found }),
    }
}
