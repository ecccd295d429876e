//! What the tests of both networks need.

use burn::backend::Autodiff;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Tensor, backend::AutodiffBackend};
use nfbmr_backend::{Cpu, StateDict};

pub type B = Autodiff<Cpu>;

/// The gradients of a loss by the dotted path of their parameter.
pub fn gradients(loss: &Tensor<B, 1>, module: &impl Module<B>) -> StateDict {
    let gradients = &loss.backward();
    let mut visitor = Gradients { gradients, path: Vec::new(), found: StateDict::new() };
    module.visit(&mut visitor);
    visitor.found
}

struct Gradients<'a> {
    gradients: &'a <B as AutodiffBackend>::Gradients,
    path: Vec<String>,
    found: StateDict,
}

impl ModuleVisitor<B> for Gradients<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if let Some(gradient) = param.val().grad(self.gradients) {
            self.found.insert(self.path.join("."), gradient.into_data());
        }
    }
}
