//! What whitening promises, and what it refuses.

use burn::tensor::{Tensor, TensorData};
use nfbmr_backend::Cpu;
use nfbmr_whitening::{
    WhiteningConfig, WhiteningError, WhiteningFit, distances_left_out, distances_without,
};
use proptest::prelude::*;

fn features(shape: [usize; 4], values: Vec<f32>) -> Tensor<Cpu, 4> {
    Tensor::from_data(TensorData::new(values, shape), &Default::default())
}

fn white(config: &WhiteningConfig, y: &Tensor<Cpu, 4>) -> Result<Vec<f32>, WhiteningError> {
    let [_, channels, height, width] = y.dims();
    let mut fit = WhiteningFit::new(config, &[channels], [height, width], 1)?;
    fit.add(y.clone(), 0)?;
    let white = fit.finish::<Cpu>(&Default::default())?.forward(y.clone())?;
    Ok(white.into_data().iter().collect())
}

proptest! {
    /// The distance of an image to statistics that it was left out of is that of statistics which never had it, of one
    /// kind of images and of two.
    #[test]
    fn an_image_is_left_out_as_if_it_had_never_been_there(
        images in 6usize..12,
        kinds in 1usize..3,
        seed in prop::collection::vec(-1f32..1.0, 12 * 3 * 2),
    ) {
        let shape = [images, 3, 1, 2];
        // Far from each other, so that an image is of its kind with any of the statistics.
        let value = |(index, value): (usize, &f32)| value + 20.0 * (index / 6 % kinds) as f32;
        let y = features(shape, seed[..images * 6].iter().enumerate().map(value).collect());
        let config = WhiteningConfig { neighborhood: 1, prior: 0.0, ridge: 1e-7, ..WhiteningConfig::default() };
        let fitted = |images: usize| {
            let mut fit = WhiteningFit::new(&config, &[2, 1], [1, 2], kinds).unwrap();
            for image in 0..images {
                fit.add(y.clone().narrow(0, image, 1), image % kinds).unwrap();
            }
            fit.finish::<Cpu>(&Default::default()).unwrap()
        };
        let (all, others) = (fitted(images), fitted(images - 1));
        let last = y.clone().narrow(0, images - 1, 1);
        let of_kind = (0..images).filter(|image| image % kinds == (images - 1) % kinds).count();
        let z = all.forward(last.clone()).unwrap();
        let found = distances_left_out(&config, images, of_kind, &[2, 1], z.clone());
        let mark = features([1, 3, 1, 2], vec![0.7, -0.2, 0.4, 0.1, -0.6, 0.9]);
        let marked = last.clone() + mark;
        let w = all.forward(marked.clone()).unwrap();
        let of_marked = distances_without(&config, images, of_kind, &[2, 1], z, w);
        let expected = |y: Tensor<Cpu, 4>| -> Vec<f32> {
            let z = others.forward(y).unwrap().powi_scalar(2).mean_dim(1);
            z.into_data().iter().collect()
        };
        let found = found.iter().chain(&of_marked);
        for (found, expected) in found.zip(expected(last).into_iter().chain(expected(marked))) {
            let expected = f64::from(expected);
            prop_assert!((found - expected).abs() <= 0.02 * expected + 1e-3, "{found} for {expected}");
        }
    }

    /// Images of several kinds, which differ by a constant alone, are as white as those of one, and each is of its kind.
    #[test]
    fn kinds_that_differ_by_a_constant_become_the_same(
        kinds in 2usize..4,
        seed in prop::collection::vec(-1f32..1.0, 12 * 3 * 4),
    ) {
        let config = WhiteningConfig { prior: 5.0, ..WhiteningConfig::default() };
        let shift = |image: usize| 30.0 * (image % kinds) as f32;
        let plain = features([12, 3, 2, 2], seed.clone());
        let shifted = seed.iter().enumerate().map(|(index, value)| value + shift(index / 12));
        let shifted = features([12, 3, 2, 2], shifted.collect());
        let fitted = |y: &Tensor<Cpu, 4>| {
            let mut fit = WhiteningFit::new(&config, &[2, 1], [2, 2], kinds).unwrap();
            for image in 0..12 {
                fit.add(y.clone().narrow(0, image, 1), image % kinds).unwrap();
            }
            fit.finish::<Cpu>(&Default::default()).unwrap()
        };
        let (white, of) = fitted(&shifted).forward_kinds(shifted).unwrap();
        prop_assert_eq!(of, Some((0..12).map(|image| image % kinds).collect::<Vec<_>>()));
        let mut sums = vec![[0.0; 12]; kinds];
        for (index, value) in white.into_data().iter::<f32>().enumerate() {
            sums[index / 12 % kinds][index % 12] += value;
        }
        prop_assert!(sums.as_flattened().iter().all(|sum| sum.abs() < 0.05), "{sums:?}");
        let alone = fitted(&plain);
        prop_assert!(alone.nll(plain).unwrap().iter().all(|nll| nll.is_finite()));
    }

    /// Without a prior and averages, the images it was fitted to have mean 0 and covariance I but for the
    /// ridge, at every position.
    #[test]
    fn normal_images_become_white(
        channels in 1usize..4,
        grid in (1usize..4, 1usize..4),
        scale in 0.01f32..100.0,
        seed in prop::collection::vec(-1f32..1.0, 40 * 3 * 9),
    ) {
        let (height, width) = grid;
        let shape = [40, channels, height, width];
        let count = shape.iter().product();
        let values = seed[..count].iter().map(|value| scale * (value + 3.0)).collect();
        let config = WhiteningConfig { neighborhood: 1, prior: 0.0, ridge: 1e-6, ..WhiteningConfig::default() };
        let white = white(&config, &features(shape, values)).unwrap();
        let at = |image, channel, position| {
            f64::from(white[(image * channels + channel) * height * width + position])
        };
        for position in 0..height * width {
            for i in 0..channels {
                let mean: f64 = (0..40).map(|image| at(image, i, position)).sum::<f64>() / 40.0;
                prop_assert!(mean.abs() < 1e-2, "mean {mean}");
                for j in 0..channels {
                    let product = |image| at(image, i, position) * at(image, j, position);
                    let covariance: f64 = (0..40).map(product).sum::<f64>() / 40.0;
                    let expected = f64::from(u8::from(i == j));
                    prop_assert!((covariance - expected).abs() < 2e-2, "{i} {j}: {covariance}");
                }
            }
        }
    }

    /// The likelihood is that of a Gaussian at each position and block, worked out here in plain numbers.
    #[test]
    fn likelihoods_are_those_of_gaussians(
        images in 2usize..6,
        prior in 0f64..30.0,
        scale in 0.1f32..10.0,
        values in prop::collection::vec(-1f32..1.0, 8 * 3 * 2),
    ) {
        const BLOCKS: [usize; 2] = [2, 1];
        let config = WhiteningConfig { neighborhood: 1, prior, ridge: 0.02, ..WhiteningConfig::default() };
        let values: Vec<f32> = values.iter().map(|value| scale * (value + 0.5)).collect();
        let all = features([8, 3, 1, 2], values.clone());
        let (train, test) = (all.clone().narrow(0, 0, images), all.narrow(0, images, 8 - images));
        let mut fit = WhiteningFit::new(&config, &BLOCKS, [1, 2], 1).unwrap();
        fit.add(train, 0).unwrap();
        let found = fit.finish::<Cpu>(&Default::default()).unwrap().nll(test).unwrap();

        let at = |image: usize, channel: usize, position: usize| {
            f64::from(values[(image * 3 + channel) * 2 + position])
        };
        let mut expected = vec![0.0; 8 - images];
        for (first, channels) in [(0, 2), (2, 1)] {
            let rows = |position, all: std::ops::Range<usize>| -> Vec<Vec<f64>> {
                all.map(|image| (first..first + channels).map(|c| at(image, c, position)).collect()).collect()
            };
            let fitted = [0, 1].map(|position| gaussian(&rows(position, 0..images)));
            let (_, between) = gaussian(&fitted.clone().map(|(mean, _)| mean));
            let common = |i: usize, j: usize| {
                between[i][j] + 0.5 * (fitted[0].1[i][j] + fitted[1].1[i][j])
            };
            let weight = prior / (prior + images as f64);
            let variance = (0..channels).map(|c| common(c, c)).sum::<f64>() / channels as f64;
            for (position, (mean, own)) in fitted.iter().enumerate() {
                let mut sigma = own.clone();
                for (i, row) in sigma.iter_mut().enumerate() {
                    for (j, value) in row.iter_mut().enumerate() {
                        *value = (1.0 - weight) * *value + weight * common(i, j);
                        *value += if i == j { 0.02 * variance } else { 0.0 };
                    }
                }
                for (sum, row) in expected.iter_mut().zip(rows(position, images..8)) {
                    let from_mean: Vec<f64> = row.iter().zip(mean).map(|(x, mean)| x - mean).collect();
                    *sum -= log_density(&sigma, &from_mean) / 6.0;
                }
            }
        }
        for (found, expected) in found.iter().zip(expected) {
            prop_assert!((found - expected).abs() < 1e-4 * (1.0 + expected.abs()), "{found} for {expected}");
        }
    }

    /// What an image's likelihood adds to the square of its white features is the same for all images.
    #[test]
    fn likelihoods_differ_by_squared_norms(
        values in prop::collection::vec(-1f32..1.0, 5 * 3 * 4),
    ) {
        let y = features([5, 3, 2, 2], values);
        let mut fit = WhiteningFit::new(&WhiteningConfig::default(), &[1, 2], [2, 2], 1).unwrap();
        fit.add(y.clone(), 0).unwrap();
        let whitening = fit.finish::<Cpu>(&Default::default()).unwrap();
        let white: Vec<f32> = whitening.forward(y.clone()).unwrap().into_data().iter().collect();
        let square = |z: &[f32]| 0.5 * z.iter().map(|z| f64::from(z * z)).sum::<f64>() / 12.0;
        let rest: Vec<f64> =
            whitening.nll(y).unwrap().iter().zip(white.chunks(12)).map(|(nll, z)| nll - square(z)).collect();
        for other in &rest {
            prop_assert!((other - rest[0]).abs() < 1e-5, "{rest:?}");
        }
    }

    /// In another unit each value is as much less likely as the unit is smaller.
    #[test]
    fn a_unit_shifts_likelihoods(
        scale in 0.01f32..100.0,
        values in prop::collection::vec(-1f32..1.0, 5 * 3 * 4),
    ) {
        let nll = |scale: f32| {
            let y = features([5, 3, 2, 2], values.iter().map(|value| scale * value).collect());
            let mut fit = WhiteningFit::new(&WhiteningConfig::default(), &[1, 2], [2, 2], 1).unwrap();
            fit.add(y.clone(), 0).unwrap();
            fit.finish::<Cpu>(&Default::default()).unwrap().nll(y).unwrap()
        };
        for (one, scaled) in nll(1.0).iter().zip(nll(scale)) {
            let expected = one + f64::from(scale).ln();
            prop_assert!((scaled - expected).abs() < 1e-3, "{scaled} for {expected}");
        }
    }

    /// The unit of the features doesn't matter.
    #[test]
    fn scaling_features_changes_nothing(
        scale in 0.01f32..100.0,
        values in prop::collection::vec(-1f32..1.0, 5 * 3 * 4),
    ) {
        let shape = [5, 3, 2, 2];
        let scaled = values.iter().map(|value| scale * value).collect();
        let config = WhiteningConfig::default();
        let one = white(&config, &features(shape, values));
        let other = white(&config, &features(shape, scaled));
        for (a, b) in one.unwrap().iter().zip(other.unwrap()) {
            prop_assert!((a - b).abs() < 1e-3 * (1.0 + a.abs()), "{a} {b}");
        }
    }
}

/// The mean of rows and their covariance, with as many degrees of freedom as there are rows.
fn gaussian(rows: &[Vec<f64>]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let (count, d) = (rows.len() as f64, rows[0].len());
    let mean: Vec<f64> =
        (0..d).map(|i| rows.iter().map(|row| row[i]).sum::<f64>() / count).collect();
    let product = |i: usize, j: usize| -> f64 {
        rows.iter().map(|row| (row[i] - mean[i]) * (row[j] - mean[j])).sum::<f64>() / count
    };
    let covariance = (0..d).map(|i| (0..d).map(|j| product(i, j)).collect()).collect();
    (mean, covariance)
}

/// log N(x; 0, Σ) without the constant, of one or two dimensions by their formulas.
fn log_density(sigma: &[Vec<f64>], x: &[f64]) -> f64 {
    match (sigma, x) {
        ([a], [x]) => -0.5 * (x * x / a[0] + a[0].ln()),
        ([a, b], [x, y]) => {
            let det = a[0] * b[1] - a[1] * b[0];
            let square = (b[1] * x * x - 2.0 * a[1] * x * y + a[0] * y * y) / det;
            -0.5 * (square + det.ln())
        }
        _ => panic!("one or two dimensions"),
    }
}

#[test]
fn what_cant_be_whitened_is_refused() {
    let config = WhiteningConfig::default();
    let constant = features([3, 2, 2, 2], vec![7.0; 24]);
    let error = white(&config, &constant).unwrap_err();
    assert!(matches!(error, WhiteningError::Constant { first: 0, channels: 2 }), "{error}");
    let one = features([1, 2, 2, 2], vec![7.0; 8]);
    let error = white(&config, &one).unwrap_err();
    assert!(matches!(error, WhiteningError::TooFewImages { found: 1 }), "{error}");
    let mut values = vec![0.5; 24];
    values[19] = f32::NAN;
    let error = white(&config, &features([3, 2, 2, 2], values)).unwrap_err();
    assert!(matches!(error, WhiteningError::NotFinite { image: 2 }), "{error}");

    let mut fit = WhiteningFit::new(&config, &[2], [3, 3], 1).unwrap();
    let error = fit.add(constant, 0).unwrap_err().to_string();
    assert!(error.contains("expected features [N, 2, 3, 3], found [3, 2, 2, 2]"), "{error}");
}

#[test]
fn configurations_without_meaning_are_refused() {
    let refused = |config: WhiteningConfig| {
        let error = WhiteningFit::new(&config, &[2], [2, 2], 1).unwrap_err().to_string();
        assert!(error.contains("must be"), "{error}");
    };
    let good = WhiteningConfig::default();
    refused(WhiteningConfig { neighborhood: 2, ..good.clone() });
    refused(WhiteningConfig { neighborhood: 33, ..good.clone() });
    refused(WhiteningConfig { prior: -1.0, ..good.clone() });
    refused(WhiteningConfig { ridge: 0.0, ..good.clone() });
    refused(WhiteningConfig { ridge: f64::NAN, ..good });
}

/// A channel that never varies, and one at a position, leave the others as they are.
#[test]
fn dead_channels_stay_finite() {
    let value = |index: usize| match index % 8 / 4 {
        0 => 3.0,
        _ => ((index * 37) % 11) as f32,
    };
    let y = features([6, 2, 2, 2], (0..48).map(value).collect());
    let white = white(&WhiteningConfig::default(), &y).unwrap();
    assert!(white.iter().all(|value| value.is_finite()));
}
