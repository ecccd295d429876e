//! What holds for any features: order of scores, state, batches, seeds, threads, progress.

mod common;

use std::ops::ControlFlow;
use std::slice::from_ref;

use burn::tensor::Tensor;
use common::*;
use nfbmr_backend::Cpu;
use nfbmr_peers::{
    Padim, PadimConfig, PatchCore, PatchCoreConfig, PeerError, ProgressFn, Upsampling, smooth,
};
use proptest::prelude::*;

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
        let detector = patchcore(&config, from_ref(&train), seed);
        let near = detector.score(train.clone()).unwrap();
        let far_off = detector.score(far.clone()).unwrap();
        let farthest = near.score.iter().copied().fold(0.0, f32::max);
        prop_assert!(far_off.score.iter().all(|&score| score > farthest));
        prop_assert!(values(&near.map).iter().all(|&value| value >= 0.0));

        let detector = padim(&PadimConfig::default(), from_ref(&train), seed);
        let near = detector.score(train, SIZE).unwrap();
        let far_off = detector.score(far, SIZE).unwrap();
        let farthest = near.score.iter().copied().fold(0.0, f32::max);
        prop_assert!(far_off.score.iter().all(|&score| score > farthest));
        prop_assert!(values(&near.map).iter().all(|&value| value >= 0.0));
    }

    #[test]
    fn what_the_memory_holds_scores_nothing(train in any_features(), seed: u64) {
        let config = PatchCoreConfig { coreset_ratio: 1.0, ..Default::default() };
        let scored = patchcore(&config, from_ref(&train), seed).score(train.clone()).unwrap();
        // A patch may be taken for one that differs by rounding.
        let largest = values(&train.abs().max())[0];
        prop_assert!(values(&scored.map).iter().all(|&value| value <= 2e-3 * largest));
    }

    #[test]
    fn state_restores_the_same_detector(train in any_features(), seed: u64) {
        let device = Default::default();
        let test = train.clone() * 1.5;
        let config = PatchCoreConfig { neighbors: 3, ..Default::default() };
        let detector = patchcore(&config, from_ref(&train), seed);
        let restored = PatchCore::from_state(&config, detector.state(), &device).unwrap();
        prop_assert_eq!(restored.state(), detector.state());
        let a = detector.score(test.clone()).unwrap();
        let b = restored.score(test.clone()).unwrap();
        prop_assert_eq!((values(&a.map), a.score), (values(&b.map), b.score));

        let detector = padim(&PadimConfig { features: 3 }, &[train], seed);
        let restored = Padim::from_state(detector.state(), &device).unwrap();
        prop_assert_eq!(restored.state(), detector.state());
        let a = detector.score(test.clone(), SIZE).unwrap();
        let b = restored.score(test, SIZE).unwrap();
        prop_assert_eq!((values(&a.map), a.score), (values(&b.map), b.score));
    }

    #[test]
    fn batches_of_training_images_make_no_difference(train in any_features(), seed: u64) {
        let batches = train.clone().split(1, 0);
        let config = PatchCoreConfig { coreset_ratio: 0.5, ..Default::default() };
        let in_one = patchcore(&config, from_ref(&train), seed);
        prop_assert_eq!(patchcore(&config, &batches, seed).state(), in_one.state());
        let config = PadimConfig { features: 4 };
        let in_one = padim(&config, &[train], seed);
        prop_assert_eq!(padim(&config, &batches, seed).state(), in_one.state());
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
    let detector = padim(&PadimConfig { features: 5 }, from_ref(&train), 3);
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
    type Fit = fn(&[Features], &mut ProgressFn<'_>) -> Result<(), PeerError>;
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
