//! BMR against a PyTorch transcription (`tests/reference/nf_bmr.py`).

mod support;

use burn::module::Module;
use burn::tensor::Tensor;
use nfbmr_backend::{Cpu, StateDict, load_state_dict, state_dict};
use nfbmr_bmr::{Bmr, BmrConfig, BmrError, Loss, residual_map};
use nfbmr_test_support::fixture::{Fixture, assert_close, values};
use support::{B, gradients};

fn matches_pytorch(file: &str, blocks: usize) {
    let fixture = Fixture::open(file);
    let config = BmrConfig { latent: 16, inner: 8, blocks };
    let bmr = Bmr::<B>::new(&config, 7, 0, &Default::default()).unwrap();
    let bmr = load_state_dict(bmr, fixture.state("init")).unwrap();
    let features = |name: &str| -> Tensor<B, 4> {
        // A fixture of several batches holds the expected output for the first.
        let count = 2 * 7 * 5 * 6;
        let first = fixture.values(name)[..count].to_vec();
        let data = burn::tensor::TensorData::new(first, [2, 7, 5, 6]);
        Tensor::from_data(data, &Default::default())
    };
    let (y, z) = (features("y"), features("z"));
    let mapped = bmr.forward(y.clone(), z.clone()).unwrap();
    let losses = bmr.loss(y.clone(), z.clone()).unwrap();
    assert_close("y_hat", &values(mapped.y), &fixture.values("y_hat0"), 1e-5);
    assert_close("z_hat", &values(mapped.z), &fixture.values("z_hat0"), 1e-5);
    assert_close("(11)", &values(losses.source.clone()), &fixture.values("loss0_source"), 1e-5);
    assert_close("(12)", &values(losses.target.clone()), &fixture.values("loss0_target"), 1e-5);
    assert_close("(13)", &values(losses.total()), &fixture.values("loss0"), 1e-5);

    // The shared block's gradient is PyTorch's, and the sum of what either direction alone gives.
    let gradients = |term: fn(Loss<B>) -> Tensor<B, 1>| {
        gradients(&term(bmr.loss(y.clone(), z.clone()).unwrap()), &bmr)
    };
    let both = gradients(|loss| loss.total());
    let (source, target) = (gradients(|loss| loss.source), gradients(|loss| loss.target));
    let expected = fixture.state("grad0");
    assert_eq!(expected.len(), 6, "the shared block has 6 parameters");
    for (name, expected) in expected {
        let values = |state: &StateDict| state[&name].to_vec::<f32>().unwrap();
        let (source, target) = (values(&source), values(&target));
        assert!(source.iter().any(|&v| v != 0.0) && target.iter().any(|&v| v != 0.0), "{name}");
        let sum: Vec<f32> = source.iter().zip(&target).map(|(a, b)| a + b).collect();
        assert_close(&name, &values(&both), expected.as_slice().unwrap(), 1e-4);
        assert_close(&name, &sum, expected.as_slice().unwrap(), 1e-4);
    }
}

#[test]
fn n1_matches_pytorch() {
    matches_pytorch("bmr_n1", 1);
}

#[test]
fn n2_matches_pytorch() {
    matches_pytorch("bmr_steps", 2);
}

#[test]
fn n3_matches_pytorch() {
    matches_pytorch("bmr_n3", 3);
}

#[test]
fn parameters_are_counted_with_the_shared_block_once() {
    for blocks in 0..4 {
        let config = BmrConfig { latent: 12, inner: 5, blocks };
        let bmr = Bmr::<Cpu>::new(&config, 7, 0, &Default::default()).unwrap();
        assert_eq!(bmr.num_params(), config.parameters(7));
        let shared = state_dict(&bmr).into_keys().filter(|name| name.starts_with("shared."));
        assert_eq!(shared.count(), 6);
    }
}

#[test]
fn residual_map_sums_squares_over_channels() {
    let tensor = |values: [f32; 8]| {
        Tensor::<Cpu, 1>::from_floats(values, &Default::default()).reshape([1, 2, 2, 2])
    };
    let map = residual_map(
        tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]),
        tensor([0.0, 2.0, 1.0, 4.0, 5.0, 3.0, 6.0, 8.0]),
    );
    assert_eq!(map.dims(), [1, 2, 2]);
    assert_eq!(values(map), [1.0, 9.0, 5.0, 0.0]);
}

#[test]
fn nonsense_is_refused() {
    let device = Default::default();
    for config in
        [BmrConfig { latent: 0, inner: 4, blocks: 1 }, BmrConfig { latent: 4, inner: 0, blocks: 1 }]
    {
        let error = Bmr::<Cpu>::new(&config, 3, 0, &device).unwrap_err();
        let BmrConfig { latent, inner, .. } = config;
        assert_eq!(error, BmrError::Config { channels: 3, latent, inner });
    }
    let config = BmrConfig { latent: 4, inner: 4, blocks: 1 };
    let bmr = Bmr::<Cpu>::new(&config, 3, 0, &device).unwrap();
    let zeros = |channels, side| Tensor::<Cpu, 4>::zeros([1, channels, side, side], &device);
    for (y, z) in [(zeros(4, 2), zeros(4, 2)), (zeros(3, 2), zeros(3, 3))] {
        let expected = BmrError::Shape { channels: 3, y: y.dims(), z: z.dims() };
        assert_eq!(bmr.forward(y, z).unwrap_err(), expected);
    }
}
