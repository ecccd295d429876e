//! State dictionaries: the parameters of any module of burn by their names, out of it and into it. No
//! network is known here.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

use crate::Backend;

/// Parameters by their dotted path in a module, as PyTorch names them: `shared.conv1.weight`.
pub type StateDict = BTreeMap<String, TensorData>;

/// Parameters that don't fit a module; every one of them is listed.
#[derive(Debug, thiserror::Error)]
#[error("parameters don't fit the network: {}", .0.join("; "))]
pub struct StateError(pub Vec<String>);

/// The float parameters of a module as `f32` values.
pub fn state_dict<B: Backend, M: Module<B>>(module: &M) -> StateDict {
    let mut collect = Collect::default();
    module.visit(&mut collect);
    collect.state
}

/// Replaces every float parameter of a module by the one of the same name in `state`.
///
/// # Errors
/// Names every parameter that is missing, misshapen, not `f32`, not finite, or unknown to the module.
pub fn load_state_dict<B: Backend, M: Module<B>>(
    module: M,
    state: StateDict,
) -> Result<M, StateError> {
    let mut load = Load { path: Path::default(), state, problems: Vec::new() };
    let module = module.map(&mut load);
    let unknown = load.state.keys().map(|name| format!("{name}: unexpected"));
    load.problems.extend(unknown);
    match load.problems.is_empty() {
        true => Ok(module),
        false => Err(StateError(load.problems)),
    }
}

#[derive(Default)]
struct Path(Vec<String>);

impl Path {
    fn name(&self) -> String {
        self.0.join(".")
    }
}

#[derive(Default)]
struct Collect {
    path: Path,
    state: StateDict,
}

impl<B: Backend> ModuleVisitor<B> for Collect {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.0.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.0.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let data = param.val().into_data().convert::<f32>();
        self.state.insert(self.path.name(), data);
    }
}

struct Load {
    path: Path,
    state: StateDict,
    problems: Vec<String>,
}

impl Load {
    /// The values of the parameter at the current path, or `None` with the reason noted.
    fn take(&mut self, shape: &[usize]) -> Option<TensorData> {
        let name = self.path.name();
        let problem = match self.state.remove(&name) {
            None => format!("{name}: missing"),
            Some(data) if data.shape.as_slice() != shape => {
                format!("{name}: expected shape {shape:?}, found {:?}", data.shape)
            }
            Some(data) => match data.as_slice::<f32>() {
                Ok(values) if values.iter().all(|v| v.is_finite()) => return Some(data),
                Ok(_) => format!("{name}: holds values that are not finite"),
                Err(_) => format!("{name}: expected f32, found {:?}", data.dtype),
            },
        };
        self.problems.push(problem);
        None
    }
}

impl<B: Backend> ModuleMapper<B> for Load {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.0.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.0.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        // Asked so, a parameter that nobody has used yet needn't be made first.
        let Some(data) = self.take(&param.lazy_shape()) else {
            return param;
        };
        let (id, tensor) = (param.id, Tensor::from_data(data, &param.lazy_device()));
        param.transform_for_load(tensor, id)
    }
}
