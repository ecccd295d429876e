//! Features, configurations and states that don't fit are errors that say why, not panics.

mod common;

use std::slice::from_ref;

use burn::tensor::TensorData;
use common::*;
use nfbmr_backend::{Cpu, StateDict};
use nfbmr_peers::{Padim, PadimConfig, PatchCore, PatchCoreConfig, PeerError};

#[test]
fn unfit_features_are_refused() {
    let fit_patchcore = |train: &[Features]| {
        PatchCore::fit(&PatchCoreConfig::default(), train, 0, &mut go_on).unwrap_err()
    };
    let fit_padim =
        |train: &[Features]| Padim::fit(&PadimConfig::default(), train, 0, &mut go_on).unwrap_err();
    assert!(matches!(fit_patchcore(&[]), PeerError::TooFewImages { needed: 1, found: 0 }));
    let one = zeros([1, 3, 2, 2]);
    assert!(matches!(fit_padim(from_ref(&one)), PeerError::TooFewImages { needed: 2, found: 1 }));
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
