use burn::backend::Autodiff;
use burn::module::{AutodiffModule, ModuleVisitor, Param};
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{Adam, AdamConfig, GradientsParams, Optimizer};
use burn::tensor::Tensor;
use nfbmr_backend::Backend;

use crate::config::TrainingConfig;

/// Adam with a bound on the gradient's norm over all parameters together.
pub(crate) struct Stepper<B: Backend, M: AutodiffModule<Autodiff<B>>> {
    adam: OptimizerAdaptor<Adam, M, Autodiff<B>>,
    learning_rate: f64,
    max_grad_norm: Option<f64>,
}

impl<B: Backend, M: AutodiffModule<Autodiff<B>>> Stepper<B, M> {
    pub(crate) fn new(config: &TrainingConfig) -> Self {
        let adam = AdamConfig::new()
            .with_epsilon(config.epsilon)
            .with_weight_decay(Some(WeightDecayConfig::new(config.weight_decay)))
            .init();
        Self { adam, learning_rate: config.learning_rate, max_grad_norm: config.max_grad_norm }
    }

    /// One step against the gradients.
    pub(crate) fn step(&mut self, module: M, mut gradients: GradientsParams) -> M {
        if let Some(max_norm) = self.max_grad_norm {
            clip_norm(&mut gradients, &module, max_norm);
        }
        self.adam.step(self.learning_rate, module, gradients)
    }
}

/// The value of a loss, and the gradients of the module's parameters.
pub(crate) fn gradients<B: Backend, M: AutodiffModule<Autodiff<B>>>(
    module: &M,
    loss: Tensor<Autodiff<B>, 1>,
) -> (Tensor<B, 1>, GradientsParams) {
    let gradients = GradientsParams::from_grads(loss.backward(), module);
    (loss.inner(), gradients)
}

/// Scales all gradients by min(1, max_norm / norm), the norm taken over all of them; burn's own clipping
/// takes it tensor by tensor. Nothing is read back from the device.
fn clip_norm<B: Backend, M: AutodiffModule<Autodiff<B>>>(
    gradients: &mut GradientsParams,
    module: &M,
    max_norm: f64,
) {
    let mut squares = SumSquares { gradients, sum: None };
    module.visit(&mut squares);
    if let Some(sum) = squares.sum {
        // PyTorch's clip_grad_norm_ adds the same constant.
        let factor = ((sum.sqrt() + 1e-6).recip() * max_norm).clamp_max(1.0);
        module.visit(&mut Scale { gradients, factor });
    }
}

struct SumSquares<'a, B: Backend> {
    gradients: &'a GradientsParams,
    sum: Option<Tensor<B, 1>>,
}

impl<B: Backend> ModuleVisitor<Autodiff<B>> for SumSquares<'_, B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Autodiff<B>, D>>) {
        if let Some(gradient) = self.gradients.get::<B, D>(param.id) {
            let square = gradient.square().sum();
            self.sum = Some(match self.sum.take() {
                Some(sum) => sum + square,
                None => square,
            });
        }
    }
}

struct Scale<'a, B: Backend> {
    gradients: &'a mut GradientsParams,
    factor: Tensor<B, 1>,
}

impl<B: Backend> ModuleVisitor<Autodiff<B>> for Scale<'_, B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Autodiff<B>, D>>) {
        if let Some(gradient) = self.gradients.remove::<B, D>(param.id) {
            let scaled = gradient * self.factor.clone().reshape([1; D]);
            self.gradients.register::<B, D>(param.id, scaled);
        }
    }
}
