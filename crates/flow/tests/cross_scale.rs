//! The cross-scale flow against anomalib's CS-Flow (`fixtures/cs_flow.py`), and what must hold for any.

use burn::backend::Autodiff;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Distribution, Tensor};
use nfbmr_backend::{Backend, Cpu, load_state_dict, state_dict};
use nfbmr_flow::{CrossScaleConfig, CrossScaleFlow, FlowError};
use nfbmr_test_support::fixture::{Fixture, assert_close, values};

const FIXTURE: &str = "../../crates/flow/tests/fixtures/cs_flow";
const CHANNELS: usize = 5;
const GRIDS: [[usize; 2]; 3] = [[8, 12], [4, 6], [2, 3]];

fn config() -> CrossScaleConfig {
    CrossScaleConfig { kernels: vec![3, 5], hidden: 4, clamp: 3.0 }
}

/// The flow of the fixture.
fn flow<B: Backend>(fixture: &Fixture) -> CrossScaleFlow<B> {
    let permutations = fixture.values("permutations");
    let permutations = permutations.chunks(CHANNELS);
    let permutations: Vec<Vec<usize>> =
        permutations.map(|order| order.iter().map(|&i| i as usize).collect()).collect();
    let device = Default::default();
    let flow = CrossScaleFlow::new(&config(), &permutations, CHANNELS, &GRIDS, 0, &device);
    load_state_dict::<B, _>(flow.unwrap(), fixture.state("init")).unwrap()
}

fn features<B: Backend>(fixture: &Fixture) -> Vec<Tensor<B, 4>> {
    [0, 1, 2].map(|scale| fixture.tensor(&format!("y.{scale}"))).to_vec()
}

fn untrained(config: &CrossScaleConfig, grids: &[[usize; 2]]) -> CrossScaleFlow<Cpu> {
    let permutations = CrossScaleFlow::<Cpu>::random_permutations(config, CHANNELS, 3);
    let device = Default::default();
    CrossScaleFlow::new(config, &permutations, CHANNELS, grids, 3, &device).unwrap()
}

fn noise(batch: usize, grids: &[[usize; 2]]) -> Vec<Tensor<Cpu, 4>> {
    let noise = |&[height, width]: &[usize; 2]| {
        let shape = [batch, CHANNELS, height, width];
        Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Default::default())
    };
    grids.iter().map(noise).collect()
}

fn output_is_anomalibs<B: Backend>(prepared: bool) {
    let fixture = Fixture::open(FIXTURE);
    let mut flow = flow::<B>(&fixture);
    if prepared {
        flow.prepare();
    }
    let output = flow.forward(features(&fixture)).unwrap();
    for (scale, z) in output.z.iter().enumerate() {
        let name = format!("z.{scale}");
        assert_close(&name, &values(z.clone()), &fixture.values(&name), 1e-5);
    }
    assert_close("log-det", &values(output.log_det.clone()), &fixture.values("log_det"), 1e-5);
    assert_close("loss", &values(output.nll()), &fixture.values("loss"), 1e-5);
    // anomalib's score.
    let score = values(output.mean_square() * 0.5);
    assert_close("score", &score, &fixture.values("score"), 1e-5);
}

#[test]
fn output_matches_anomalib() {
    output_is_anomalibs::<Cpu>(false);
    output_is_anomalibs::<Cpu>(true);
    output_is_anomalibs::<Autodiff<Cpu>>(false);
}

struct Gradients<'a> {
    path: Vec<String>,
    fixture: &'a Fixture,
    gradients: <Autodiff<Cpu> as burn::tensor::backend::AutodiffBackend>::Gradients,
    seen: usize,
}

impl ModuleVisitor<Autodiff<Cpu>> for Gradients<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Autodiff<Cpu>, D>>) {
        let name = format!("gradient.{}", self.path.join("."));
        let found = values(param.val().grad(&self.gradients).unwrap());
        assert_close(&name, &found, &self.fixture.values(&name), 1e-4);
        self.seen += 1;
    }
}

#[test]
fn gradients_match_anomalib() {
    let fixture = Fixture::open(FIXTURE);
    let flow = flow::<Autodiff<Cpu>>(&fixture);
    let gradients = flow.forward(features(&fixture)).unwrap().nll().backward();
    let mut visitor = Gradients { path: Vec::new(), fixture: &fixture, gradients, seen: 0 };
    flow.visit(&mut visitor);
    assert_eq!(visitor.seen, fixture.state("gradient").len());
}

#[test]
fn an_untrained_flow_permutes_alone() {
    // Sides that aren't halved evenly or at all, and a single scale.
    for grids in [&[[7, 5], [4, 3], [2, 2]][..], &[[6, 6], [3, 3], [1, 1]], &[[3, 1]]] {
        let y = noise(2, grids);
        let output = untrained(&config(), grids).forward(y.clone()).unwrap();
        assert_eq!(values(output.log_det.clone()), [0.0; 2]);
        for (z, y) in output.z.iter().zip(&y) {
            let sorted = |x: &Tensor<Cpu, 4>| values(x.clone().sort(1));
            assert_eq!(sorted(z), sorted(y));
            assert_ne!(values(z.clone()), values(y.clone()));
        }
        let squares: Vec<f32> = y.iter().flat_map(|y| values(y.clone().square())).collect();
        let mean = squares.iter().sum::<f32>() / squares.len() as f32;
        assert_close("loss", &values(output.nll()), &[mean / 2.0], 1e-5);
    }
}

/// What changes at one scale changes the others.
#[test]
fn scales_look_at_each_other() {
    let fixture = Fixture::open(FIXTURE);
    let flow = flow::<Cpu>(&fixture);
    let before = flow.forward(features(&fixture)).unwrap();
    for changed in 0..3 {
        let mut y = features(&fixture);
        y[changed] = y[changed].clone() + 1.0;
        let after = flow.forward(y).unwrap();
        for (before, after) in before.z.iter().zip(&after.z) {
            let change = (before.clone() - after.clone()).abs().max().into_scalar();
            assert!(change > 1e-3, "of scale {changed}: {change}");
        }
    }
}

#[test]
fn parameters_are_counted() {
    for grids in [&GRIDS[..], &GRIDS[..1]] {
        for kernels in [vec![1], vec![3, 5]] {
            let config = CrossScaleConfig { kernels, ..config() };
            let state = state_dict::<Cpu, _>(&untrained(&config, grids));
            let numbers: usize = state.values().map(|data| data.num_elements()).sum();
            assert_eq!(config.parameters(CHANNELS, grids.len()), numbers);
        }
    }
    let many = CrossScaleConfig { hidden: usize::MAX, ..config() };
    assert_eq!(many.parameters(CHANNELS, 3), usize::MAX);
    // One 1 x 1 coupling of one scale: 5 channels read, 10 predicted, 4 between, 6 positions.
    let one = CrossScaleConfig { kernels: vec![1], ..config() };
    assert_eq!(one.multiply_adds(CHANNELS, &[[2, 3]]), 15.0 * 4.0 * 6.0);
    // Of two scales, each predicts the other too.
    assert_eq!(one.multiply_adds(CHANNELS, &[[4, 6], [2, 3]]), 25.0 * 4.0 * 30.0);
}

#[test]
fn what_has_no_flow_is_refused() {
    let refused = |config: CrossScaleConfig, channels: usize, grids: &[[usize; 2]]| {
        let permutations = CrossScaleFlow::<Cpu>::random_permutations(&config, channels.min(9), 0);
        let device = Default::default();
        let flow = CrossScaleFlow::<Cpu>::new(&config, &permutations, channels, grids, 0, &device);
        flow.map(drop).unwrap_err().to_string()
    };
    for (config, channels, grids, expected) in [
        (config(), 1, &GRIDS[..], "2 channels or more"),
        (CrossScaleConfig { kernels: Vec::new(), ..config() }, 5, &GRIDS, "found 0 and 4"),
        (CrossScaleConfig { hidden: 0, ..config() }, 5, &GRIDS, "found 2 and 0"),
        (CrossScaleConfig { kernels: vec![3, 4], ..config() }, 5, &GRIDS, "odd, found 4"),
        (CrossScaleConfig { clamp: f64::NAN, ..config() }, 5, &GRIDS, "clamp must be positive"),
        (config(), 5, &[], "one scale or more"),
        (config(), 5, &[[1, 0]], "one scale or more"),
        (config(), 10, &GRIDS, "expected 2, each of the channels 0..10"),
    ] {
        let error = refused(config, channels, grids);
        assert!(error.contains(expected), "{error}");
    }
    let flow = untrained(&config(), &GRIDS);
    for y in [noise(1, &GRIDS[..2]), noise(1, &[[8, 12], [4, 6], [2, 2]]), Vec::new()] {
        let error = flow.forward(y).unwrap_err();
        assert!(matches!(error, FlowError::Shapes { .. }), "{error}");
    }
}
