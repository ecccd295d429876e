//! What must hold for any flow: its inverse, its Jacobian, its loss on a distribution with a known
//! entropy, and its errors.

use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module, ModuleMapper, Param};
use burn::optim::{AdamConfig, GradientsParams, Optimizer};
use burn::tensor::{Distribution, Tensor, TensorData};
use nfbmr_backend::{Backend, Cpu};
use nfbmr_flow::{Flow, FlowConfig, FlowError, bits_per_dim, nll};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Replaces all parameters by random ones, large enough that log-scales span their clamp.
struct Randomize(ChaCha8Rng, f32);

impl<B: Backend> ModuleMapper<B> for Randomize {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let Self(rng, bound) = self;
        param.map(|tensor| {
            let shape = tensor.shape();
            let fan_in = (shape.num_elements() / shape[0]).max(1) as f32;
            let bound = if D == 1 { *bound } else { *bound / fan_in.sqrt() };
            let values: Vec<f32> =
                (0..shape.num_elements()).map(|_| rng.random_range(-bound..bound)).collect();
            Tensor::from_data(TensorData::new(values, shape), &tensor.device())
                .set_require_grad(tensor.is_require_grad())
        })
    }
}

fn random_flow<B: Backend>(
    couplings: usize,
    channels: usize,
    kernel: usize,
    seed: u64,
    bound: f32,
) -> Flow<B> {
    let config = FlowConfig { couplings, hidden: 8, kernel, clamp: 3.0 };
    let permutations = Flow::<B>::random_permutations(&config, channels, seed);
    let flow = Flow::new(&config, &permutations, channels, seed, &Default::default()).unwrap();
    flow.map(&mut Randomize(ChaCha8Rng::seed_from_u64(seed), bound))
}

fn noise<B: Backend>(shape: [usize; 4], seed: u64) -> Tensor<B, 4> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values: Vec<f32> =
        (0..shape.iter().product()).map(|_| rng.random_range(-2.0..2.0)).collect();
    Tensor::from_data(TensorData::new(values, shape), &Default::default())
}

#[test]
fn inverse_undoes_forward() {
    for (channels, kernel) in [(2, 1), (5, 1), (6, 3), (7, 3), (9, 5)] {
        let mut largest = 0f32;
        for seed in 0..8 {
            // Two couplings at the ends of the clamp already amplify rounding by exp(6).
            let flow = random_flow::<Cpu>(2, channels, kernel, seed, 1.5);
            let y = noise([2, channels, 4, 3], seed + 100);
            let output = flow.forward(y.clone()).unwrap();
            largest = largest.max(output.log_det.clone().abs().max().into_scalar());
            let back = flow.inverse(output.z).unwrap();
            let error = (back - y).abs().max().into_scalar();
            assert!(error < 1e-3, "C = {channels}, k = {kernel}, seed {seed}: {error}");
        }
        assert!(largest > 1.0, "C = {channels}, k = {kernel}: log-dets reach only {largest}");
    }
}

/// log|det| of a dense matrix by elimination with pivoting.
fn log_abs_det(mut matrix: Vec<Vec<f64>>) -> f64 {
    let n = matrix.len();
    let mut sum = 0.0;
    for k in 0..n {
        let pivot = (k..n).max_by(|&a, &b| matrix[a][k].abs().total_cmp(&matrix[b][k].abs()));
        matrix.swap(k, pivot.unwrap());
        sum += matrix[k][k].abs().ln();
        let row = matrix[k].clone();
        for other in &mut matrix[k + 1..] {
            let factor = other[k] / row[k];
            other.iter_mut().zip(&row).for_each(|(v, r)| *v -= factor * r);
        }
    }
    sum
}

#[test]
fn log_det_is_that_of_the_autodiff_jacobian() {
    for (channels, kernel, seed) in [(5, 3, 0), (5, 1, 1), (4, 3, 2), (7, 3, 3)] {
        let shape = [1, channels, 2, 3];
        let size = channels * 6;
        let y = noise::<Autodiff<Cpu>>(shape, seed).require_grad();
        // The first random flow whose log-det is large enough to prove something.
        let flow = (seed..)
            .map(|seed| random_flow::<Autodiff<Cpu>>(4, channels, kernel, seed, 1.0))
            .find(|flow| flow.forward(y.clone()).unwrap().log_det.sum().into_scalar().abs() > 1.0)
            .unwrap();
        let row = |i: usize| -> Vec<f64> {
            let z = flow.forward(y.clone()).unwrap().z.reshape([size]);
            let gradients = z.narrow(0, i, 1).backward();
            y.grad(&gradients).unwrap().into_data().iter::<f64>().collect()
        };
        let jacobian = log_abs_det((0..size).map(row).collect());
        let sum = f64::from(flow.forward(y).unwrap().log_det.sum().into_scalar());
        assert!((sum - jacobian).abs() < 1e-3 * sum.abs(), "{sum} against {jacobian}");
    }
}

#[test]
fn nll_of_a_gaussian_falls_to_its_entropy() {
    // y = A x + m of standard normal x has the entropy 0.5 ln(2 pi e) + ln|det A| / C per dimension,
    // of which the loss leaves 0.5 ln(2 pi) out.
    type B = Autodiff<Cpu>;
    let device = Default::default();
    let config = FlowConfig { couplings: 4, hidden: 16, kernel: 1, clamp: 3.0 };
    let permutations = Flow::<B>::random_permutations(&config, 4, 1);
    let mut flow = Flow::<B>::new(&config, &permutations, 4, 1, &device).unwrap();
    let scales = [3.0f32, 0.5, 2.0, 0.25];
    let entropy = 0.5 + scales.iter().map(|s| f64::from(*s).ln()).sum::<f64>() / 4.0;
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut normal = || {
        // Twelve uniform numbers add up to a good normal one.
        (0..12).map(|_| rng.random_range(0f32..1.0)).sum::<f32>() - 6.0
    };
    let mut batch = |count: usize| -> Tensor<B, 4> {
        let mut values = vec![0f32; count * 4];
        for sample in values.chunks_exact_mut(4) {
            let x: [f32; 4] = std::array::from_fn(|i| normal() * scales[i]);
            // A shear keeps the determinant.
            sample.copy_from_slice(&[x[0] + 1.0, x[1] + 0.5 * x[0], x[2] - 2.0, x[3] - 0.1 * x[2]]);
        }
        Tensor::from_data(TensorData::new(values, [count, 4, 1, 1]), &device)
    };
    let mut adam = AdamConfig::new().with_epsilon(1e-8).init();
    let start = f64::from(nll(&flow.forward(batch(4096)).unwrap()).into_scalar());
    for step in 0..1000 {
        let loss = nll(&flow.forward(batch(256)).unwrap());
        let gradients = GradientsParams::from_grads(loss.backward(), &flow);
        let rate = if step < 700 { 1e-2 } else { 1e-3 };
        flow = adam.step(rate, flow, gradients);
    }
    let test = batch(16384).inner();
    let end = f64::from(nll(&flow.valid().forward(test).unwrap()).into_scalar());
    assert!(start > entropy + 1.0, "starts at {start}, entropy {entropy}");
    assert!((end - entropy).abs() < 0.03, "ends at {end}, entropy {entropy}");
}

#[test]
fn starts_as_a_permutation() {
    let config = FlowConfig { couplings: 2, hidden: 8, kernel: 3, clamp: 3.0 };
    let permutations = vec![vec![2, 0, 1], vec![1, 0, 2]];
    let flow = Flow::<Cpu>::new(&config, &permutations, 3, 0, &Default::default()).unwrap();
    let y = Tensor::<Cpu, 4>::random([1, 3, 2, 2], Distribution::Default, &Default::default());
    let output = flow.forward(y.clone()).unwrap();
    let select = |i| y.clone().narrow(1, i, 1);
    let expected = Tensor::cat(vec![select(0), select(2), select(1)], 1);
    output.z.into_data().assert_eq(&expected.into_data(), true);
    assert_eq!(output.log_det.abs().max().into_scalar(), 0.0);
}

#[test]
fn a_seed_gives_the_same_flow() {
    let flow = |seed| {
        let config = FlowConfig { couplings: 2, hidden: 8, kernel: 1, clamp: 3.0 };
        let permutations = Flow::<Cpu>::random_permutations(&config, 4, seed);
        let flow = Flow::<Cpu>::new(&config, &permutations, 4, seed, &Default::default()).unwrap();
        (permutations, nfbmr_backend::state_dict(&flow))
    };
    assert_eq!(flow(3), flow(3));
    assert_ne!(flow(3), flow(4));
}

#[test]
fn parameters_are_counted() {
    for (channels, kernel) in [(6, 1), (7, 3)] {
        let config = FlowConfig { couplings: 4, hidden: 8, kernel, clamp: 3.0 };
        let flow = random_flow::<Cpu>(4, channels, kernel, 0, 1.0);
        assert_eq!(flow.num_params(), config.parameters(channels));
    }
}

#[test]
fn bits_of_a_standard_normal() {
    // Entropy of N(0, 1): 0.5 log2(2 pi e) = 2.0471 bits.
    assert!((bits_per_dim(0.5) - 2.047_095_585).abs() < 1e-8);
}

#[test]
fn nonsense_is_refused() {
    let good = FlowConfig { couplings: 1, hidden: 8, kernel: 3, clamp: 3.0 };
    let new = |config: &FlowConfig, permutations: &[Vec<usize>], channels| {
        Flow::<Cpu>::new(config, permutations, channels, 0, &Default::default()).unwrap_err()
    };
    let order = [vec![0, 1]];
    for config in [
        FlowConfig { couplings: 0, ..good.clone() },
        FlowConfig { hidden: 0, ..good.clone() },
        FlowConfig { kernel: 2, ..good.clone() },
        FlowConfig { clamp: 0.0, ..good.clone() },
        FlowConfig { clamp: f64::NAN, ..good.clone() },
    ] {
        assert!(matches!(new(&config, &order, 2), FlowError::Config(_)), "{config:?}");
    }
    assert!(matches!(new(&good, &[vec![0]], 1), FlowError::Config(_)));
    for order in [vec![vec![0, 0]], vec![vec![0, 2]], vec![vec![0]], vec![]] {
        let expected = FlowError::Permutations { couplings: 1, channels: 2 };
        assert_eq!(new(&good, &order, 2), expected);
    }
    let flow = Flow::<Cpu>::new(&good, &order, 2, 0, &Default::default()).unwrap();
    let error = flow.forward(noise([1, 3, 2, 2], 0)).unwrap_err();
    assert_eq!(error, FlowError::Channels { expected: 2, found: 3 });
}
