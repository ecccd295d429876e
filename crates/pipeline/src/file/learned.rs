//! What a system has learnt, as a model file holds it: the parameters of its networks by name, and constants.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::TensorData;
use nfbmr_backend::{Backend, StateDict, load_state_dict, state_dict};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::ModelError;

/// Written by a system, and read by it again; each takes out what is its own, so that what no one knows is found.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    /// Parameters by the network's name, the part of a tensor's name up to the first dot.
    networks: BTreeMap<String, StateDict>,
    /// Values that aren't parameters of a network, by name.
    constants: Map<String, Value>,
}

impl Learned {
    /// With constants that a file holds, and no network yet.
    pub(crate) fn new(constants: Map<String, Value>) -> Self {
        Self { networks: BTreeMap::new(), constants }
    }

    /// Adds the parameters of a network.
    pub(crate) fn put(&mut self, network: &str, state: StateDict) {
        self.networks.entry(network.to_owned()).or_default().extend(state);
    }

    /// As [`Self::put`], of a network of which each level has one: the names of its parameters begin with the
    /// number of the level.
    pub(crate) fn put_level<B: Backend, M: Module<B>>(
        &mut self,
        network: &str,
        level: usize,
        module: &M,
    ) {
        self.put_level_state(network, level, state_dict(module));
    }

    /// As [`Self::put_level`], of parameters.
    pub(crate) fn put_level_state(&mut self, network: &str, level: usize, state: StateDict) {
        let state = state.into_iter();
        self.put(network, state.map(|(name, data)| (format!("{level}.{name}"), data)).collect());
    }

    /// Adds a constant.
    pub(crate) fn put_constant(
        &mut self,
        name: &str,
        value: &impl Serialize,
    ) -> Result<(), ModelError> {
        self.constants.insert(name.to_owned(), serde_json::to_value(value)?);
        Ok(())
    }

    /// Adds a tensor of a file by its name.
    pub(crate) fn put_tensor(&mut self, name: &str, data: TensorData) {
        let (network, parameter) = name.split_once('.').unwrap_or((name, ""));
        self.put(network, StateDict::from([(parameter.to_owned(), data)]));
    }

    /// The parameters of a network, none if there are none.
    pub(crate) fn take(&mut self, network: &str) -> StateDict {
        self.networks.remove(network).unwrap_or_default()
    }

    /// A constant.
    pub(crate) fn take_constant<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
    ) -> Result<T, ModelError> {
        let value = self.constants.remove(name).ok_or(ModelError::NoConstant(name))?;
        Ok(serde_json::from_value(value)?)
    }

    /// A network with its parameters.
    pub(crate) fn load<B: Backend, M: Module<B>>(
        &mut self,
        network: &str,
        module: M,
    ) -> Result<M, ModelError> {
        load(network, module, self.take(network))
    }

    /// A network with the parameters of a level.
    pub(crate) fn load_level<B: Backend, M: Module<B>>(
        &mut self,
        network: &str,
        level: usize,
        module: M,
    ) -> Result<M, ModelError> {
        self.load_level_state(network, level, module, |state| state)
    }

    /// As [`Self::load_level`], of the parameters that `unpack` makes of those of the file.
    pub(crate) fn load_level_state<B: Backend, M: Module<B>>(
        &mut self,
        network: &str,
        level: usize,
        module: M,
        unpack: impl FnOnce(StateDict) -> StateDict,
    ) -> Result<M, ModelError> {
        let state = unpack(self.take_level(network, level));
        load(&format!("{network}.{level}"), module, state)
    }

    fn take_level(&mut self, network: &str, level: usize) -> StateDict {
        let prefix = format!("{level}.");
        let mut own = StateDict::new();
        if let Some(state) = self.networks.get_mut(network) {
            for (name, data) in std::mem::take(state) {
                match name.strip_prefix(&prefix) {
                    Some(name) => own.insert(name.to_owned(), data),
                    None => state.insert(name, data),
                };
            }
        }
        own
    }

    /// Everything has been taken by the system of that name.
    pub(crate) fn check_empty(&self, system: &'static str) -> Result<(), ModelError> {
        let mut tensors = self.networks.iter().filter_map(|(network, state)| {
            let parameter = state.keys().next()?;
            Some(format!("{network}.{parameter}"))
        });
        if let Some(tensor) = tensors.next() {
            return Err(ModelError::UnknownTensor(tensor, system));
        }
        match self.constants.keys().next() {
            Some(name) => Err(ModelError::UnknownConstant(name.clone(), system)),
            None => Ok(()),
        }
    }

    /// The parameters with the names that they have in a file, and the constants.
    pub(crate) fn into_parts(self) -> (Vec<(String, TensorData)>, Map<String, Value>) {
        let prefixed = |(network, state): (String, StateDict)| {
            let prefixed = move |(name, data)| (format!("{network}.{name}"), data);
            state.into_iter().map(prefixed)
        };
        (self.networks.into_iter().flat_map(prefixed).collect(), self.constants)
    }
}

fn load<B: Backend, M: Module<B>>(
    network: &str,
    module: M,
    state: StateDict,
) -> Result<M, ModelError> {
    load_state_dict(module, state)
        .map_err(|source| ModelError::State { network: network.to_owned(), source })
}
