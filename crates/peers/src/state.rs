//! Reads states entry by entry, and tells all that is wrong with one at once.

use burn::tensor::TensorData;
use nfbmr_backend::{StateDict, StateError};

/// Takes the entries of a state by name and notes what is wrong with them.
pub(crate) struct Entries {
    state: StateDict,
    problems: Vec<String>,
}

impl Entries {
    pub(crate) fn new(state: StateDict) -> Self {
        Self { state, problems: Vec::new() }
    }

    /// A tensor of D dimensions, none of them 0.
    pub(crate) fn take<const D: usize>(&mut self, name: &str) -> TensorData {
        let problem = match self.state.remove(name) {
            None => format!("{name}: missing"),
            Some(data) if data.shape.len() != D || data.shape.contains(&0) => {
                format!("{name}: expected {D} dimensions of 1 or more, found {:?}", data.shape)
            }
            Some(data) => match data.as_slice::<f32>() {
                Ok(values) if values.iter().all(|v| v.is_finite()) => return data,
                Ok(_) => format!("{name}: holds values that are not finite"),
                Err(_) => format!("{name}: expected f32, found {:?}", data.dtype),
            },
        };
        self.problems.push(problem);
        TensorData::zeros::<f32, _>([1; D])
    }

    pub(crate) fn finish(mut self) -> Result<(), StateError> {
        self.problems.extend(self.state.into_keys().map(|name| format!("{name}: unexpected")));
        refuse(self.problems)
    }
}

/// An error if there are problems.
pub(crate) fn refuse(problems: Vec<String>) -> Result<(), StateError> {
    match problems.is_empty() {
        true => Ok(()),
        false => Err(StateError(problems)),
    }
}
