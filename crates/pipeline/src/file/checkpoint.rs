//! The checkpoint of a training: one safetensors file with the networks of its phases as tensors and all
//! else as JSON in the metadata entry `nfbmr-checkpoint`.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use burn::tensor::TensorData;
use nfbmr_backend::StateDict;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::sealed::{CHECKSUM, is_whole, seal, values};
use crate::checksum::sha256;
use crate::error::{CheckpointError, PipelineError};
use crate::features::BackboneWeights;
use crate::input::TrainedOn;

const METADATA: &str = "nfbmr-checkpoint";
const FORMAT_VERSION: u64 = 1;

/// The least time between two writes, unless a phase ends.
const INTERVAL: Duration = Duration::from_secs(5);

/// Where a training stands, in a file that is written as its epochs end.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    path: PathBuf,
    identity: Identity,
    phases: BTreeMap<String, PhaseState>,
    written: Option<Instant>,
}

/// What a training depends on: one with another goes elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    config: Value,
    images: usize,
    /// SHA-256 over the fingerprints of the images, ascending.
    images_sha256: String,
    backbone_sha256: String,
    target_backbone_sha256: Option<String>,
    backend: String,
}

/// A phase between two epochs.
#[derive(Clone, Debug)]
pub(crate) struct PhaseState {
    /// Epochs that are over.
    pub(crate) epoch: usize,
    /// The network's parameters.
    pub(crate) network: StateDict,
    /// Both moments of Adam of each parameter, in the network's order.
    pub(crate) moments: Vec<[TensorData; 2]>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    format_version: u64,
    identity: Value,
    /// Epochs that are over, by phase.
    epochs: BTreeMap<String, usize>,
}

/// Read before the rest, which another version may hold differently.
#[derive(Deserialize)]
struct Version {
    format_version: u64,
}

impl Identity {
    pub(crate) fn new(
        config: Value,
        images: &TrainedOn,
        weights: &BackboneWeights,
        backend: &str,
    ) -> Self {
        let fingerprints = images.fingerprints();
        Self {
            config,
            images: fingerprints.len(),
            images_sha256: sha256(fingerprints.as_flattened()),
            backbone_sha256: weights.sha256().to_owned(),
            target_backbone_sha256: weights.target().map(|target| target.sha256().to_owned()),
            backend: backend.to_owned(),
        }
    }
}

impl Checkpoint {
    /// The state in the file, or that of a training which begins where there is none.
    ///
    /// # Errors
    /// [`PipelineError::Checkpoint`] for a file that can't be read, isn't a checkpoint or belongs to
    /// another training; it is left as it is.
    pub(crate) fn open(path: &Path, identity: Identity) -> Result<Self, PipelineError> {
        let phases = match fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(error.into()),
            // Reading a device or a pipe may never end.
            Ok(metadata) if !metadata.is_file() => Err(CheckpointError::NotAFile),
            Ok(_) => {
                fs::read(path).map_err(CheckpointError::Io).and_then(|file| read(&file, &identity))
            }
        };
        let path = path.to_owned();
        match phases {
            Ok(phases) => Ok(Self { path, identity, phases, written: None }),
            Err(source) => Err(PipelineError::Checkpoint { path, source }),
        }
    }

    /// Where a phase of so many epochs stands, if it has begun.
    pub(crate) fn phase(
        &self,
        name: &str,
        epochs: usize,
    ) -> Result<Option<&PhaseState>, PipelineError> {
        match self.phases.get(name) {
            Some(state) if state.epoch > epochs => {
                let source = CheckpointError::Epoch { found: state.epoch, epochs };
                Err(self.error(source))
            }
            state => Ok(state),
        }
    }

    /// Notes that an epoch is over, and writes the file if it is the phase's last, or the last writing
    /// was some seconds ago.
    pub(crate) fn end_epoch(
        &mut self,
        name: &str,
        last: bool,
        state: impl FnOnce() -> PhaseState,
    ) -> Result<(), PipelineError> {
        if !last && self.written.is_some_and(|written| written.elapsed() < INTERVAL) {
            return Ok(());
        }
        self.phases.insert(name.to_owned(), state());
        self.write().map_err(|source| self.error(source))?;
        self.written = Some(Instant::now());
        Ok(())
    }

    /// An error of this file.
    pub(crate) fn error(&self, source: CheckpointError) -> PipelineError {
        PipelineError::Checkpoint { path: self.path.clone(), source }
    }

    fn write(&self) -> Result<(), CheckpointError> {
        let metadata = serde_json::to_string(&Metadata {
            format_version: FORMAT_VERSION,
            identity: serde_json::to_value(&self.identity)?,
            epochs: self.phases.iter().map(|(name, state)| (name.clone(), state.epoch)).collect(),
        })?;
        let mut values = Vec::new();
        for (phase, PhaseState { network, moments, .. }) in &self.phases {
            values
                .extend(network.iter().map(|(name, data)| (tensor(phase, "network", name), data)));
            for (index, both) in moments.iter().enumerate() {
                for (kind, data) in MOMENTS.into_iter().zip(both) {
                    values.push((tensor(phase, kind, &index.to_string()), data));
                }
            }
        }
        let mut tensors = Vec::with_capacity(values.len());
        for (name, data) in &values {
            let view = TensorView::new(Dtype::F32, data.shape.to_vec(), data.as_bytes())?;
            tensors.push((name.as_str(), view));
        }
        Ok(nfbmr_files::write(&self.path, &seal(METADATA, metadata, tensors)?)?)
    }
}

/// Names of both moments of Adam.
const MOMENTS: [&str; 2] = ["moment1", "moment2"];

/// Phases hold dots, networks' parameters too, neither a slash.
fn tensor(phase: &str, kind: &str, name: &str) -> String {
    format!("{phase}/{kind}/{name}")
}

/// The phases in a file that belongs to the training.
fn read(file: &[u8], identity: &Identity) -> Result<BTreeMap<String, PhaseState>, CheckpointError> {
    let (_, header) = SafeTensors::read_metadata(file)?;
    let metadata = header.metadata().as_ref().and_then(|entries| entries.get(METADATA));
    let metadata = metadata.ok_or(CheckpointError::Foreign)?;
    let Version { format_version } = serde_json::from_str(metadata)?;
    if format_version != FORMAT_VERSION {
        let (found, expected) = (format_version, FORMAT_VERSION);
        return Err(CheckpointError::Version { found, expected });
    }
    let tensors = SafeTensors::deserialize(file)?;
    if !is_whole(metadata, &tensors)? {
        return Err(CheckpointError::Damaged);
    }
    let Metadata { identity: found, epochs, .. } = serde_json::from_str(metadata)?;
    if let Some(difference) = difference("", &serde_json::to_value(identity)?, &found) {
        return Err(CheckpointError::Other(difference));
    }
    let mut phases = BTreeMap::new();
    for (phase, epoch) in epochs {
        let state = PhaseState { epoch, network: StateDict::new(), moments: Vec::new() };
        phases.insert(phase, state);
    }
    let mut moments: BTreeMap<(&str, usize, usize), TensorData> = BTreeMap::new();
    for (name, view) in tensors.iter().filter(|(name, _)| *name != CHECKSUM) {
        let data = finite(&view).ok_or_else(|| CheckpointError::Tensor(name.to_owned()))?;
        let unknown = || CheckpointError::Tensor(name.to_owned());
        let (phase, rest) = name.split_once('/').ok_or_else(unknown)?;
        let (kind, parameter) = rest.split_once('/').ok_or_else(unknown)?;
        let state = phases.get_mut(phase).ok_or_else(unknown)?;
        match MOMENTS.iter().position(|known| *known == kind) {
            Some(moment) => {
                let index: usize = parameter.parse().map_err(|_| unknown())?;
                moments.insert((phase, index, moment), data);
            }
            None if kind == "network" => {
                state.network.insert(parameter.to_owned(), data);
            }
            None => return Err(unknown()),
        }
    }
    // Ascending: both moments of a phase's first parameter, of its second and so on.
    let mut moments = moments.into_iter().peekable();
    while let Some(((phase, index, moment), first)) = moments.next() {
        let both = moments.next_if(|((p, i, m), _)| (*p, *i, *m) == (phase, index, 1));
        match (phases.get_mut(phase), both) {
            (Some(state), Some((_, second))) if moment == 0 && state.moments.len() == index => {
                state.moments.push([first, second]);
            }
            _ => {
                let kind = MOMENTS.get(moment).copied().unwrap_or_default();
                return Err(CheckpointError::Tensor(tensor(phase, kind, &index.to_string())));
            }
        }
    }
    Ok(phases)
}

/// Finite 32-bit values.
fn finite(view: &TensorView<'_>) -> Option<TensorData> {
    let data = (view.dtype() == Dtype::F32).then(|| values(view))?;
    let finite = data.iter::<f32>().all(f32::is_finite);
    finite.then_some(data)
}

/// The first place where two JSON values differ, as `path: expected …, found …`.
fn difference(path: &str, expected: &Value, found: &Value) -> Option<String> {
    match (expected, found) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            keys.into_iter().find_map(|key| {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let value = |of: &serde_json::Map<String, Value>| of.get(key).cloned();
                difference(
                    &path,
                    &value(a).unwrap_or(Value::Null),
                    &value(b).unwrap_or(Value::Null),
                )
            })
        }
        _ if expected == found => None,
        _ => Some(format!("{path}: expected {expected}, found {found}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_are_named_by_their_path() {
        let a = json!({"config": {"seed": 1, "flow": {"hidden": 8}}, "images": 3});
        assert_eq!(difference("", &a, &a), None);
        let mut b = a.clone();
        b["config"]["flow"]["hidden"] = json!(16);
        let found = difference("", &a, &b);
        assert_eq!(found.as_deref(), Some("config.flow.hidden: expected 8, found 16"));
        let missing = json!({"config": {"seed": 1, "flow": {"hidden": 8}}});
        let found = difference("", &a, &missing);
        assert_eq!(found.as_deref(), Some("images: expected 3, found null"));
    }
}
