//! PFM and B-PFM against a PyTorch transcription (`tests/reference/nf_bmr.py`).

mod support;

use burn::module::{AutodiffModule, Module};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{AdamConfig, GradientsParams, Optimizer};
use burn::tensor::Tensor;
use nfbmr_backend::{Backend, Cpu, load_state_dict, state_dict};
use nfbmr_bmr::{Bpfm, BpfmConfig, BpfmError, Comparison, Directions};
use nfbmr_test_support::fixture::{Fixture, assert_close, values};
use support::{B, gradients};

const BPFM: BpfmConfig = BpfmConfig { latent: 6, directions: Directions::Both, l2_normalize: true };
const PFM: BpfmConfig =
    BpfmConfig { latent: 4, directions: Directions::Forward, l2_normalize: false };

/// A fixture, and the network it is of.
struct Reference {
    fixture: Fixture,
    config: BpfmConfig,
    channels: [usize; 2],
}

impl Reference {
    fn bpfm() -> Self {
        Self { fixture: Fixture::open("bpfm_steps"), config: BPFM, channels: [7, 5] }
    }

    fn pfm() -> Self {
        Self { fixture: Fixture::open("pfm_steps"), config: PFM, channels: [5, 8] }
    }

    /// The network in the state `init` or `final`.
    fn network<B: Backend>(&self, state: &str) -> Bpfm<B> {
        let [source, target] = self.channels;
        let bpfm = Bpfm::new(&self.config, source, target, 0, &Default::default()).unwrap();
        load_state_dict(bpfm, self.fixture.state(state)).unwrap()
    }

    fn batch<B: Backend>(&self, step: usize) -> [Tensor<B, 4>; 2] {
        ["y", "z"].map(|name| self.fixture.tensor::<B, 5>(name).narrow(0, step, 1).squeeze_dim(0))
    }

    /// Compares features and their images with those that PyTorch has in the state `suffix`.
    fn check_maps<B: Backend>(&self, comparison: Comparison<B>, suffix: &str) {
        let check = |name: &str, tensor: Tensor<B, 4>| {
            let name = format!("{name}_{suffix}");
            assert_eq!(tensor.dims().as_slice(), self.fixture.data(&name).shape.as_slice());
            assert_close(&name, &values(tensor), &self.fixture.values(&name), 1e-5);
        };
        check("z", comparison.target.features);
        check("z_hat", comparison.target.mapped);
        assert_eq!(comparison.source.is_some(), self.config.directions == Directions::Both);
        if let Some(source) = comparison.source {
            check("y", source.features);
            check("y_hat", source.mapped);
        }
    }

    fn maps_match(&self) {
        let [y, z] = self.batch(0);
        let training = self.network::<B>("init").forward(y, z).unwrap();
        self.check_maps(training, "train");
        for (state, suffix) in [("init", "eval_init"), ("final", "eval_final")] {
            let [y, z] = self.batch(0);
            let inference = self.network::<Cpu>(state).forward(y, z).unwrap();
            self.check_maps(inference, suffix);
        }
    }

    fn gradients_match(&self) {
        let bpfm = self.network::<B>("init");
        let [y, z] = self.batch(0);
        let loss = bpfm.loss(y, z).unwrap().total();
        assert_close("loss", &values(loss.clone()), &self.fixture.values("loss0"), 1e-5);
        let found = gradients(&loss, &bpfm);
        let expected = self.fixture.state("grad0");
        assert_eq!(found.len(), expected.len());
        for (name, expected) in expected {
            let found = found[&name].to_vec::<f32>().unwrap();
            let expected = expected.to_vec::<f32>().unwrap();
            if cancelled(&name) {
                // Gradients reach 0.1 elsewhere.
                assert!(
                    found.iter().all(|v| v.abs() < 1e-6),
                    "{name}: expected 0, found {found:?}"
                );
            } else {
                assert_close(&name, &found, &expected, 1e-4);
            }
        }
    }

    fn ten_steps_match(&self) {
        let mut bpfm = self.network::<B>("init");
        let decay = WeightDecayConfig::new(1e-5);
        let mut adam = AdamConfig::new().with_epsilon(1e-8).with_weight_decay(Some(decay)).init();
        let mut losses = Vec::new();
        for step in 0..10 {
            let [y, z] = self.batch(step);
            let loss = bpfm.loss(y, z).unwrap().total();
            losses.extend(values(loss.clone()));
            let gradients = GradientsParams::from_grads(loss.backward(), &bpfm);
            bpfm = adam.step(3e-4, bpfm, gradients);
        }
        assert_close("losses", &losses, &self.fixture.values("losses"), 1e-5);
        let last = state_dict::<B, _>(&bpfm);
        let expected = self.fixture.state("final");
        assert_eq!(last.len(), expected.len());
        for (name, expected) in expected {
            let found = last[&name].to_vec::<f32>().unwrap();
            assert_close(&name, &found, expected.as_slice().unwrap(), 3e-5);
        }
        let [y, z] = self.batch(0);
        let trained = bpfm.valid().forward(y, z).unwrap();
        let expected = self.fixture.values("z_hat_eval_final");
        assert_close("z_hat after training", &values(trained.target.mapped), &expected, 3e-5);
    }
}

/// Biases that the next normalisation takes away: the loss doesn't depend on them.
fn cancelled(name: &str) -> bool {
    name.ends_with(".conv.bias") || name == "shared.bias"
}

#[test]
fn bpfm_maps_match_pytorch() {
    Reference::bpfm().maps_match();
}

#[test]
fn pfm_maps_match_pytorch() {
    Reference::pfm().maps_match();
}

#[test]
fn bpfm_gradients_match_pytorch() {
    Reference::bpfm().gradients_match();
}

#[test]
fn pfm_gradients_match_pytorch() {
    Reference::pfm().gradients_match();
}

#[test]
fn bpfm_steps_match_pytorch() {
    Reference::bpfm().ten_steps_match();
}

#[test]
fn pfm_steps_match_pytorch() {
    Reference::pfm().ten_steps_match();
}

#[test]
fn a_state_dictionary_restores_the_running_statistics() {
    let reference = Reference::bpfm();
    let bpfm = reference.network::<B>("init");
    let [y, z] = reference.batch(0);
    bpfm.loss(y, z).unwrap();
    let state = state_dict::<B, _>(&bpfm);
    let moved = |name: &&String| state[*name] != reference.fixture.data(&format!("init.{name}"));
    let moved: Vec<&String> = state.keys().filter(moved).collect();
    // Of both directions' three normalisations, mean and variance, and nothing else.
    assert_eq!(moved.len(), 12, "{moved:?}");
    assert!(moved.iter().all(|name| name.contains(".norm.running_")), "{moved:?}");
    assert_eq!(state_dict::<Cpu, _>(&bpfm.valid()), state);

    let fresh = Bpfm::<Cpu>::new(&BPFM, 7, 5, 1, &Default::default()).unwrap();
    let restored = load_state_dict(fresh, state.clone()).unwrap();
    assert_eq!(state_dict::<Cpu, _>(&restored), state);
    let [expected, found] = [bpfm.valid(), restored].map(|bpfm| {
        let [y, z] = reference.batch(1);
        let Comparison { source, target } = bpfm.forward(y, z).unwrap();
        [source.unwrap().mapped, target.mapped].map(values)
    });
    assert_eq!(found, expected);
}

#[test]
fn inference_leaves_the_network_as_it_is() {
    let reference = Reference::bpfm();
    let bpfm = reference.network::<Cpu>("init");
    let before = state_dict(&bpfm);
    let [y, z] = reference.batch(0);
    bpfm.forward(y, z).unwrap();
    assert_eq!(state_dict(&bpfm), before);
}

#[test]
fn parameters_and_work_are_counted() {
    let statistics = |bpfm: &Bpfm<Cpu>| -> usize {
        let state = state_dict(bpfm).into_iter().filter(|(name, _)| name.contains(".running_"));
        state.map(|(_, data)| data.num_elements()).sum()
    };
    for latent in [1, 6] {
        for directions in [Directions::Forward, Directions::Both] {
            for [source, target] in [[7, 5], [1, 4]] {
                let config = BpfmConfig { latent, directions, l2_normalize: true };
                let bpfm = Bpfm::new(&config, source, target, 0, &Default::default()).unwrap();
                let trained = bpfm.num_params() - statistics(&bpfm);
                assert_eq!(trained, config.parameters(source, target));
            }
        }
    }
    assert_eq!(BpfmConfig { latent: usize::MAX, ..BPFM }.parameters(7, 5), usize::MAX);

    // 4 -> 5 -> 6 -> 3 -> 6 -> 6 and 6 -> 6 -> 6 -> 3 -> 5 -> 4 channels.
    let forward = 4 * 5 + 5 * 6 + 6 * 3 + 3 * 6 + 6 * 6;
    let backward = 6 * 6 + 6 * 6 + 6 * 3 + 3 * 5 + 5 * 4;
    let work = |directions| BpfmConfig { latent: 3, directions, ..BPFM }.multiply_adds(4, 6, 10);
    assert_eq!(work(Directions::Forward), f64::from(10 * forward));
    assert_eq!(work(Directions::Both), f64::from(10 * (forward + backward)));
}

#[test]
fn a_pfm_has_no_source_loss() {
    let reference = Reference::pfm();
    let [y, z] = reference.batch(0);
    let loss = reference.network::<Cpu>("init").loss(y, z).unwrap();
    assert_eq!(values(loss.source.clone()), [0.0]);
    assert_eq!(values(loss.total()), values(loss.target));
}

#[test]
fn features_of_all_zeros_stay_finite() {
    let bpfm = Bpfm::<Cpu>::new(&BPFM, 3, 2, 0, &Default::default()).unwrap();
    let zeros = |channels| Tensor::zeros([1, channels, 2, 2], &Default::default());
    let target = bpfm.forward(zeros(3), zeros(2)).unwrap().target;
    assert_eq!(values(target.features), [0.0; 8]);
    assert!(values(target.mapped).iter().all(|v| v.is_finite()));
}

#[test]
fn nonsense_is_refused() {
    let device = Default::default();
    for [source, target, latent] in [[0, 2, 4], [3, 0, 4], [3, 2, 0]] {
        let error = Bpfm::<Cpu>::new(&BpfmConfig { latent, ..BPFM }, source, target, 0, &device)
            .unwrap_err();
        let (source_channels, target_channels) = (source, target);
        assert_eq!(error, BpfmError::Config { source_channels, target_channels, latent });
    }
    let bpfm = Bpfm::<B>::new(&BPFM, 3, 2, 0, &device).unwrap();
    let zeros = |shape| Tensor::<B, 4>::zeros(shape, &device);
    for (y, z) in [
        ([1, 4, 2, 2], [1, 2, 2, 2]),
        ([1, 3, 2, 2], [1, 3, 2, 2]),
        ([1, 3, 2, 2], [1, 2, 2, 3]),
        ([2, 3, 2, 2], [1, 2, 2, 2]),
    ] {
        let expected = BpfmError::Shape { source_channels: 3, target_channels: 2, y, z };
        assert_eq!(bpfm.forward(zeros(y), zeros(z)).unwrap_err(), expected);
    }
    // One position has no variance to train with; inference takes it.
    let (y, z) = ([1, 3, 1, 1], [1, 2, 1, 1]);
    assert_eq!(bpfm.loss(zeros(y), zeros(z)).unwrap_err(), BpfmError::Batch { y });
    bpfm.valid().loss(zeros(y).inner(), zeros(z).inner()).unwrap();
}
