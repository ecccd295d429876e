//! What holds for any features: order of scores, state, seeds, threads, errors.

use std::ops::ControlFlow;

use burn::tensor::{Tensor, TensorData};
use nfbmr_backend::{Cpu, StateDict};
use nfbmr_peers::{Padim, PadimConfig, PatchCore, PatchCoreConfig, PeerError, Upsampling, smooth};
use proptest::prelude::*;

type Features = Tensor<Cpu, 4>;

const SIZE: [usize; 2] = [24, 20];

fn go_on(_: usize, _: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn features(values: Vec<f32>, shape: [usize; 4]) -> Features {
    Tensor::from_data(TensorData::new(values, shape), &Default::default())
}

fn zeros(shape: [usize; 4]) -> Features {
    Tensor::zeros(shape, &Default::default())
}

fn patchcore(config: &PatchCoreConfig, train: &[Features], seed: u64) -> PatchCore<Cpu> {
    PatchCore::fit(config, train, seed, &mut go_on).unwrap()
}

fn padim(config: &PadimConfig, train: &[Features], seed: u64) -> Padim<Cpu> {
    Padim::fit(config, train, seed, &mut go_on).unwrap()
}

fn values<const D: usize>(tensor: &Tensor<Cpu, D>) -> Vec<f32> {
    tensor.to_data().to_vec().unwrap()
}

/// Values that are never alike, the same for the same `salt`.
fn varied(shape: [usize; 4], salt: u64) -> Features {
    let count: usize = shape.iter().product();
    let value = |i: u64| ((i + 1) as f64 * (0.618_034 + salt as f64 * 0.1)).fract() as f32 - 0.5;
    features((0..count as u64).map(value).collect(), shape)
}

prop_compose! {
    fn any_features()(
        shape in [2usize..6, 1usize..9, 1usize..6, 1usize..6],
        scale in 0.1f32..100.0,
        offset in -100f32..100.0,
    )(
        values in prop::collection::vec(-1f32..1.0, shape.iter().product::<usize>()),
        shape in Just(shape),
        scale in Just(scale),
        offset in Just(offset),
    ) -> Features {
        features(values, shape) * scale + offset
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn far_outliers_score_higher_than_training_images(train in any_features(), seed: u64) {
        let far = train.clone() + 1e4;
        let config = PatchCoreConfig { coreset_ratio: 0.5, ..Default::default() };
        let detector = patchcore(&config, &[train.clone()], seed);
        let (near, far_off) = (detector.score(train.clone()).unwrap(), detector.score(far.clone()).unwrap());
        let farthest = near.score.iter().copied().fold(0.0, f32::max);
        prop_assert!(far_off.score.iter().all(|&score| score > farthest));
        prop_assert!(values(&near.map).iter().all(|&value| value >= 0.0));

        let detector = padim(&PadimConfig::default(), &[train.clone()], seed);
        let (near, far_off) = (detector.score(train, SIZE).unwrap(), detector.score(far, SIZE).unwrap());
        let farthest = near.score.iter().copied().fold(0.0, f32::max);
        prop_assert!(far_off.score.iter().all(|&score| score > farthest));
        prop_assert!(values(&near.map).iter().all(|&value| value >= 0.0));
    }

    #[test]
    fn what_the_memory_holds_scores_nothing(train in any_features(), seed: u64) {
        let config = PatchCoreConfig { coreset_ratio: 1.0, ..Default::default() };
        let scored = patchcore(&config, &[train.clone()], seed).score(train.clone()).unwrap();
        // A patch may be taken for one that differs by rounding.
        let largest = values(&train.abs().max())[0];
        prop_assert!(values(&scored.map).iter().all(|&value| value <= 2e-3 * largest));
    }

    #[test]
    fn state_restores_the_same_detector(train in any_features(), seed: u64) {
        let device = Default::default();
        let test = train.clone() * 1.5;
        let config = PatchCoreConfig { neighbors: 3, ..Default::default() };
        let detector = patchcore(&config, &[train.clone()], seed);
        let restored = PatchCore::from_state(&config, detector.state(), &device).unwrap();
        prop_assert_eq!(restored.state(), detector.state());
        let (a, b) = (detector.score(test.clone()).unwrap(), restored.score(test.clone()).unwrap());
        prop_assert_eq!((values(&a.map), a.score), (values(&b.map), b.score));

        let detector = padim(&PadimConfig { features: 3 }, &[train], seed);
        let restored = Padim::from_state(detector.state(), &device).unwrap();
        prop_assert_eq!(restored.state(), detector.state());
        let (a, b) = (detector.score(test.clone(), SIZE).unwrap(), restored.score(test, SIZE).unwrap());
        prop_assert_eq!((values(&a.map), a.score), (values(&b.map), b.score));
    }

    #[test]
    fn batches_of_training_images_make_no_difference(train in any_features(), seed: u64) {
        let batches = train.clone().split(1, 0);
        let config = PatchCoreConfig { coreset_ratio: 0.5, ..Default::default() };
        let (a, b) = (patchcore(&config, &batches, seed), patchcore(&config, &[train.clone()], seed));
        prop_assert_eq!(a.state(), b.state());
        let config = PadimConfig { features: 4 };
        prop_assert_eq!(padim(&config, &batches, seed).state(), padim(&config, &[train], seed).state());
    }

    #[test]
    fn smoothing_keeps_constant_maps(
        value in -10f32..10.0,
        from in [1usize..9, 1usize..9],
        to in [1usize..70, 1usize..70],
        nearest: bool,
    ) {
        let upsampling = if nearest { Upsampling::Nearest } else { Upsampling::Bilinear };
        let map = Tensor::<Cpu, 3>::full([2, from[0], from[1]], value, &Default::default());
        let smoothed = smooth(map, to, upsampling).unwrap();
        prop_assert_eq!(smoothed.dims(), [2, to[0], to[1]]);
        prop_assert!(values(&smoothed).iter().all(|v| (v - value).abs() < 1e-4));
    }
}

#[test]
fn threads_make_no_difference() {
    // More channels than the projection keeps.
    let train = [varied([20, 200, 6, 6], 1), varied([20, 200, 6, 6], 2)];
    let fit = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let patchcore = patchcore(&PatchCoreConfig::default(), &train, 5);
            let padim = padim(&PadimConfig { features: 30 }, &train, 5);
            (patchcore.state(), padim.state())
        })
    };
    let single = fit(1);
    assert_eq!(single.0["memory_bank"].shape.as_slice(), [144, 200]);
    assert_eq!(single, fit(3));
}

#[test]
fn seeds_make_a_difference() {
    let train = [varied([8, 40, 3, 3], 1)];
    let config = PatchCoreConfig::default();
    assert_ne!(patchcore(&config, &train, 1).state(), patchcore(&config, &train, 2).state());
    let config = PadimConfig { features: 10 };
    assert_ne!(padim(&config, &train, 1).state(), padim(&config, &train, 2).state());
}

#[test]
fn padim_looks_at_the_drawn_channels_alone() {
    let train = varied([8, 12, 3, 2], 1);
    let detector = padim(&PadimConfig { features: 5 }, &[train.clone()], 3);
    let selection = detector.state()["selection"].to_vec::<f32>().unwrap();
    let drawn: Vec<usize> = (0..12).filter(|&channel| selection[channel] == 1.0).collect();
    assert_eq!(drawn.len(), 5);
    let select =
        |y: &Features| Tensor::cat(drawn.iter().map(|&c| y.clone().narrow(1, c, 1)).collect(), 1);
    let of_drawn = padim(&PadimConfig::default(), &[select(&train)], 0);
    assert_eq!(detector.state()["whitening"], of_drawn.state()["whitening"]);
    let test = varied([2, 12, 3, 2], 7);
    let expected = of_drawn.score(select(&test), SIZE).unwrap();
    assert_eq!(detector.score(test, SIZE).unwrap().score, expected.score);
}

#[test]
fn a_memory_of_one_vector_scores_the_distance() {
    let detector = patchcore(&PatchCoreConfig::default(), &[zeros([1, 2, 1, 1])], 0);
    let scored = detector.score(features(vec![27.0, 36.0], [1, 2, 1, 1])).unwrap();
    // A ninth of the patch lies within the image.
    assert_eq!((values(&scored.map), scored.score), (vec![5.0], vec![5.0]));
}

#[test]
fn fits_report_progress_and_can_be_interrupted() {
    let train = [varied([4, 6, 5, 5], 1)];
    type Fit = fn(&[Features], &mut nfbmr_peers::ProgressFn<'_>) -> Result<(), PeerError>;
    let patchcore: Fit = |train, progress| {
        PatchCore::fit(&PatchCoreConfig::default(), train, 0, progress).map(|_| ())
    };
    let padim: Fit =
        |train, progress| Padim::fit(&PadimConfig::default(), train, 0, progress).map(|_| ());
    for (fit, steps) in [(patchcore, 10), (padim, 5)] {
        let mut seen = Vec::new();
        let mut note = |done, total| {
            seen.push(done);
            assert_eq!(total, steps);
            ControlFlow::Continue(())
        };
        fit(&train, &mut note).unwrap();
        assert!(seen.is_sorted() && seen.last() == Some(&steps), "{seen:?}");
        let mut stop = |done, _| match done {
            3.. => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        assert!(matches!(fit(&train, &mut stop), Err(PeerError::Interrupted)));
    }
}

#[test]
fn unfit_features_are_refused() {
    let fit_patchcore = |train: &[Features]| {
        PatchCore::fit(&PatchCoreConfig::default(), train, 0, &mut go_on).unwrap_err()
    };
    let fit_padim =
        |train: &[Features]| Padim::fit(&PadimConfig::default(), train, 0, &mut go_on).unwrap_err();
    assert!(matches!(fit_patchcore(&[]), PeerError::TooFewImages { needed: 1, found: 0 }));
    let one = zeros([1, 3, 2, 2]);
    assert!(matches!(fit_padim(&[one.clone()]), PeerError::TooFewImages { needed: 2, found: 1 }));
    let other_channels = [one.clone(), zeros([1, 4, 2, 2])];
    let other_rows = [one.clone(), zeros([1, 3, 3, 2])];
    assert!(matches!(
        fit_patchcore(&other_channels),
        PeerError::Channels { expected: 3, found: [1, 4, 2, 2] }
    ));
    for train in [other_channels, other_rows] {
        let found = train[1].dims();
        let error = fit_padim(&train);
        assert!(
            matches!(error, PeerError::Shape { expected: [3, 2, 2], found: f } if f == found),
            "{error}"
        );
    }
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut values = vec![0.5; 2 * 3 * 2 * 2];
        values[20] = value;
        let train = [one.clone(), features(values, [2, 3, 2, 2])];
        assert!(matches!(fit_patchcore(&train), PeerError::NotFinite { image: 2 }));
        assert!(matches!(fit_padim(&train), PeerError::NotFinite { image: 2 }));
    }
    let mut values = vec![0.0; 24];
    values[5] = 1e12;
    values[9] = -1e12;
    let error = fit_padim(&[features(values, [2, 3, 2, 2])]);
    assert!(matches!(error, PeerError::Covariance { row: 0, column: 1 }), "{error}");
}

#[test]
fn unfit_features_are_not_scored() {
    let train = [varied([4, 3, 2, 2], 1)];
    let patchcore = patchcore(&PatchCoreConfig::default(), &train, 0);
    let padim = padim(&PadimConfig::default(), &train, 0);
    assert!(patchcore.score(zeros([1, 3, 7, 5])).is_ok());
    assert!(matches!(
        patchcore.score(zeros([1, 2, 2, 2])),
        Err(PeerError::Channels { expected: 3, found: [1, 2, 2, 2] })
    ));
    for found in [[1, 2, 2, 2], [1, 3, 2, 3], [1, 3, 4, 1]] {
        let error = padim.score(zeros(found), SIZE).unwrap_err();
        assert!(
            matches!(error, PeerError::Shape { expected: [3, 2, 2], found: f } if f == found),
            "{error}"
        );
    }
    // The last squares to infinity.
    for value in [f32::NAN, f32::INFINITY, 1e30] {
        let mut values = vec![0.5; 2 * 3 * 2 * 2];
        values[20] = value;
        let y = features(values, [2, 3, 2, 2]);
        assert!(matches!(patchcore.score(y.clone()), Err(PeerError::NotFinite { image: 1 })));
        assert!(matches!(padim.score(y, SIZE), Err(PeerError::NotFinite { image: 1 })));
    }
    for size in [[0, 4], [4, 0], [usize::MAX, 4]] {
        let error = padim.score(zeros([1, 3, 2, 2]), size).unwrap_err();
        assert!(matches!(error, PeerError::Size { .. }), "{error}");
    }
}

#[test]
fn nonsense_configurations_are_refused() {
    let default = PatchCoreConfig::default();
    let train = [varied([4, 3, 2, 2], 1)];
    for config in [
        PatchCoreConfig { patch_size: 0, ..default.clone() },
        PatchCoreConfig { patch_size: 4, ..default.clone() },
        PatchCoreConfig { patch_size: usize::MAX, ..default.clone() },
        PatchCoreConfig { coreset_ratio: 0.0, ..default.clone() },
        PatchCoreConfig { coreset_ratio: 1.1, ..default.clone() },
        PatchCoreConfig { coreset_ratio: f64::NAN, ..default.clone() },
        PatchCoreConfig { neighbors: 0, ..default.clone() },
    ] {
        let error = PatchCore::fit(&config, &train, 0, &mut go_on).unwrap_err();
        assert!(matches!(error, PeerError::Config(_)), "{error}");
        let error = PatchCore::<Cpu>::from_state(&config, StateDict::new(), &Default::default())
            .unwrap_err();
        assert!(matches!(error, PeerError::Config(_)), "{error}");
    }
    let error = Padim::fit(&PadimConfig { features: 0 }, &train, 0, &mut go_on).unwrap_err();
    assert!(matches!(error, PeerError::Config(_)), "{error}");
}

#[test]
fn configurations_are_read_strictly() {
    let config: PatchCoreConfig = serde_json::from_str(r#"{"neighbors": 5}"#).unwrap();
    assert_eq!(config, PatchCoreConfig { neighbors: 5, ..Default::default() });
    assert!(serde_json::from_str::<PatchCoreConfig>(r#"{"neighbours": 5}"#).is_err());
    assert!(serde_json::from_str::<PadimConfig>(r#"{"n_features": 5}"#).is_err());
}

#[test]
fn damaged_states_are_refused() {
    let device = Default::default();
    let train = [varied([4, 6, 2, 3], 1)];
    let config = PatchCoreConfig::default();
    let memory = patchcore(&config, &train, 0).state();
    let padim = padim(&PadimConfig { features: 4 }, &train, 0).state();
    let filled = |value: f32, shape: &[usize]| {
        TensorData::new(vec![value; shape.iter().product()], shape.to_vec())
    };
    let change = |state: &StateDict, name: &str, data: Option<TensorData>| {
        let mut state = state.clone();
        match data {
            Some(data) => state.insert(name.to_owned(), data),
            None => state.remove(name),
        };
        state
    };
    for (name, data, complaint) in [
        ("memory_bank", None, "memory_bank: missing"),
        ("memory_bank", Some(filled(0.0, &[6])), "2 dimensions"),
        ("memory_bank", Some(filled(0.0, &[0, 6])), "2 dimensions"),
        ("memory_bank", Some(filled(f32::NAN, &[2, 6])), "not finite"),
        ("memory_bank", Some(TensorData::new(vec![1i64], [1, 1])), "expected f32"),
        ("other", Some(filled(0.0, &[1])), "other: unexpected"),
    ] {
        let state = change(&memory, name, data);
        let error = PatchCore::<Cpu>::from_state(&config, state, &device).unwrap_err();
        assert!(error.to_string().contains(complaint), "{error}");
    }
    for (name, data, complaint) in [
        ("selection", None, "selection: missing"),
        ("selection", Some(filled(0.5, &[6])), "0 and 1"),
        ("selection", Some(filled(0.0, &[6])), "mean: expected 0"),
        ("selection", Some(filled(1.0, &[6])), "mean: expected 6"),
        ("mean", Some(filled(0.0, &[2, 3, 3])), "mean: expected 4"),
        ("mean", Some(filled(0.0, &[2, 2, 4])), "whitening: expected [4, 4, 4]"),
        ("whitening", Some(filled(0.0, &[6, 4, 3])), "whitening: expected [6, 4, 4]"),
        ("whitening", Some(filled(f32::INFINITY, &[6, 4, 4])), "not finite"),
        ("other", Some(filled(0.0, &[1])), "other: unexpected"),
    ] {
        let state = change(&padim, name, data);
        let error = Padim::<Cpu>::from_state(state, &device).unwrap_err();
        assert!(error.to_string().contains(complaint), "{error}");
    }
}
