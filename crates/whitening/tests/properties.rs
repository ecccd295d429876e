//! What whitening promises, and what it refuses.

use burn::tensor::{Tensor, TensorData};
use nfbmr_backend::Cpu;
use nfbmr_whitening::{WhiteningConfig, WhiteningError, WhiteningFit, distances_left_out};
use proptest::prelude::*;

fn features(shape: [usize; 4], values: Vec<f32>) -> Tensor<Cpu, 4> {
    Tensor::from_data(TensorData::new(values, shape), &Default::default())
}

fn white(config: &WhiteningConfig, y: &Tensor<Cpu, 4>) -> Result<Vec<f32>, WhiteningError> {
    let [_, channels, height, width] = y.dims();
    let mut fit = WhiteningFit::new(config, &[channels], [height, width])?;
    fit.add(y.clone())?;
    let white = fit.finish::<Cpu>(&Default::default())?.forward(y.clone())?;
    Ok(white.into_data().iter().collect())
}

proptest! {
    /// The distance of an image to statistics that it was left out of is that of statistics which never had it.
    #[test]
    fn an_image_is_left_out_as_if_it_had_never_been_there(
        images in 6usize..12,
        seed in prop::collection::vec(-1f32..1.0, 12 * 3 * 2),
    ) {
        let shape = [images, 3, 1, 2];
        let y = features(shape, seed[..images * 6].to_vec());
        let config = WhiteningConfig { neighborhood: 1, prior: 0.0, ridge: 1e-7, ..WhiteningConfig::default() };
        let fitted = |y: Tensor<Cpu, 4>| {
            let mut fit = WhiteningFit::new(&config, &[2, 1], [1, 2]).unwrap();
            fit.add(y).unwrap();
            fit.finish::<Cpu>(&Default::default()).unwrap()
        };
        let (last, others) = (y.clone().narrow(0, images - 1, 1), y.clone().narrow(0, 0, images - 1));
        let z = fitted(y).forward(last.clone()).unwrap();
        let found = distances_left_out(&config, images, &[2, 1], z);
        let z = fitted(others).forward(last).unwrap().powi_scalar(2).mean_dim(1);
        let expected: Vec<f32> = z.into_data().iter().collect();
        for (found, expected) in found.iter().zip(expected) {
            let expected = f64::from(expected);
            prop_assert!((found - expected).abs() <= 0.02 * expected + 1e-3, "{found} for {expected}");
        }
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

    let mut fit = WhiteningFit::new(&config, &[2], [3, 3]).unwrap();
    let error = fit.add(constant).unwrap_err().to_string();
    assert!(error.contains("expected features [N, 2, 3, 3], found [3, 2, 2, 2]"), "{error}");
}

#[test]
fn configurations_without_meaning_are_refused() {
    let refused = |config: WhiteningConfig| {
        let error = WhiteningFit::new(&config, &[2], [2, 2]).unwrap_err().to_string();
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
