//! Whitening against numpy (`fixtures/generate.py`).

use nfbmr_backend::{Cpu, load_state_dict, state_dict};
use nfbmr_test_support::fixture::{Fixture, assert_close, values};
use nfbmr_whitening::{Whitening, WhiteningConfig, WhiteningFit, Window};

const BLOCKS: [usize; 2] = [2, 3];
const GRID: [usize; 2] = [3, 4];

#[test]
fn whitened_features_are_numpys() {
    for (window, name) in [(Window::Mean, "mean"), (Window::Binomial, "binomial")] {
        check(&WhiteningConfig { neighborhood: 3, window, prior: 5.0, ridge: 0.02 }, name);
    }
}

fn check(config: &WhiteningConfig, name: &str) {
    let fixture = Fixture::open("../../crates/whitening/tests/fixtures/whitening");
    let train = fixture.tensor::<Cpu, 4>("train");
    let mut fit = WhiteningFit::new(config, &BLOCKS, GRID, 1).unwrap();
    // In parts, as a training with many images does.
    fit.add(train.clone().narrow(0, 0, 3), 0).unwrap();
    fit.add(train.narrow(0, 3, 4), 0).unwrap();
    let whitening = fit.finish::<Cpu>(&Default::default()).unwrap();
    let white = whitening.forward(fixture.tensor("test")).unwrap();
    assert_close(name, &values(white), &fixture.values(name), 1e-5);

    // The statistics are parameters that a file can hold.
    let empty = Whitening::<Cpu>::new(config, &BLOCKS, GRID, 1, &Default::default()).unwrap();
    let loaded = load_state_dict(empty, state_dict(&whitening)).unwrap();
    let white = loaded.forward(fixture.tensor("test")).unwrap();
    assert_close("loaded", &values(white), &fixture.values(name), 1e-5);
}
