//! One phase of a training: a network, its loss, and the images in a new order each epoch.

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::Tensor;
use nfbmr_backend::{Backend, load_state_dict, state_dict};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{Session, Stepper, TrainingConfig, Workers};
use crate::error::{CheckpointError, Phase, PipelineError, TrainingError};
use crate::file::PhaseState;
use crate::progress::Reporter;

/// One of the trainings that make up a system's, of the session's level.
pub(crate) struct TrainingPhase<'a> {
    pub(crate) phase: Phase,
    pub(crate) images: usize,
    pub(crate) config: &'a TrainingConfig,
    /// Of the order of the images.
    pub(crate) seed: u64,
}

impl TrainingPhase<'_> {
    fn steps_per_epoch(&self) -> usize {
        self.images.div_ceil(self.config.batch_size)
    }
}

/// Minimises `loss(module, images of a batch)` over the images in a new random order each epoch, from where
/// the session's checkpoint has it.
pub(crate) fn fit<B: Backend, M: AutodiffModule<Autodiff<B>> + Sync>(
    mut module: M,
    phase: &TrainingPhase<'_>,
    workers: &Workers,
    session: &mut Session<'_, '_>,
    loss: impl Fn(&M, &[usize]) -> Result<Tensor<Autodiff<B>, 1>, PipelineError> + Sync,
) -> Result<M::InnerModule, PipelineError> {
    let TrainingPhase { images, config, .. } = *phase;
    let mut rng = ChaCha8Rng::seed_from_u64(phase.seed);
    let mut stepper = Stepper::new(config, config.epochs * phase.steps_per_epoch());
    let mut order: Vec<usize> = (0..images).collect();
    let Session { progress, checkpoint, level } = session;
    // In a checkpoint.
    let name = format!("{}.{}", phase.phase, level.0);
    let reporter = Reporter::new(phase.phase, config.epochs, images, &mut **progress);
    let mut reporter = reporter.of_level(*level);
    let mut over = 0;
    if let Some(checkpoint) = checkpoint
        && let Some(state) = checkpoint.phase(&name, config.epochs)?.cloned()
    {
        over = state.epoch;
        (module, stepper) = resume(module, stepper, state, over * phase.steps_per_epoch())
            .map_err(|source| checkpoint.error(source))?;
        // The order that the next epoch shuffles.
        (0..over).for_each(|_| order.shuffle(&mut rng));
        reporter.skip_epochs(over);
    }
    for epoch in over + 1..=config.epochs {
        order.shuffle(&mut rng);
        let mut total: Option<Tensor<B, 1>> = None;
        for batch in order.chunks(config.batch_size) {
            let (mean, gradients) = workers.gradients(&module, batch, &loss)?;
            // Summed on the device and read once an epoch.
            let weighted = mean * batch.len() as f64;
            total = Some(match total {
                Some(total) => total + weighted,
                None => weighted,
            });
            module = stepper.step(module, gradients);
            reporter.advance(batch.len())?;
        }
        let sum = total.map_or(0.0, |total| f64::from(total.into_scalar()));
        let mean = sum / images.max(1) as f64;
        if !mean.is_finite() {
            return Err(TrainingError::NotFinite { phase: phase.phase, epoch }.into());
        }
        if let Some(checkpoint) = checkpoint {
            checkpoint.end_epoch(&name, epoch == config.epochs, || PhaseState {
                epoch,
                network: state_dict(&module.valid()),
                moments: stepper.moments(&module),
            })?;
        }
        reporter.end_epoch(mean);
    }
    Ok(module.valid())
}

/// A network and its optimiser as they were after so many steps.
fn resume<B: Backend, M: AutodiffModule<Autodiff<B>>>(
    module: M,
    stepper: Stepper<B, M>,
    state: PhaseState,
    steps: usize,
) -> Result<(M, Stepper<B, M>), CheckpointError> {
    let module = load_state_dict(module, state.network)?;
    let stepper = stepper.resume(&module, state.moments, steps)?;
    Ok((module, stepper))
}

#[cfg(test)]
mod tests {
    use nfbmr_backend::Cpu;
    use nfbmr_bmr::{Bmr, BmrConfig};
    use nfbmr_flow::{CrossScaleConfig, CrossScaleFlow, Flow, FlowConfig, nll};
    use nfbmr_test_support::fixture::{Fixture, assert_close};

    use super::*;

    type B = Autodiff<Cpu>;

    /// Takes a step on each batch of a fixture and compares all losses, and the parameters at the end.
    fn ten_steps_match_pytorch<M: AutodiffModule<B> + Sync>(
        fixture: &Fixture,
        module: M,
        config: &TrainingConfig,
        loss: impl Fn(&M, usize, &[usize]) -> Tensor<B, 1> + Sync,
    ) {
        let mut module = load_state_dict::<B, _>(module, fixture.state("init")).unwrap();
        let mut stepper = Stepper::<Cpu, M>::new(config, 10);
        let workers = Workers::new::<Cpu>();
        let mut losses = Vec::new();
        for step in 0..10 {
            // Both images of a batch, each on its worker.
            let loss = |module: &M, images: &[usize]| Ok(loss(module, step, images));
            let (value, gradients) = workers.gradients(&module, &[0, 1], &loss).unwrap();
            losses.push(value.into_scalar());
            module = stepper.step(module, gradients);
        }
        assert_close("losses", &losses, &fixture.values("losses"), 1e-4);
        let last = state_dict::<B, _>(&module);
        let expected = fixture.state("final");
        assert_eq!(last.len(), expected.len());
        for (name, expected) in expected {
            let found = last[&name].to_vec::<f32>().unwrap();
            let expected = expected.as_slice::<f32>().unwrap();
            // By root mean square: where a gradient is close to 0, Adam makes much of its rounding.
            let difference = rms(found.iter().zip(expected).map(|(a, b)| a - b));
            let relative = difference / rms(expected.iter().copied()).max(f32::MIN_POSITIVE);
            // Leaving out the weight decay moves some by 8e-3.
            assert!(relative <= 1e-5, "{name}: off by {relative:e}");
        }
    }

    fn rms(values: impl ExactSizeIterator<Item = f32>) -> f32 {
        let count = values.len() as f32;
        (values.map(|value| value * value).sum::<f32>() / count).sqrt()
    }

    /// Images of the batch of a step.
    fn batch(tensor: &Tensor<B, 5>, step: usize, images: &[usize]) -> Tensor<B, 4> {
        let batch: Tensor<B, 4> = tensor.clone().narrow(0, step, 1).squeeze_dim(0);
        let images = images.iter().map(|&image| batch.clone().narrow(0, image, 1)).collect();
        Tensor::cat(images, 0)
    }

    #[test]
    fn flow_steps_match_pytorch() {
        let fixture = Fixture::open("flow_steps");
        let norms = fixture.values("grad_norms");
        assert!(norms.iter().any(|&n| n > 1.0) && norms.iter().any(|&n| n < 1.0));
        let permutations: Vec<Vec<usize>> = fixture
            .values("permutations")
            .chunks(7)
            .map(|order| order.iter().map(|&i| i as usize).collect())
            .collect();
        let config = FlowConfig { hidden: 16, ..FlowConfig::paper() };
        let flow = Flow::new(&config, &permutations, 7, 0, &Default::default()).unwrap();
        let batches = fixture.tensor("batches");
        ten_steps_match_pytorch(&fixture, flow, &TrainingConfig::flow(), |flow, step, images| {
            nll(&flow.forward(batch(&batches, step, images)).unwrap())
        });
    }

    #[test]
    fn cross_scale_steps_match_anomalib() {
        let fixture = Fixture::open("../../crates/flow/tests/fixtures/cs_flow");
        let permutations: Vec<Vec<usize>> = fixture
            .values("permutations")
            .chunks(5)
            .map(|order| order.iter().map(|&i| i as usize).collect())
            .collect();
        let config = CrossScaleConfig { kernels: vec![3, 5], hidden: 4, clamp: 3.0 };
        let (grids, device) = ([[8, 12], [4, 6], [2, 3]], Default::default());
        let flow = CrossScaleFlow::new(&config, &permutations, 5, &grids, 0, &device).unwrap();
        let scales = [0, 1, 2].map(|scale| fixture.tensor(&format!("batches.{scale}")));
        ten_steps_match_pytorch(&fixture, flow, &TrainingConfig::flow(), |flow, step, images| {
            let y = scales.iter().map(|scale| batch(scale, step, images)).collect();
            flow.forward(y).unwrap().nll()
        });
    }

    #[test]
    fn bmr_steps_match_pytorch() {
        let fixture = Fixture::open("bmr_steps");
        let config = BmrConfig { latent: 16, inner: 8, blocks: 2 };
        let bmr = Bmr::new(&config, 7, 0, &Default::default()).unwrap();
        let (ys, zs) = (fixture.tensor("y"), fixture.tensor("z"));
        ten_steps_match_pytorch(&fixture, bmr, &TrainingConfig::bmr(), |bmr, step, images| {
            let (y, z) = (batch(&ys, step, images), batch(&zs, step, images));
            bmr.loss(y, z).unwrap().total()
        });
    }
}
