//! The flow against a PyTorch transcription (`tests/reference/nf_bmr.py`).

use nfbmr_backend::{Cpu, load_state_dict};
use nfbmr_flow::{Flow, FlowConfig, nll};
use nfbmr_test_support::fixture::{Fixture, assert_close, values};

fn matches_pytorch(file: &str, y: &str, kernel: usize, channels: usize) {
    let fixture = Fixture::open(file);
    let permutations: Vec<Vec<usize>> = fixture
        .values("permutations")
        .chunks(channels)
        .map(|order| order.iter().map(|&i| i as usize).collect())
        .collect();
    let config = FlowConfig { couplings: 4, hidden: 16, kernel, clamp: 3.0 };
    let device = Default::default();
    let flow = Flow::<Cpu>::new(&config, &permutations, channels, 0, &device).unwrap();
    let flow = load_state_dict(flow, fixture.state("init")).unwrap();

    // A fixture of several batches holds the expected output for the first.
    let [batch, height, width] = [2, 5, 6];
    let first = fixture.values(y)[..batch * channels * height * width].to_vec();
    let shape = [batch, channels, height, width];
    let data = burn::tensor::TensorData::new(first, shape);
    let output = flow.forward(burn::tensor::Tensor::from_data(data, &device)).unwrap();
    let loss = values(nll(&output));
    let log_det = values(output.log_det);
    let largest = log_det.chunks(height * width).map(|image| image.iter().sum::<f32>().abs());
    assert!(largest.fold(f32::INFINITY, f32::min) > 1.0, "the fixture exercises the log-det");
    assert_close("z", &values(output.z), &fixture.values("z0"), 1e-5);
    assert_close("log-det", &log_det, &fixture.values("log_det0"), 1e-5);
    assert_close("loss", &loss, &fixture.values("loss0"), 1e-5);
}

#[test]
fn odd_channels_and_3x3_windows_match_pytorch() {
    matches_pytorch("flow_steps", "batches", 3, 7);
}

#[test]
fn even_channels_and_1x1_windows_match_pytorch() {
    matches_pytorch("flow_k1", "y", 1, 6);
}
