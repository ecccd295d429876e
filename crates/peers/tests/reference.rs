//! Both detectors against anomalib (`fixtures/generate.py`).

mod common;

use burn::tensor::Tensor;
use common::go_on;
use nfbmr_backend::{Cpu, StateDict};
use nfbmr_metrics::auroc;
use nfbmr_peers::{Padim, PadimConfig, PatchCore, PatchCoreConfig, Upsampling, smooth};
use nfbmr_test_support::fixture::{Fixture, assert_close, values};

const VALUES: &str = "../../crates/peers/tests/fixtures/anomalib";
const AUROC: &str = "../../crates/peers/tests/fixtures/auroc";

fn fit_padim(train: Tensor<Cpu, 4>) -> Padim<Cpu> {
    let all = PadimConfig { features: usize::MAX };
    Padim::fit(&all, &[train], 0, &mut go_on).unwrap()
}

#[test]
fn patchcore_scores_are_anomalibs() {
    let fixture = Fixture::open(VALUES);
    for (neighbors, expected) in
        [(9, "score"), (1, "score_1"), (3, "score_3"), (1000, "score_1000")]
    {
        let config = PatchCoreConfig { neighbors, ..Default::default() };
        let state = StateDict::from([("memory_bank".to_owned(), fixture.data("memory"))]);
        let patchcore = PatchCore::<Cpu>::from_state(&config, state, &Default::default()).unwrap();
        let scored = patchcore.score(fixture.tensor("test")).unwrap();
        assert_close("map", &values(scored.map), &fixture.values("map"), 1e-4);
        assert_close(expected, &scored.score, &fixture.values(expected), 1e-4);
    }
}

#[test]
fn patchcore_embeddings_are_anomalibs() {
    let fixture = Fixture::open(VALUES);
    let config = PatchCoreConfig { coreset_ratio: 1.0, ..Default::default() };
    let train: Tensor<Cpu, 4> = fixture.tensor("train");
    let batches = train.split(4, 0);
    let patchcore = PatchCore::fit(&config, &batches, 0, &mut go_on).unwrap();
    let memory = patchcore.state()["memory_bank"].to_vec::<f32>().unwrap();
    let sorted = |values: &[f32]| {
        let mut rows: Vec<Vec<f32>> = values.chunks(12).map(<[f32]>::to_vec).collect();
        rows.sort_by(|a, b| a[0].total_cmp(&b[0]));
        rows.concat()
    };
    assert_close("embeddings", &sorted(&memory), &sorted(&fixture.values("points")), 1e-6);
}

#[test]
fn padim_distributions_are_anomalibs() {
    let fixture = Fixture::open(VALUES);
    let state = fit_padim(fixture.tensor("train")).state();
    let (d, positions) = (12, 5 * 6);
    assert_eq!(state["selection"].to_vec::<f32>().unwrap(), vec![1.0; d]);
    let mean: Tensor<Cpu, 3> = Tensor::from_data(state["mean"].clone(), &Default::default());
    let mean = values(mean.reshape([positions, d]).swap_dims(0, 1));
    assert_close("mean", &mean, &fixture.values("mean"), 1e-5);
    let whitening: Tensor<Cpu, 3> =
        Tensor::from_data(state["whitening"].clone(), &Default::default());
    let inverse = values(whitening.clone().swap_dims(1, 2).matmul(whitening));
    assert_close("inverse covariance", &inverse, &fixture.values("inverse_covariance"), 1e-3);
}

#[test]
fn padim_scores_are_anomalibs() {
    let fixture = Fixture::open(VALUES);
    let padim = fit_padim(fixture.tensor("train"));
    let scored = padim.score(fixture.tensor("test"), [40, 33]).unwrap();
    assert_close("map", &values(scored.map), &fixture.values("padim_map"), 1e-3);
    assert_close("score", &scored.score, &fixture.values("padim_score"), 1e-3);
}

#[test]
fn smoothed_maps_are_anomalibs() {
    let fixture = Fixture::open(VALUES);
    for (map, upsampling, expected) in [
        ("map", Upsampling::Nearest, "smoothed_nearest"),
        ("padim_map", Upsampling::Bilinear, "smoothed_bilinear"),
    ] {
        let smoothed = smooth::<Cpu>(fixture.tensor(map), [40, 33], upsampling).unwrap();
        assert_eq!(smoothed.dims(), [3, 40, 33]);
        assert_close(expected, &values(smoothed), &fixture.values(expected), 1e-5);
    }
}

#[test]
fn auroc_is_anomalibs() {
    let fixture = Fixture::open(AUROC);
    let auroc = |scores: &[f32]| {
        assert_eq!(scores.len(), 50);
        let scores: Vec<f64> = scores.iter().map(|&score| f64::from(score)).collect();
        auroc(&scores, &[[false; 25], [true; 25]].concat()).unwrap()
    };
    // The coreset depends on chance, so both are means over as many seeds.
    let expected = fixture.values("patchcore");
    let seeds = expected.len() as u64;
    let mean = |sum: f64| sum / seeds as f64;
    let found: f64 = (0..seeds)
        .map(|seed| {
            let train = [fixture.tensor("train")];
            let config = PatchCoreConfig::default();
            let patchcore = PatchCore::<Cpu>::fit(&config, &train, seed, &mut go_on).unwrap();
            auroc(&patchcore.score(fixture.tensor("clear")).unwrap().score)
        })
        .sum();
    let (found, expected) = (mean(found), mean(expected.iter().map(|&a| f64::from(a)).sum()));
    assert!(expected > 0.98, "{expected}");
    assert!((found - expected).abs() < 0.005, "PatchCore: {found} against {expected}");

    let padim = fit_padim(fixture.tensor("train"));
    let found = auroc(&padim.score(fixture.tensor("subtle"), [40, 40]).unwrap().score);
    let expected = f64::from(fixture.values("padim")[0]);
    assert!((found - expected).abs() < 0.005, "PaDiM: {found} against {expected}");
}
