//! Adam with a bound on the gradient, and a step's batch spread over threads.

use std::thread;

use burn::backend::Autodiff;
use burn::module::{AutodiffModule, ModuleVisitor, Param};
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::record::AdaptorRecord;
use burn::optim::{
    Adam, AdamConfig, AdamState, AdaptiveMomentumState, GradientsAccumulator, GradientsParams,
    Optimizer,
};
use burn::tensor::{Tensor, TensorData};
use nfbmr_backend::Backend;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::{Schedule, TrainingConfig};
use crate::error::{CheckpointError, PipelineError};

/// Adam with a bound on the gradient's norm over all parameters together.
pub(crate) struct Stepper<B: Backend, M: AutodiffModule<Autodiff<B>>> {
    adam: OptimizerAdaptor<Adam, M, Autodiff<B>>,
    learning_rate: f64,
    schedule: Schedule,
    step: usize,
    steps: usize,
    max_grad_norm: Option<f64>,
}

impl<B: Backend, M: AutodiffModule<Autodiff<B>>> Stepper<B, M> {
    /// For so many steps in all.
    pub(crate) fn new(config: &TrainingConfig, steps: usize) -> Self {
        let adam = AdamConfig::new()
            .with_epsilon(config.epsilon)
            .with_weight_decay(Some(WeightDecayConfig::new(config.weight_decay)))
            .init();
        let &TrainingConfig { learning_rate, schedule, max_grad_norm, .. } = config;
        Self { adam, learning_rate, schedule, step: 0, steps, max_grad_norm }
    }

    /// One step against the gradients.
    pub(crate) fn step(&mut self, module: M, mut gradients: GradientsParams) -> M {
        if let Some(max_norm) = self.max_grad_norm {
            clip_norm(&mut gradients, &module, max_norm);
        }
        let learning_rate = self.learning_rate * self.schedule.share(self.step, self.steps);
        self.step += 1;
        self.adam.step(learning_rate, module, gradients)
    }
}

impl<B: Backend, M: AutodiffModule<Autodiff<B>>> Stepper<B, M> {
    /// Both moments of each parameter, in the module's order; none before the first step.
    pub(crate) fn moments(&self, module: &M) -> Vec<[TensorData; 2]> {
        let mut moments =
            CollectMoments::<B, M> { record: self.adam.to_record(), moments: Vec::new() };
        module.visit(&mut moments);
        moments.moments
    }

    /// Goes on after `steps`, with the moments that [`Self::moments`] gave then.
    pub(crate) fn resume(
        mut self,
        module: &M,
        moments: Vec<[TensorData; 2]>,
        step: usize,
    ) -> Result<Self, CheckpointError> {
        let found = moments.len();
        let (moments, record) = (moments.into_iter(), Default::default());
        let mut restored = RestoreMoments::<B, M> { moments, step, record, wrong: None };
        module.visit(&mut restored);
        if let Some((expected, found)) = restored.wrong {
            return Err(CheckpointError::Moments { expected, found });
        }
        let expected = restored.record.len();
        if expected != found {
            let expected = format!("{expected} parameters");
            return Err(CheckpointError::Moments { expected, found: found.to_string() });
        }
        self.adam = self.adam.load_record(restored.record);
        self.step = step;
        Ok(self)
    }
}

/// Adam's state by parameter.
type Record<B, M> = <OptimizerAdaptor<Adam, M, Autodiff<B>> as Optimizer<M, Autodiff<B>>>::Record;

struct CollectMoments<B: Backend, M: AutodiffModule<Autodiff<B>>> {
    record: Record<B, M>,
    moments: Vec<[TensorData; 2]>,
}

impl<B: Backend, M: AutodiffModule<Autodiff<B>>> ModuleVisitor<Autodiff<B>>
    for CollectMoments<B, M>
{
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Autodiff<B>, D>>) {
        if let Some(record) = self.record.remove(&param.id) {
            let AdaptiveMomentumState { moment_1, moment_2, .. } =
                record.into_state::<D>().momentum;
            self.moments.push([moment_1.into_data(), moment_2.into_data()]);
        }
    }
}

struct RestoreMoments<B: Backend, M: AutodiffModule<Autodiff<B>>> {
    moments: std::vec::IntoIter<[TensorData; 2]>,
    step: usize,
    record: Record<B, M>,
    /// The first shape that doesn't fit, expected and found.
    wrong: Option<(String, String)>,
}

impl<B: Backend, M: AutodiffModule<Autodiff<B>>> ModuleVisitor<Autodiff<B>>
    for RestoreMoments<B, M>
{
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Autodiff<B>, D>>) {
        let tensor = param.val();
        // Statistics have no gradient, and so no moments.
        if !tensor.is_require_grad() || self.step == 0 {
            return;
        }
        let Some(moments) = self.moments.next() else { return };
        let shape = tensor.dims();
        if let Some(wrong) = moments.iter().find(|moment| moment.shape[..] != shape) {
            let wrong = (format!("shape {shape:?}"), format!("{:?}", wrong.shape));
            self.wrong.get_or_insert(wrong);
            return;
        }
        let device = tensor.device();
        let [first, second] = moments.map(|moment| Tensor::<B, D>::from_data(moment, &device));
        let momentum = AdaptiveMomentumState::new(self.step, first, second);
        let record = AdaptorRecord::from_state::<D>(AdamState::new(momentum));
        self.record.insert(param.id, record);
    }
}

/// Threads that each take a part of a batch through a graph of their own.
///
/// Splitting a step's batch wakes the threads once a step; splitting each operation does so for every one
/// of its short operations. Each thread is a pool of rayon's by itself, so that operations on it stay on
/// it: it can't be given another part while it holds its graph's lock.
pub(crate) struct Workers(Vec<ThreadPool>);

impl Workers {
    pub(crate) fn new<B: Backend>() -> Self {
        let pool = |_| ThreadPoolBuilder::new().num_threads(1).build().ok();
        Self((0..B::workers()).map_while(pool).collect())
    }

    /// No threads: every batch is taken whole, on the network itself.
    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }

    /// Mean loss of a batch, and its gradients, added up in order: the same number of workers gives the
    /// same result.
    pub(crate) fn gradients<B: Backend, M: AutodiffModule<Autodiff<B>> + Sync>(
        &self,
        module: &M,
        batch: &[usize],
        loss: &(impl Fn(&M, &[usize]) -> Result<Tensor<Autodiff<B>, 1>, PipelineError> + Sync),
    ) -> Result<(Tensor<B, 1>, GradientsParams), PipelineError> {
        let run = |part: &[usize], module: &M| {
            let loss = loss(module, part)? * (part.len() as f64 / batch.len() as f64);
            let gradients = GradientsParams::from_grads(loss.backward(), module);
            Ok::<_, PipelineError>((loss.inner(), gradients))
        };
        if self.0.len() < 2 {
            return run(batch, module);
        }
        let parts: Vec<_> = thread::scope(|scope| {
            let parts = batch.chunks(batch.len().div_ceil(self.0.len()));
            let mut threads = Vec::with_capacity(self.0.len());
            for (part, pool) in parts.zip(&self.0) {
                // Shared leaves would tie the graphs together.
                let copy = M::from_inner(module.valid());
                threads.push(scope.spawn(move || pool.install(|| run(part, &copy))));
            }
            threads.into_iter().map(|thread| thread.join()).collect()
        });
        let device = module.devices().first().cloned().unwrap_or_default();
        let mut total = Tensor::zeros([1], &device);
        let mut accumulator = GradientsAccumulator::new();
        for part in parts {
            let (loss, gradients) =
                part.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            total = total + loss;
            accumulator.accumulate(module, gradients);
        }
        Ok((total, accumulator.grads()))
    }
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
